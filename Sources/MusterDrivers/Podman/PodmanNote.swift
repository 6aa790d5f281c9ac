import Foundation
import MusterCore

/// What is written down in a node's folder before its container is made, for whoever comes after a crash.
struct PodmanNote: Codable, Sendable {
    var format = 1
    /// The container's name.
    var container: String
    /// The operation that makes it.
    var operation: OperationID
    /// The last one that started its server.
    var started: OperationID
    /// What its main process is.
    var role: Role
    /// What all commands on the node find in their environment: the image's and the step's.
    var environment: [String: String] = [:]
    /// When the container was started, as podman says it; nil while it is being started.
    var startedAt: String?

    enum Role: String, Codable, Sendable {
        /// The image's own program, which is the node's server.
        case program
        /// Nothing but a process that waits; the node has no server, or is one in which commands are run.
        case waits
        /// The same; the node's server is a command that is run in it.
        case serves
    }

    private static func path(_ node: NodeHandle) -> String { "\(node.directory)/supervisor.container" }

    static func read(_ node: NodeHandle) -> PodmanNote? {
        FileManager.default.contents(atPath: path(node)).flatMap {
            try? JSONDecoder().decode(PodmanNote.self, from: $0)
        }
    }

    func write(_ node: NodeHandle) throws(StepError) {
        try RemoteNodes.write(Array((try? JSONEncoder().encode(self)) ?? Data()), Self.path(node))
    }

    static func remove(_ node: NodeHandle) { unlink(path(node)) }

    /// A command with what it finds in the node's container.
    func prepared(_ command: Command) -> Command {
        var command = command
        command.environment.merge(environment) { given, _ in given }
        return command
    }
}

/// Files of a node's folder that say whether it is off, whether it is destroyed, and whose it is.
enum PodmanFiles {
    /// It is off, and that is no loss.
    static func off(_ node: NodeHandle) -> String { "\(node.directory)/supervisor.off" }
    /// podman writes the container's id here; and makes no container when it is there.
    static func made(_ node: NodeHandle) -> String { "\(node.directory)/supervisor.container-id" }
    /// Held locked by whatever makes the container.
    static func making(_ node: NodeHandle) -> String { "\(node.directory)/supervisor.container-lock" }

    /// What watches the container leaves this where it was started, when the container has run out of memory.
    static func outOfMemory(_ node: NodeHandle) -> String { "\(node.directory)/oom" }

    static func isOff(_ node: NodeHandle) -> Bool { FileManager.default.fileExists(atPath: off(node)) }

    static func touch(_ path: String) throws(StepError) {
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            throw StepError(.file, "\(path) cannot be written: \(String(cString: strerror(errno)))")
        }
        close(file)
    }

    /// Notes the conductor's epoch. Folders, as on machines: several may do it at once.
    ///
    /// - Throws: `.refused` when a newer one was here.
    static func fence(_ node: NodeHandle) throws(StepError) {
        let prefix = "supervisor.epoch-"
        let epoch = node.tenure.epoch
        guard FileManager.default.fileExists(atPath: node.directory) else { return }
        mkdir("\(node.directory)/\(prefix)\(epoch)", 0o700)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: node.directory)) ?? []
        let known = names.filter { $0.hasPrefix(prefix) }.compactMap { Epoch($0.dropFirst(prefix.count)) }
        if let newer = known.max(), newer > epoch {
            rmdir("\(node.directory)/\(prefix)\(epoch)")
            throw StepError(.refused, "\(node.name): a newer conductor (epoch \(newer)) has it in hand")
        }
        for old in known where old < epoch { rmdir("\(node.directory)/\(prefix)\(old)") }
    }
}
