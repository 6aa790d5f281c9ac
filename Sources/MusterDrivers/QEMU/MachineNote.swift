import Foundation
import MusterCore

/// What is noted of a virtual machine in its node's folder before it is made: enough for every later call, also by
/// another process.
struct MachineNote: Codable {
    /// The server's command, without the values of its secrets.
    struct Server: Codable {
        var shell: String?
        var arguments: [String]?
        var environment: [String: String]
        var secretNames: [String]
        var grace: Int64
        var outputLimit: Int64
    }

    var format = 1
    var machine: VirtualMachine
    var server: Server?
    /// The operation under which it runs, or ran last.
    var operation: String

    static let file = "supervisor.machine"

    /// nil where no machine was ever asked for.
    static func read(in directory: String) -> MachineNote? {
        guard let bytes = FileManager.default.contents(atPath: "\(directory)/\(file)") else { return nil }
        return try? JSONDecoder().decode(MachineNote.self, from: bytes)
    }

    func write(in directory: String) throws(StepError) {
        try RemoteNodes.makeFolder(directory)
        guard let bytes = try? JSONEncoder().encode(self) else {
            throw StepError(.file, "the machine of \(directory) cannot be written down")
        }
        try RemoteNodes.write(Array(bytes), "\(directory)/\(Self.file)")
    }
}

extension MachineNote.Server {
    init(_ command: Command) {
        switch command.program {
        case .shell(let text): shell = text
        case .arguments(let list): arguments = list
        }
        environment = command.environment
        secretNames = command.secrets.keys.sorted()
        grace = command.grace.clamped
        outputLimit = command.outputLimit
    }

    /// The command again; nil where a secret is missing.
    func command(secrets: [String: String]) -> Command? {
        guard secretNames.allSatisfy({ secrets[$0] != nil }) else { return nil }
        return Command(
            shell.map { .shell($0) } ?? .arguments(arguments ?? []),
            environment: environment,
            secrets: secrets,
            timeout: nil,
            grace: .microseconds(grace),
            leftovers: .keep,
            outputLimit: outputLimit
        )
    }
}
