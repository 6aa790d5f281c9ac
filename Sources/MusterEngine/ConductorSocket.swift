import Foundation
package import MusterCore
package import NIOCore
import NIOPosix
import Synchronization

/// Where other commands reach the conductor of a state: a socket beside the database that only its owner may open.
///
/// It carries no data, only wake-ups. The conductor writes the newest position, eight bytes, little-endian, after each
/// turn that stored something; a client writes any byte after it has put a request into the store, and gets the
/// position after the turn that has read it. A slow client gets the newest position when it reads again, and slows
/// nobody: a turn leaves one number behind and at most one task, however many clients there are, and to a client that
/// does not read nothing is written any more.
package final class ConductorSocket: Sendable {
    private let channel: any Channel
    private let clients: Clients

    private init(channel: any Channel, clients: Clients) {
        self.channel = channel
        self.clients = clients
    }

    /// Listens; `onPoke` is called when a client has put a request into the store.
    package static func open(
        _ state: StateDirectory,
        group: any EventLoopGroup,
        onPoke: @escaping @Sendable () -> Void
    ) async throws -> ConductorSocket {
        // One loop for all clients: so one task tells all of them.
        let group = group.next()
        let clients = Clients(loop: group)
        let folder = try Folder(state.path)
        defer { folder.close() }
        unlink(state.path + "/" + StateDirectory.socketName)
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 64)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ClientHandler(clients: clients, onPoke: onPoke))
                }
            }
        let channel = try await bootstrap.bind(unixDomainSocketPath: folder.path(StateDirectory.socketName)).get()
        chmod(state.path + "/" + StateDirectory.socketName, 0o600)
        return ConductorSocket(channel: channel, clients: clients)
    }

    /// Tells every client that the store has something new.
    package func announce(_ position: Int64) { clients.announce(position) }

    /// How often clients were told, and how many of them then each time, since it was opened: for gates.
    package var work: (tellings: Int, writes: Int) { clients.work.withLock { $0 } }

    package func close() async {
        try? await channel.close().get()
        await clients.closeAll()
    }

    /// The clients that are connected now.
    fileprivate final class Clients: Sendable {
        private let loop: any EventLoop
        private let channels = Mutex<[ObjectIdentifier: any Channel]>([:])
        private let last = Atomic<Int64>(0)
        /// Whether a task is under way that tells all clients.
        private let isTelling = Atomic<Bool>(false)
        /// Whether nobody tells clients anything any more. One that connected just then would wait for ever.
        private let isClosed = Atomic<Bool>(false)
        let work = Mutex((tellings: 0, writes: 0))

        init(loop: any EventLoop) { self.loop = loop }

        var position: Int64 { last.load(ordering: .sequentiallyConsistent) }

        func add(_ channel: any Channel) {
            channels.withLock { $0[ObjectIdentifier(channel)] = channel }
            if isClosed.load(ordering: .sequentiallyConsistent) { channel.close(promise: nil) }
        }
        func remove(_ channel: any Channel) {
            channels.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(channel)) }
        }

        func announce(_ position: Int64) {
            last.store(position, ordering: .sequentiallyConsistent)
            // To wake the loop for nobody takes the processor from whoever reads what is new. One that comes now is
            // told of this position when it has come.
            guard channels.withLock({ !$0.isEmpty }) else { return }
            guard !isTelling.exchange(true, ordering: .sequentiallyConsistent) else { return }
            loop.execute { self.tell() }
        }

        private func tell() {
            // First this: whoever announces from here on sends another task.
            isTelling.store(false, ordering: .sequentiallyConsistent)
            let bytes = ByteBuffer(integer: position, endianness: .little)
            let ready = channels.withLock { $0.values.filter(\.isWritable) }
            for channel in ready { channel.writeAndFlush(bytes, promise: nil) }
            work.withLock { work in
                work.tellings += 1
                work.writes += ready.count
            }
        }

        func closeAll() async {
            isClosed.store(true, ordering: .sequentiallyConsistent)
            for channel in channels.withLock({ Array($0.values) }) { try? await channel.close().get() }
        }
    }

    private final class ClientHandler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let clients: Clients
        private let onPoke: @Sendable () -> Void

        init(clients: Clients, onPoke: @escaping @Sendable () -> Void) {
            self.clients = clients
            self.onPoke = onPoke
        }

        func channelActive(context: ChannelHandlerContext) {
            clients.add(context.channel)
            context.writeAndFlush(
                wrapOutboundOut(ByteBuffer(integer: clients.position, endianness: .little)),
                promise: nil
            )
        }

        func channelInactive(context: ChannelHandlerContext) { clients.remove(context.channel) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) { onPoke() }

        func channelWritabilityChanged(context: ChannelHandlerContext) {
            guard context.channel.isWritable else { return }
            context.writeAndFlush(
                wrapOutboundOut(ByteBuffer(integer: clients.position, endianness: .little)),
                promise: nil
            )
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

        typealias OutboundOut = ByteBuffer
    }
}

