import Foundation
import MusterCore
import MusterDrivers
import MusterTestKit

/// A new folder in `/tmp` with a short path, as sockets want one. Whoever makes it removes it.
func temporaryFolder(_ name: String) throws(StepError) -> String { try TestFolder.make(name) }

/// Kills what an operation runs on a node, of all that is found below a folder; the node's own folder there is `place`.
func killProcesses(of operation: OperationID, in place: String, below folder: String) async {
    for some in await Leftovers.find(nodes: folder)
    where some.kind == .process && some.operation == operation.description && some.directory == place {
        kill(some.pid, SIGKILL)
    }
}
