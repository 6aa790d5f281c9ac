import Foundation
import Subprocess
import Synchronization
import SystemPackage

/// The built `muster`, as its user runs it.
struct Program {
    struct Ending: Sendable {
        var status: Int32
        /// The signal that ended it; nil when it ended by itself.
        var signal: Int32?
        var output: String
        var errors: String
    }

    /// Where the build put the programs: beside the bundle of these tests.
    static let folder: String = {
        let own =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        for start in [own] + CommandLine.arguments {
            var path = URL(fileURLWithPath: start)
            while path.path != "/" {
                path.deleteLastPathComponent()
                if FileManager.default.isExecutableFile(atPath: path.path + "/muster-supervise") { return path.path }
            }
        }
        return URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().path + "/.build/debug"
    }()

    static var repository: String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().path
    }

    /// Runs it to its end, or kills it with `SIGKILL` after a while.
    static func muster(
        _ arguments: [String],
        in directory: String,
        environment: [String: String] = [:],
        killAfter: Duration? = nil,
        pidFile: String? = nil
    ) async throws -> Ending {
        try await run(
            folder + "/muster",
            arguments,
            in: directory,
            environment: environment,
            killAfter: killAfter,
            pidFile: pidFile
        )
    }

    static func run(
        _ path: String,
        _ arguments: [String],
        in directory: String,
        environment: [String: String] = [:],
        killAfter: Duration? = nil,
        pidFile: String? = nil
    ) async throws -> Ending {
        var variables: [Environment.Key: String?] = ["MUSTER_STATE": nil, "NO_COLOR": "1"]
        for (name, value) in environment { variables[Environment.Key(stringLiteral: name)] = value }
        let alarms = Mutex<Task<Void, any Error>?>(nil)
        defer { alarms.withLock { $0?.cancel() } }
        var words = [path] + arguments
        if let pidFile {
            // Scripts of a lab can send signals to the command that runs them. It notes its own number before it
            // begins: this process may be too busy to do it in time.
            let note = "printf '%s\\n' $$ > \"$0.new\" && mv \"$0.new\" \"$0\" && exec \"$@\""
            words = ["/bin/sh", "-c", note, pidFile] + words
        }
        let outcome = try await Subprocess.run(
            .path(FilePath(words[0])),
            arguments: Arguments(Array(words.dropFirst())),
            environment: .inherit.updating(variables),
            workingDirectory: FilePath(directory),
            input: .none,
            output: .string(limit: 64 << 20),
            error: .string(limit: 64 << 20)
        ) { execution in
            let pid = execution.processIdentifier.value
            guard let killAfter else { return }
            // The moment of a crash is part of the case; cancelled when the program has ended before it.
            let task = Task {
                try await Task.sleep(for: killAfter)
                kill(pid, SIGKILL)
            }
            alarms.withLock { $0 = task }
        }
        var status: Int32 = 0
        var signal: Int32?
        switch outcome.terminationStatus {
        case .exited(let code): status = code
        case .signaled(let number): signal = number
        }
        return Ending(
            status: status,
            signal: signal,
            output: outcome.standardOutput,
            errors: outcome.standardError
        )
    }
}

/// A copy of a lab in a folder of its own, removed with its machines at the end.
final class LabFolder: Sendable {
    let path: String

    /// - Parameter example: a folder under `Examples`; nil for an empty folder.
    init(example: String? = nil) throws {
        path = FileManager.default.temporaryDirectory.path + "/muster-e2e/\(UInt64.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent,
            withIntermediateDirectories: true
        )
        if let example {
            let source = Program.repository + "/Examples/" + example
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            // Without what a run of the example itself may have left there.
            for entry in try FileManager.default.contentsOfDirectory(atPath: source)
            where entry != ".muster" && entry != "results" {
                try FileManager.default.copyItem(atPath: source + "/" + entry, toPath: path + "/" + entry)
            }
        } else {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
    }

    func write(_ name: String, _ text: String, executable: Bool = false) throws {
        let file = path + "/" + name
        try FileManager.default.createDirectory(
            atPath: (file as NSString).deletingLastPathComponent,
            withIntermediateDirectories: true
        )
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
        if executable { try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file) }
    }

    func read(_ name: String) -> String? {
        FileManager.default.contents(atPath: path + "/" + name).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Processes on this host that belong to this lab: their environment, arguments or working folder name its folder.
    func processes() -> [String] { Self.processes(of: path) }

    static func processes(of path: String) -> [String] {
        var found: [String] = []
        for entry in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard let pid = Int32(entry), pid != getpid() else { continue }
            let environment = FileManager.default.contents(atPath: "/proc/\(pid)/environ") ?? Data()
            let arguments = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") ?? Data()
            let folder = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd")) ?? ""
            let marks =
                String(decoding: environment, as: UTF8.self).contains("MUSTER_NODE_DIR=\(path)/")
                || String(decoding: arguments, as: UTF8.self).contains(path + "/") || folder.hasPrefix(path + "/")
            guard marks else { continue }
            // A zombie has ended; it only waits for its parent to look.
            let stat = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
            guard let state = stat.split(separator: ")").last?.split(separator: " ").first, state != "Z" else {
                continue
            }
            found.append(
                "\(pid): \(String(decoding: arguments, as: UTF8.self).replacingOccurrences(of: "\0", with: " "))"
            )
        }
        return found
    }

    deinit {
        for process in Self.processes(of: path) {
            if let pid = process.split(separator: ":").first.flatMap({ Int32($0) }) { kill(pid, SIGKILL) }
        }
        try? FileManager.default.removeItem(atPath: path)
    }
}