/// A client's end of a conductor's socket.
package final class ConductorLink: Sendable {
    private let channel: any Channel
    /// A position for each wake-up; ends when the conductor is gone.
    package let wakeUps: AsyncStream<Int64>
    private let heard: Heard

    private init(channel: any Channel, wakeUps: AsyncStream<Int64>, heard: Heard) {
        self.channel = channel
        self.wakeUps = wakeUps
        self.heard = heard
    }

    /// When the conductor was last heard of, at least when the connection was made. It answers each poke.
    package var lastHeard: Timestamp { Timestamp(rawValue: heard.at.load(ordering: .relaxed)) }

    private final class Heard: Sendable {
        private let time = HostTime()
        let at: Atomic<Int64>
        init() { at = Atomic(HostTime().now().rawValue) }
        func now() { at.store(time.now().rawValue, ordering: .relaxed) }
    }

    /// Connects; nil when nobody listens there.
    package static func connect(_ state: StateDirectory, group: any EventLoopGroup) async -> ConductorLink? {
        guard let folder = try? Folder(state.path) else { return nil }
        defer { folder.close() }
        let (stream, continuation) = AsyncStream.makeStream(of: Int64.self, bufferingPolicy: .bufferingNewest(1))
        let heard = Heard()
        let bootstrap = ClientBootstrap(group: group).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(LinkHandler(continuation, heard))
            }
        }
        let path = folder.path(StateDirectory.socketName)
        guard let channel = try? await bootstrap.connect(unixDomainSocketPath: path).get() else {
            continuation.finish()
            return nil
        }
        return ConductorLink(channel: channel, wakeUps: stream, heard: heard)
    }

    /// Tells the conductor that a request lies in the store.
    package func poke() { channel.writeAndFlush(ByteBuffer(integer: UInt8(1)), promise: nil) }

    package func close() async { try? await channel.close().get() }

    private final class LinkHandler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let continuation: AsyncStream<Int64>.Continuation
        private let heard: Heard
        private var rest = ByteBuffer()

        init(_ continuation: AsyncStream<Int64>.Continuation, _ heard: Heard) {
            self.continuation = continuation
            self.heard = heard
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            heard.now()
            var bytes = unwrapInboundIn(data)
            rest.writeBuffer(&bytes)
            while let position = rest.readInteger(endianness: .little, as: Int64.self) { continuation.yield(position) }
            rest.discardReadBytes()
        }

        func channelInactive(context: ChannelHandlerContext) { continuation.finish() }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}

/// A folder kept open, so that a socket in it has a short path however deep it lies (`sun_path` holds 108 bytes).
private struct Folder {
    private let descriptor: Int32

    init(_ path: String) throws {
        descriptor = Foundation.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
    }

    func path(_ name: String) -> String { "/proc/self/fd/\(descriptor)/\(name)" }
    func close() { Foundation.close(descriptor) }
}
