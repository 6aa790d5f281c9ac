import Foundation
import MusterCore
import MusterEngine
import NIOPosix
import Synchronization
import Testing

/// The socket only wakes; nobody who listens, or does not, costs the conductor anything.
@Suite(.serialized) struct ConductorSocketTests {
    private func withState<Value>(_ body: (StateDirectory) async throws -> Value) async throws -> Value {
        var template = Array("/tmp/muster-socket-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        let folder = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        defer { try? FileManager.default.removeItem(atPath: folder) }
        return try await body(StateDirectory(path: folder))
    }

    /// A client that connects and never reads.
    private final class Deaf: Sendable {
        private let descriptor: Int32
        init(_ state: StateDirectory) throws {
            descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            let path = state.path + "/" + StateDirectory.socketName
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
            let code = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            try #require(code == 0, "\(String(cString: strerror(errno)))")
        }
        deinit { close(descriptor) }
    }

    @Test func clientsThatNeverReadAreToldNoMore() async throws {
        try await withState { state in
            let socket = try await ConductorSocket.open(state, group: MultiThreadedEventLoopGroup.singleton) {}
            let deaf = try (0..<16).map { _ in try Deaf(state) }
            let link = try #require(
                await ConductorLink.connect(state, group: MultiThreadedEventLoopGroup.singleton)
            )
            // More than may wait for a client that does not read: 64 KiB of the library's, and what the system holds.
            let waitingMax = 12_000
            let count: Int64 = 200_000
            let began = ContinuousClock.now
            for position in 1...count { socket.announce(position) }
            let each = (ContinuousClock.now - began) / Double(count)
            var wakeUps = link.wakeUps.makeAsyncIterator()
            while let position = await wakeUps.next(), position < count {}
            // And one by one, so that each is written to whoever can take it.
            let rounds: Int64 = 30_000
            for position in count + 1...count + rounds {
                socket.announce(position)
                while let seen = await wakeUps.next(), seen < position {}
            }
            let work = socket.work
            print("announced \(count) positions to 16 deaf clients: \(each) each, \(work)")
            #expect(work.tellings >= Int(rounds))
            #expect(work.writes <= work.tellings + deaf.count * waitingMax, "what nobody reads is not kept")
            await link.close()
            await socket.close()
            withExtendedLifetime(deaf) {}
        }
    }

    /// Who reads slowly gets the newest position, not every one.
    @Test func aPokeIsAnsweredAndTheNewestPositionArrives() async throws {
        try await withState { state in
            let pokes = Atomic<Int>(0)
            let opened = Mutex<ConductorSocket?>(nil)
            let socket = try await ConductorSocket.open(state, group: MultiThreadedEventLoopGroup.singleton) {
                pokes.add(1, ordering: .relaxed)
                opened.withLock { $0 }?.announce(42)
            }
            opened.withLock { $0 = socket }
            let link = try #require(
                await ConductorLink.connect(state, group: MultiThreadedEventLoopGroup.singleton)
            )
            let first = link.lastHeard
            link.poke()
            for await position in link.wakeUps where position == 42 { break }
            #expect(pokes.load(ordering: .relaxed) == 1)
            #expect(link.lastHeard >= first)
            await socket.close()
            for await _ in link.wakeUps {}
            await link.close()
        }
    }

    /// The lock goes to who stands in its queue, and is free again where nobody wants it any more.
    @Test func theQueueForTheLockIsServedAtOnce() async throws {
        try await withState { state in
            let first = try #require(try StateLock.take(state))
            #expect(StateLock.holder(state) == getpid())
            let queue = StateLockQueue(state)
            let (grants, continuation) = AsyncStream.makeStream(of: Void.self)
            try queue.join { continuation.yield() }
            #expect(queue.take() == nil)
            first.release()
            for await _ in grants { break }
            let second = try #require(queue.take())
            #expect(StateLock.isHeld(state))
            #expect(try StateLock.take(state) == nil)
            // One that left gets nothing, though its place in the kernel's queue cannot be given up.
            let left = StateLockQueue(state)
            try left.join { Issue.record("it was granted to one that had left") }
            left.leave()
            let last = StateLockQueue(state)
            try last.join { continuation.yield() }
            second.release()
            for await _ in grants { break }
            #expect(last.take() != nil)
            #expect(left.take() == nil)
        }
    }
}
