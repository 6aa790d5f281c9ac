import MusterCore
import MusterDrivers

/// Asks a driver what is true of one act that may have been begun by a conductor that is gone.
struct Inquiry: Sendable {
    let driver: any Driver
    let node: NodeHandle
    let operation: OperationID

    /// Of an act that runs a command; nil when nobody waits for the answer any more.
    func command() async -> ActStatus? {
        do throws(StepError) {
            switch try await driver.status(of: operation, on: node) {
            case .ended(let exit): return .ended(.exited(exit))
            case .running: return .running
            case .neverStarted: return .neverStarted
            case .unknown(let reason): return .unknown(reason)
            }
        } catch {
            return failed(error)
        }
    }

    /// Of an act that makes a node: its operation is that of the node's server, which runs on when the act is done.
    func creation() async -> ActStatus? {
        do throws(StepError) {
            switch try await driver.status(of: operation, on: node) {
            case .ended(let exit) where exit.notStarted != nil: return .ended(.exited(exit))
            case .ended:
                // A node whose server has ended is lost, whether its supervisor is still there or not.
                return .ended(.failed(StepError(.lost, "\(node.name): its server ended before the node was known")))
            case .running:
                // Its supervisor is there and says where the node is.
                return .ended(.succeeded(facts: try await driver.create(node, operation: operation, server: nil)))
            case .neverStarted: return .neverStarted
            case .unknown(let reason): return .unknown(reason)
            }
        } catch {
            return failed(error)
        }
    }

    private func failed(_ error: StepError) -> ActStatus? {
        if Task.isCancelled { return nil }
        return error.code == .lost ? .ended(.failed(error)) : .unknown(error.message)
    }
}

extension RunSpec {
    /// Whether a provisioning step makes its node.
    func creates(_ step: StepSpec) -> Bool {
        let (group, index) = (Int(step.a), Int(step.b))
        return groups.indices.contains(group) && groups[group].steps.indices.contains(index)
            && groups[group].steps[index].kind.creates
    }
}
