import Foundation
import Logging
import MusterCore
import MusterDrivers

/// Playbooks. On nodes of this host ansible is a command like any other. For others it runs beside the node, on this
/// host: under a supervisor of its own, in a folder of the node's folder, so that it outlives a conductor as well.
extension Performer {
    /// That folder's name.
    private static let seatName = "supervisor.ansible"

    /// The folder of the node to which a supervisor's folder belongs: its own, or that of one beside it.
    package static func nodeFolder(_ directory: String) -> String {
        directory.hasSuffix("/" + seatName) ? String(directory.dropLast(seatName.utf8.count + 1)) : directory
    }

    static func seatFolder(of nodeFolder: String) -> String { nodeFolder + "/" + seatName }

    private static func seat(beside node: NodeHandle) -> NodeHandle {
        var seat = node
        seat.driver = "process"
        seat.machine = nil
        seat.directory = seatFolder(of: node.directory)
        seat.facts = [:]
        return seat
    }

    /// Where an act's operation runs: on its node, or beside it.
    func place(of act: Act, _ node: NodeHandle, _ creator: RunSpec?) -> NodeHandle {
        guard creator?.plays(act.spec) == true, !drivers.sharesFiles(node.driver) else { return node }
        return Self.seat(beside: node)
    }

    /// The place beside a node, where something was started there that may still run.
    func presentSeat(beside node: NodeHandle) -> NodeHandle? {
        guard !drivers.sharesFiles(node.driver) else { return nil }
        let seat = Self.seat(beside: node)
        return FileManager.default.fileExists(atPath: seat.directory) ? seat : nil
    }

    /// Plays it to its end.
    func run(_ play: Play, on node: NodeHandle, operation: OperationID) async throws(StepError) -> ProcessExit {
        let command = play.command(reaching: try await drivers.of(node).inventoryVariables(of: node))
        guard !drivers.sharesFiles(node.driver) else {
            return try await drivers.of(node).runWithFiles(command, on: node, operation: operation)
        }
        let seat = Self.seat(beside: node)
        let driver = drivers.of(seat)
        do throws(StepError) {
            _ = try await driver.create(seat, operation: OperationID("\(operation)-seat"), server: nil)
        } catch {
            // Nothing was played, and the node itself is not lost.
            guard error.code == .lost else { throw error }
            throw StepError(.refused, "ansible cannot be started beside the node: \(error.message)")
        }
        do throws(StepError) {
            let exit = try await driver.runWithFiles(command, on: seat, operation: operation)
            await vacate(seat)
            return exit
        } catch {
            throw Self.known(error, at: seat)
        }
    }

    /// Waits for the end of what another conductor has begun, on a node or beside one.
    func attach(to operation: OperationID, on node: NodeHandle) async throws(StepError) -> ProcessExit {
        do throws(StepError) {
            let exit = try await drivers.of(node).attach(to: operation, on: node)
            await vacate(node)
            return exit
        } catch {
            throw Self.known(error, at: node)
        }
    }

    // MARK: What is lost

    private static func isSeat(_ node: NodeHandle) -> Bool { node.directory.hasSuffix("/" + seatName) }

    /// A node is not lost with what was beside it; but nobody can tell how far that came.
    private static func known(_ error: StepError, at place: NodeHandle) -> StepError {
        guard isSeat(place), error.code == .lost else { return error }
        return StepError(.unknown, "ansible was ended beside the node, and how is not known: \(error.message)")
    }

    /// The same for what is found of an act.
    static func known(_ status: ActStatus, at place: NodeHandle) -> ActStatus {
        guard case .ended(.failed(let error)) = status else { return status }
        let told = Self.known(error, at: place)
        return told.code == .unknown ? .unknown(told.message) : status
    }

    /// Ends the supervisor beside a node; its records stay.
    func vacate(_ seat: NodeHandle?) async {
        guard let seat, Self.isSeat(seat) else { return }
        do throws(StepError) {
            try await drivers.of(seat).destroy(seat)
        } catch {
            logger.warning("\(seat.name): what ran ansible beside it does not end: \(error.message)")
        }
    }
}

extension RunSpec {
    /// Whether a step is a playbook.
    fileprivate func plays(_ step: StepSpec) -> Bool {
        guard step.action == .provision else { return false }
        let (group, index) = (Int(step.a), Int(step.b))
        guard groups.indices.contains(group), groups[group].steps.indices.contains(index) else { return false }
        if case .ansible = groups[group].steps[index].kind { return true }
        return false
    }
}
