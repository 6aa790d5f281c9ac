import MusterCore
import MusterDrivers
import Synchronization

/// Puts what many commands need on a node there once: each of them waits for it, the first has it put.
///
/// It is known for as long as this process lives; another one puts it again, which changes nothing.
final class KitKeeper: Sendable {
    private struct Place: Hashable {
        let node: NodeID
        let kit: NodeKit
    }

    private let under = Mutex<[Place: Task<Result<Void, StepError>, Never>]>([:])

    /// - Throws: what the driver throws; the next command tries it again.
    func put(_ kits: [NodeKit], on node: NodeHandle, by driver: any Driver) async throws(StepError) {
        for kit in kits {
            let place = Place(node: node.id, kit: kit)
            let task = under.withLock { tasks in
                if let task = tasks[place] { return task }
                // Awaited below. It goes to its end when the one who waits is told to stop, for others wait for it too.
                let task = Task { await Self.put(kit, on: node, by: driver) }
                tasks[place] = task
                return task
            }
            do throws(StepError) {
                try await task.value.get()
            } catch {
                under.withLock { $0[place] = nil }
                throw error
            }
        }
    }

    private static func put(_ kit: NodeKit, on node: NodeHandle, by driver: any Driver) async -> Result<Void, StepError>
    {
        do throws(StepError) {
            switch kit {
            case .files(let files): try await driver.put(files, on: node)
            case .folder(let archive, let folder): try await driver.unpack(archive, as: folder, on: node)
            }
            return .success(())
        } catch {
            return .failure(error)
        }
    }

    /// Whatever was put anywhere may be gone: another conductor has the nodes.
    func abandon() { under.withLock { $0 = [:] } }

    /// Whatever was put on a node may be gone.
    func forget(_ node: NodeID) { under.withLock { $0 = $0.filter { $0.key.node != node } } }
}
