import Foundation
import MusterCore
import Subprocess
import SystemPackage

/// A program on the conductor's own host, run to its end: with a time limit, its output cut to a size, and no shell.
///
/// It gets a session of its own; what it has left in there is ended with it.
struct HostCommand: Sendable {
    var arguments: [String]
    var environment: [String: String]
    var directory: String
    /// What it reads on its standard input.
    var input: [UInt8] = []
    var timeout: Duration
    /// Between TERM and KILL.
    var grace: Duration = Defaults.grace

    /// What is kept of its output.
    static let outputMax = 64 << 10

    struct Ending: Sendable {
        /// Why it counts as failed; nil when it ended with 0.
        var failure: String?
        var output: [UInt8] = []
        /// Whether there was more output than is kept.
        var isCut = false

        /// The failure with the last line that was printed, for people.
        var shown: String? {
            guard let failure else { return nil }
            let last = output.split(separator: UInt8(ascii: "\n")).last
            return last.map { "\(failure): \(ReportLine.short(String(decoding: $0, as: UTF8.self)))" } ?? failure
        }
    }

    private typealias Running = Execution<FileDescriptorInput, SequenceOutput, CombinedErrorOutput>

    private enum Part {
        case output([UInt8], isCut: Bool)
        /// The program has ended.
        case over
        case late
        case inTime
    }

    private var steps: [TeardownStep] {
        [.gracefulShutDown(toProcessGroup: true, allowedDurationToNextStep: grace)]
    }

    /// Without those whose names are none for swift-subprocess: one in the conductor's environment would hold up all.
    private var variables: [Environment.Key: String] {
        var variables: [Environment.Key: String] = [:]
        for (name, value) in environment where name.first?.isNumber == false && !name.contains("=") {
            if let key = Environment.Key(rawValue: name) { variables[key] = value }
        }
        return variables
    }

    /// By its path from the folder, or by its name from `PATH`.
    private var executable: Executable {
        let program = arguments[0]
        guard program.contains("/") else { return .name(program) }
        return .path(FilePath(directory).pushing(FilePath(program)))
    }

    /// Ends it when the task is cancelled.
    func run(_ time: any TimeSource) async -> Ending {
        for _ in 0..<100 {
            guard let ending = await runUnlessBusy(time) else {
                // Nobody tells when that is over.
                try? await time.sleep(for: .milliseconds(10))
                continue
            }
            return ending
        }
        return Ending(failure: "it cannot be started: '\(arguments[0])' is being written")
    }

    /// nil when the program was just written, and a child that another thread begins just now has it open for a moment.
    private func runUnlessBusy(_ time: any TimeSource) async -> Ending? {
        guard Self.hasRoom() else {
            return Ending(failure: "it cannot be started: too many files are open; raise the limit (ulimit -n)")
        }
        guard let file = inputFile() else {
            return Ending(failure: "its input cannot be kept: \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        var options = PlatformOptions()
        options.createSession = true
        options.teardownSequence = steps
        do {
            let outcome = try await Subprocess.run(
                executable,
                arguments: Arguments(
                    executablePathOverride: arguments[0],
                    remainingValues: Array(arguments.dropFirst())
                ),
                environment: .custom(variables),
                workingDirectory: FilePath(directory),
                platformOptions: options,
                input: .fileDescriptor(FileDescriptor(rawValue: fileno(file)), closeAfterSpawningProcess: false),
                output: .sequence,
                error: .combinedWithOutput
            ) { execution in await attend(execution, time) }
            var ending = outcome.closureResult
            if ending.failure == nil {
                switch outcome.terminationStatus {
                case _ where Task.isCancelled: ending.failure = "it was ended"
                case .exited(0): break
                case .exited(let status): ending.failure = "it ended with \(status)"
                case .signaled(let signal): ending.failure = "it was ended by signal \(signal)"
                }
            }
            return ending
        } catch {
            if (error as? SubprocessError)?.underlyingError == .textFileBusy { return nil }
            return Ending(failure: reason(error))
        }
    }

    /// What it is to read, in a file without a name: it need not read it, and a pipe without a reader is a signal.
    private func inputFile() -> UnsafeMutablePointer<FILE>? {
        guard let file = tmpfile() else { return nil }
        _ = fcntl(fileno(file), F_SETFD, FD_CLOEXEC)
        guard fwrite(input, 1, input.count, file) == input.count, fflush(file) == 0,
            lseek(fileno(file), 0, SEEK_SET) == 0
        else {
            fclose(file)
            return nil
        }
        return file
    }

    /// Reads until the program has ended, or ends it when it is late.
    private func attend(_ execution: Running, _ time: any TimeSource) async -> Ending {
        await withTaskGroup(of: Part.self) { group in
            group.addTask { await Self.read(execution) }
            group.addTask {
                guard (try? await time.sleep(for: timeout)) != nil else { return .inTime }
                await execution.teardown(using: steps)
                return .late
            }
            group.addTask {
                // No signal at all: this only waits for its end.
                let wait = TeardownStep.send(signal: Signal(rawValue: 0), allowedDurationToNextStep: .seconds(1 << 30))
                await execution.teardown(using: [wait])
                // It is reaped later: so long nobody else has its number.
                kill(-execution.processIdentifier.value, SIGKILL)
                return .over
            }
            var ending = Ending()
            for await part in group {
                switch part {
                case .output(let output, let isCut): (ending.output, ending.isCut) = (output, isCut)
                case .over: group.cancelAll()
                case .late: ending.failure = "it took longer than \(timeout.shortText)"
                case .inTime: break
                }
            }
            return ending
        }
    }

    /// Everything is read, so that the program never waits, and the beginning is kept.
    private static func read(_ execution: Running) async -> Part {
        var output: [UInt8] = []
        var isCut = false
        var buffers = execution.standardOutput.makeAsyncIterator()
        // What the program has left outside of its session may write for ever.
        while !(isCut && Task.isCancelled), let buffer = try? await buffers.next() {
            let room = outputMax - output.count
            buffer.withUnsafeBytes { output += $0.prefix(room) }
            if buffer.count > room { isCut = true }
        }
        return .output(output, isCut: isCut)
    }

    private func reason(_ error: any Error) -> String {
        switch error as? SubprocessError {
        case let error? where error.code == .executableNotFound:
            "there is no program '\(arguments[0])' that may be run: give its path from \(directory), or a name in PATH"
        case let error? where error.code == .failedToChangeWorkingDirectory:
            "it cannot be started in \(directory): \(error.underlyingError.map { "\($0)" } ?? "no such folder")"
        case let error? where error.underlyingError == .execFormatError:
            "'\(arguments[0])' is no program: a script begins with a line such as #!/bin/sh"
        case let error?:
            "it cannot be started: \(error.underlyingError.map { "\($0)" } ?? "\(error)")"
        case nil:
            "it cannot be started: \(error)"
        }
    }

    /// Whether descriptors are left for a launch and much more: swift-subprocess ends this whole process where they run
    /// out in the middle of one.
    private static func hasRoom() -> Bool {
        var taken: [Int32] = []
        defer { for descriptor in taken { close(descriptor) } }
        for _ in 0..<32 {
            let descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { return false }
            taken.append(descriptor)
        }
        return true
    }
}
