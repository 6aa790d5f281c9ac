import Foundation
import MusterCore
import MusterDrivers
import MusterEngine

/// The ways to nodes, beside whoever conducts: nothing here acts on a node as a whole, and no lock is held.
struct NodeWays: Sendable {
    let state: StateDirectory
    let drivers: Drivers
    private let tenure = Tenure(0)

    init(_ session: StateSession) {
        state = session.state
        drivers = Drivers(session.makeDrivers({ _ in }))
    }

    func handle(_ row: NodeRow) -> NodeHandle {
        NodeHandle(
            id: row.id,
            name: row.name,
            lab: row.lab,
            driver: row.driver,
            directory: state.node(row),
            facts: row.facts,
            tenure: tenure
        )
    }

    /// How people reach a node.
    ///
    /// - Throws: `CLIError` for one that cannot be reached in its state, or at all.
    func reach(_ row: NodeRow) throws -> NodeReach {
        try Self.check(row)
        do throws(StepError) {
            return try drivers.reach(of: handle(row))
        } catch {
            throw CLIError(error.message, exitCode: ExitCodes.infrastructure)
        }
    }

    /// Whether there is something to reach. A node that failed is there, and people want to look at it.
    static func check(_ row: NodeRow) throws {
        let problem: String
        switch row.state {
        case .starting, .ready, .failed, .quarantined: return
        case .creating: problem = "is being made"
        case .lost: problem = "is lost" + (row.reason.map { ": \($0)" } ?? "")
        case .stopped: problem = "is off (muster power on \(row.name))"
        case .gone: problem = "is gone"
        }
        throw CLIError("\(row.name) \(problem); more: muster why \(row.name)", exitCode: ExitCodes.infrastructure)
    }
}
