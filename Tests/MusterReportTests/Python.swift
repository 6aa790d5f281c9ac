import Foundation
import Testing

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// Programs of others that read what we write: Python with packages, where they are installed.
enum Python {
    /// Whether a test that needs these modules is to run: they are installed, or `MUSTER_TEST_REQUIRE_ALL=1` wants
    /// them.
    static func isWanted(_ modules: String...) -> Bool {
        if ProcessInfo.processInfo.environment["MUSTER_TEST_REQUIRE_ALL"] == "1" { return true }
        guard let python = installed else { return false }
        return (try? call(python, "import " + modules.joined(separator: ", "), []).status) == 0
    }

    /// Runs a script with text on its standard input and returns what it prints.
    static func run(_ script: String, input: [UInt8]) throws -> String {
        let python = try #require(installed, "no python3 in PATH; put it there, with junitparser and tap.py")
        let result = try call(python, script, input)
        #expect(result.status == 0, "python: \(result.output)")
        return result.output
    }

    private static var installed: String? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        return path.split(separator: ":").map { "\($0)/python3" }.first { access($0, X_OK) == 0 }
    }

    private static func call(
        _ python: String,
        _ script: String,
        _ input: [UInt8]
    ) throws -> (status: Int32, output: String) {
        let folder = try TemporaryFolder()
        let (inputFile, outputFile) = (folder.path + "/in", folder.path + "/out")
        try Data(input).write(to: URL(fileURLWithPath: inputFile))
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, inputFile, O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, outputFile, O_WRONLY | O_CREAT, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        let words: [String] = [python, "-c", script]
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var child: pid_t = 0
        let failure = posix_spawn(&child, python, &actions, nil, arguments, environ)
        guard failure == 0 else { throw POSIXError(POSIXErrorCode(rawValue: failure) ?? .EIO) }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        let output = try Data(contentsOf: URL(fileURLWithPath: outputFile))
        return (status, String(decoding: output, as: UTF8.self))
    }
}

/// A folder that goes with its owner.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array((FileManager.default.temporaryDirectory.path + "/muster-report-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw POSIXError(.EIO) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func read(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: path + "/" + name)))
    }

    func write(_ name: String, _ text: String) throws -> String {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path + "/" + name))
        return path + "/" + name
    }
}
