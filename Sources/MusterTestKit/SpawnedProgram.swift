import Foundation

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A program that a test runs to its end as Muster runs tests: with a control descriptor, which is 5, and nothing on
/// its standard input.
package struct SpawnedProgram {
    /// Nil when a signal ended it.
    package let status: Int?
    package let signal: Int?
    /// What it printed, on both.
    package let output: String
    /// What it said on its control descriptor.
    package let control: String

    /// The number of the control descriptor, for `MUSTER_TEST_CONTROL`.
    package static let controlDescriptor = "5"

    /// - Parameters:
    ///   - words: the path of the program, and its arguments.
    ///   - environment: all of it.
    ///   - folder: where its output is put meanwhile.
    package init(_ words: [String], environment: [String: String], folder: String) throws {
        let (output, control) = ("\(folder)/output", "\(folder)/control")
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        posix_spawn_file_actions_addopen(&actions, 5, control, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0o600)
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        let variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in arguments + variables { free(text) } }
        var child: pid_t = 0
        let failure = posix_spawn(&child, words[0], &actions, nil, arguments, variables)
        guard failure == 0 else { throw POSIXError(POSIXErrorCode(rawValue: failure) ?? .EIO) }
        var end: Int32 = 0
        while waitpid(child, &end, 0) < 0, errno == EINTR {}
        status = end & 0x7F == 0 ? Int(end >> 8 & 0xFF) : nil
        signal = end & 0x7F == 0 ? nil : Int(end & 0x7F)
        self.output = (try? String(contentsOfFile: output, encoding: .utf8)) ?? ""
        self.control = (try? String(contentsOfFile: control, encoding: .utf8)) ?? ""
    }

    /// Puts a script where it can be run, under several names.
    ///
    /// Another process writes it: what this one has open for writing, children of other tests may hold open for a
    /// moment, and what is open so cannot be run.
    package static func put(_ script: String, as paths: [String], folder: String) throws {
        let source = "\(folder)/script"
        try Data(script.utf8).write(to: URL(fileURLWithPath: source))
        let copy = #"for path; do cp "$0" "$path" && chmod 755 "$path" || exit 1; done"#
        let environment = ["PATH": "/usr/bin:/bin"]
        let words = ["/bin/sh", "-c", copy, source] + paths
        let end = try SpawnedProgram(words, environment: environment, folder: folder)
        guard end.status == 0 else { throw POSIXError(.EIO) }
    }
}
