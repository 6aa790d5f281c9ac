import Foundation
package import MusterCore
import MusterSupervision

/// What supervisors leave in files, for when they are gone.
package enum OperationRecord {
    private struct Exit: Decodable {
        let status: Int?
        let signal: Int?
        let timed_out: Bool
        let interrupted: Bool
        let not_started: String?
        let started_at: Int64
        let ended_at: Int64
        let output_dropped: Int64
        let leftovers: Int
    }

    private struct Spec: Decodable { let is_server: Bool? }

    private struct Facts: Decodable {
        let boot_id: String
        let address: String
    }

    /// How an operation ended; nil when nothing says so.
    package static func exit(of operation: OperationID, in directory: String) -> ProcessExit? {
        let path = "\(directory)/\(SupervisorFiles.folder(of: operation.description))/\(SupervisorFiles.exit)"
        guard let exit = decode(Exit.self, path) else { return nil }
        return ProcessExit(
            status: exit.status,
            signal: exit.signal,
            timedOut: exit.timed_out,
            interrupted: exit.interrupted,
            notStarted: exit.not_started,
            startedAt: Timestamp(rawValue: exit.started_at),
            endedAt: Timestamp(rawValue: exit.ended_at),
            outputDropped: exit.output_dropped,
            leftovers: exit.leftovers
        )
    }

    /// What the files say of an operation that no supervisor has in hand.
    static func status(of operation: OperationID, in directory: String) -> OperationStatus {
        if let record = Self.exit(of: operation, in: directory) { return .ended(record) }
        let folder = "\(directory)/\(SupervisorFiles.folder(of: operation.description))"
        guard FileManager.default.fileExists(atPath: folder) else { return .neverStarted }
        return .unknown("\(operation) was begun by a supervisor that is gone, and has left no record of its end")
    }

    /// The operations of a node that have begun and have no record of their end, its server aside, by name.
    static func unended(in directory: String) -> [OperationID] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        let prefix = SupervisorFiles.folder(of: "")
        return names.filter { name in
            guard name.hasPrefix(prefix) else { return false }
            let folder = "\(directory)/\(name)"
            guard !FileManager.default.fileExists(atPath: "\(folder)/\(SupervisorFiles.exit)") else { return false }
            // What is not written whole is only just being begun: it may be the server.
            return decode(Spec.self, "\(folder)/\(SupervisorFiles.spec)")?.is_server == false
        }.sorted().map { OperationID(String($0.dropFirst(prefix.count))) }
    }

    /// The start of the host during which the node's supervisor was launched; nil when none ever was.
    static func bootID(in directory: String) -> String? {
        decode(Facts.self, "\(directory)/\(SupervisorFiles.facts)")?.boot_id
    }

    /// The address of the node's supervisor, which may be gone; nil when none ever was launched.
    static func address(in directory: String) -> String? {
        decode(Facts.self, "\(directory)/\(SupervisorFiles.facts)")?.address
    }

    /// These files are small; a longer one is not ours.
    private static func decode<Value: Decodable>(_ type: Value.Type, _ path: String) -> Value? {
        guard let bytes = ProcessTable.read(path, limit: 1 << 20) else { return nil }
        return try? JSONDecoder().decode(type, from: Data(bytes))
    }
}

extension ProcessExit {
    init(_ record: ExitRecord) {
        self.init(
            status: record.status.map(Int.init),
            signal: record.signal.map(Int.init),
            timedOut: record.timedOut,
            interrupted: record.interrupted,
            notStarted: record.notStarted,
            startedAt: Timestamp(rawValue: record.startedAt),
            endedAt: Timestamp(rawValue: record.endedAt),
            outputDropped: record.outputDropped,
            leftovers: Int(record.leftovers)
        )
    }
}

extension OperationSpec {
    init(_ command: Command, _ operation: OperationID, isServer: Bool) {
        let program: Program =
            switch command.program {
            case .shell(let text): .shell(text)
            case .arguments(let arguments): .arguments(arguments)
            }
        self.init(
            operation: operation.description,
            program: program,
            environment: Self.variables(command.environment),
            secrets: Self.variables(command.secrets),
            timeout: command.timeout.map(\.clamped),
            grace: command.grace.clamped,
            keepsLeftovers: command.leftovers == .keep,
            outputLimit: min(max(command.outputLimit, 0), Self.outputLimitMax),
            isServer: isServer
        )
        masked = command.masked.sorted()
        controlLimit = command.controlLimit
    }

    private static func variables(_ values: [String: String]) -> [Variable] {
        values.sorted { $0.key < $1.key }.map { Variable($0.key, $0.value) }
    }
}

extension Duration {
    /// Microseconds as the wire takes them: from nothing to ten years.
    var clamped: Int64 { min(max(microseconds, 0), 315_360_000_000_000) }
}
