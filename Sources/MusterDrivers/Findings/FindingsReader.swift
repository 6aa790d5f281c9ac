import Dispatch
import Foundation
package import MusterCore
import MusterSupervision
import MusterTestControl

/// Reads what a test has said on its control descriptor, once it has ended: its results, and the files that came with
/// them, which are put beside its output. Read again after a crash it finds the same.
package struct FindingsReader: Sendable {
    /// Where the starts of the test have put what they said, in their order: several, where it went away and was
    /// started again.
    private let streams: [String]
    /// The folder in which the files are put that were reported.
    private let folder: String
    /// Where the output of its last start is.
    private let output: String
    private let frame: TestFrame?
    private let timeout: Duration
    private let secrets: [String]

    /// - Parameters:
    ///   - operations: of each start of the test, in order.
    ///   - frame: of a test of an fmf tree.
    ///   - timeout: how long one start may take, for words.
    ///   - secrets: what is masked in all that is kept.
    package init(
        _ driver: any Driver,
        _ node: NodeHandle,
        operations: [OperationID],
        frame: TestFrame? = nil,
        timeout: Duration,
        secrets: [String]
    ) {
        streams = operations.map { driver.controlPath(of: $0, on: node) }
        folder = operations.last.map { Self.folder(besideOutput: driver.outputPath(of: $0, on: node)) } ?? ""
        output = operations.last.map { driver.outputPath(of: $0, on: node) } ?? ""
        self.frame = frame
        self.timeout = timeout
        self.secrets = secrets
    }

    /// The folder of an attempt's reported files: beside the output of its last start.
    package static func folder(besideOutput path: String) -> String {
        (path as NSString).deletingLastPathComponent + "/files"
    }

    /// What was said; nil when nothing was.
    package func findings(after exit: ProcessExit) async -> TestFindings? {
        guard streams.contains(where: { Self.size(of: $0) > 0 }) else { return nil }
        // Files may be long, and reading them must not hold up a thread that others share.
        return await withCheckedContinuation { done in
            DispatchQueue.global().async { done.resume(returning: read(exit)) }
        }
    }

    private static func size(of path: String) -> Int64 {
        var status = stat()
        return stat(path, &status) == 0 ? Int64(status.st_size) : 0
    }

    // MARK: Reading

    private func read(_ exit: ProcessExit) -> TestFindings {
        do throws(StepError) {
            try? FileManager.default.removeItem(atPath: folder)
            let taker = FindingsTaker(try FindingsFolder(folder), frame: frame, secrets: secrets)
            for (index, stream) in streams.enumerated() {
                if index > 0 { taker.reopen() }
                try read(stream, into: taker)
            }
            return try taker.findings(ending(exit, timeout: taker.movedDeadline ? nil : timeout), output: output)
        } catch {
            return TestFindings(outcome: .error, note: error.message)
        }
    }

    private func read(_ path: String, into taker: FindingsTaker) throws(StepError) {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard file >= 0 else {
            // One that said nothing has no file.
            if errno == ENOENT { return taker.end() }
            throw FindingsFolder.error(path)
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw StepError(.file, "what the test reported cannot be read: \(path) is no file")
        }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let count = Foundation.read(file, buffer.baseAddress, buffer.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw FindingsFolder.error(path)
            }
            if count == 0 { break }
            try taker.take(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
        taker.end()
    }

    private func ending(_ exit: ProcessExit, timeout: Duration?) -> Ending {
        if let reason = exit.notStarted { return .setupFailed(reason) }
        if exit.timedOut { return .timedOut(after: timeout?.microseconds) }
        if exit.interrupted { return .cancelled }
        if let signal = exit.signal { return .signalled(signal) }
        return exit.status.map { .exited(code: $0) } ?? .noExitCode
    }
}
