import Foundation
import Glibc
import MusterCore
import MusterDrivers
import MusterSupervision
import MusterTestKit
import Synchronization

extension PodmanStore {
    /// Answers connections at an address of a container, as if it were a program in it.
    @Sendable static func serve(address: String, answer: String) throws -> Int {
        for entry in ProcessTable.all() where !entry.isDead {
            guard let routes = ProcessTable.read("/proc/\(entry.pid)/net/fib_trie", limit: 1 << 20),
                String(decoding: routes, as: UTF8.self).contains("|-- \(address)\n"),
                let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(entry.pid)/ns/net"),
                link != (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/net"))
            else { continue }
            return try inNetwork(of: entry.pid) { try serveForTest(address: address, answer: answer) }
        }
        throw StepError(.lost, "no process has the address \(address)")
    }

    /// Does something on a thread that is in the network of another process, and ends there.
    private static func inNetwork(of pid: Int32, _ body: @escaping @Sendable () throws -> Int) throws -> Int {
        let result = Mutex<Result<Int, any Error>?>(nil)
        let isDone = NSCondition()
        Thread.detachNewThread {
            let found = Result<Int, any Error> {
                let file = open("/proc/\(pid)/ns/net", O_RDONLY | O_CLOEXEC)
                defer { close(file) }
                typealias Enter = @convention(c) (Int32, Int32) -> Int32
                // The C library's `setns` has this form; Swift's import of it lacks the function.
                guard file >= 0, let symbol = dlsym(nil, "setns"),
                    unsafeBitCast(symbol, to: Enter.self)(file, 0) == 0
                else { throw StepError(.refused, "the network of \(pid) cannot be entered") }
                return try body()
            }
            isDone.lock()
            result.withLock { $0 = found }
            isDone.signal()
            isDone.unlock()
        }
        isDone.lock()
        defer { isDone.unlock() }
        while true {
            if let found = result.withLock({ $0 }) { return try found.get() }
            isDone.wait()
        }
    }
}
