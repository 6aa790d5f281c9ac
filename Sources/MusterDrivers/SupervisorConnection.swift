import Glibc
import MusterSupervision
import NIOCore
import NIOPosix
import Synchronization

/// Why a supervisor did not answer.
enum LinkFailure: Error, Sendable {
    /// There is no supervisor: nobody listens in the node's folder.
    case gone
    /// The connection broke.
    case broken(String)
    /// This host cannot get there: it is out of descriptors, or the folder cannot be opened. It says nothing of the
    /// supervisor, which may be well.
    case unreachable(String)
    /// No answer came in time.
    case silent(String)
    case refused(SupervisorReply.Refusal, String)
    /// Nobody waits for the answer any more.
    case cancelled

    /// What it means that a node's folder or socket could not be opened, by the system's code.
    static func opening(_ code: Int32) -> LinkFailure {
        switch code {
        case ENOENT, ENOTDIR, ECONNREFUSED: .gone
        case EMFILE:
            .unreachable(
                "this process may open no more files (\(Self.openFilesLimit)); raise the limit where muster is started: ulimit -n"
            )
        case ENFILE:
            .unreachable("this host has no open files left for any process; end some, or raise fs.file-max (ulimit -n)")
        case EACCES, EPERM, EIO, ELOOP, ENAMETOOLONG, ENOMEM:
            .unreachable("the node's folder cannot be opened: \(String(cString: strerror(code)))")
        default: .broken("it cannot be reached: \(String(cString: strerror(code)))")
        }
    }

    private static var openFilesLimit: String {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return "its limit is reached" }
        return "its limit is \(limit.rlim_cur)"
    }
}

/// One connection to one supervisor: requests with numbers out, answers in any order back.
final class SupervisorConnection: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private struct State {
        var channel: (any Channel)?
        var buffer = FrameBuffer()
        var pending: [UInt32: EventLoopPromise<SupervisorReply.Body>] = [:]
        var lastNumber: UInt32 = 0
        var isClosed = false
    }

    private let state = Mutex(State())
    /// Told when the node is lost though nobody asked just then.
    private let lost: @Sendable (String) -> Void

    private init(lost: @escaping @Sendable (String) -> Void) { self.lost = lost }

    // MARK: Opening

    /// Connects and exchanges greetings. Fails with a `LinkFailure`.
    static func open(
        directory: String,
        epoch: Int64,
        on loop: any EventLoop,
        lost: @escaping @Sendable (String) -> Void
    ) -> EventLoopFuture<SupervisorConnection> {
        let connection = SupervisorConnection(lost: lost)
        // Through the open folder, since the path of a socket may have 107 bytes only.
        let folder: Descriptor
        do throws(LinkFailure) {
            folder = try Descriptor(folder: directory)
        } catch {
            return loop.makeFailedFuture(error)
        }
        return ClientBootstrap(group: loop)
            .connectTimeout(.seconds(10))
            .channelInitializer { channel in channel.pipeline.addHandler(connection) }
            .connect(unixDomainSocketPath: "/proc/self/fd/\(folder.number)/\(SupervisorFiles.socket)")
            .flatMapErrorThrowing { throw Self.failure($0) }
            .flatMap { _ in
                withExtendedLifetime(folder) {}
                return connection.request(.hello(version: Wire.version), epoch: epoch, within: .seconds(20)).future
            }
            .flatMapThrowing { answer in
                guard case .facts(let facts) = answer else {
                    throw LinkFailure.broken("it did not return the greeting")
                }
                connection.facts.withLock { $0 = facts }
                return connection
            }
            .flatMapErrorThrowing { error in
                connection.close()
                throw error
            }
    }

    /// What the supervisor said of itself in its greeting.
    let facts = Mutex<SupervisorFacts?>(nil)

    static func failure(_ error: any Error) -> LinkFailure {
        let code: Int32?
        switch error {
        case let error as IOError: code = error.errnoCode
        case let error as NIOConnectionError:
            code = error.connectionErrors.lazy.compactMap { ($0.error as? IOError)?.errnoCode }.first
        default: code = nil
        }
        return code.map { .opening($0) } ?? .broken("it cannot be reached: \(error)")
    }

    var closeFuture: EventLoopFuture<Void>? { state.withLock { $0.channel?.closeFuture } }

    func close() {
        let channel = state.withLock { $0.channel }
        channel?.close(promise: nil)
    }

    // MARK: Asking

    /// A request under way. Failing the promise gives up waiting.
    struct Asked {
        let promise: EventLoopPromise<SupervisorReply.Body>
        var future: EventLoopFuture<SupervisorReply.Body> { promise.futureResult }
    }

    /// Sends a request. The answer fails with a `LinkFailure`; without `within` it may take for ever.
    func request(_ body: SupervisorRequest.Body, epoch: Int64, within: TimeAmount?) -> Asked {
        let (channel, promise, number) = state.withLock { state in
            state.lastNumber &+= 1
            let loop = state.channel?.eventLoop ?? NIOSingletons.posixEventLoopGroup.any()
            let promise = loop.makePromise(of: SupervisorReply.Body.self)
            let isOpen = !state.isClosed && state.channel != nil
            if isOpen { state.pending[state.lastNumber] = promise }
            return (isOpen ? state.channel : nil, promise, state.lastNumber)
        }
        guard let channel else {
            promise.fail(LinkFailure.broken("the connection is closed"))
            return Asked(promise: promise)
        }
        let frame = SupervisorRequest(number: number, epoch: epoch, body: body).frame
        channel.writeAndFlush(ByteBuffer(bytes: frame)).whenFailure { error in
            promise.fail(LinkFailure.broken("\(error)"))
        }
        if let within {
            let deadline = channel.eventLoop.scheduleTask(in: within) {
                promise.fail(LinkFailure.silent("it has not answered for \(within.nanoseconds / 1_000_000_000) s"))
            }
            promise.futureResult.whenComplete { _ in deadline.cancel() }
        }
        return Asked(promise: promise)
    }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        state.withLock { $0.channel = channel }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        var completions: [(EventLoopPromise<SupervisorReply.Body>?, SupervisorReply.Body)] = []
        let problem: WireError? = state.withLock { state in
            do throws(WireError) {
                state.buffer.append(bytes.readableBytesView)
                while let payload = try state.buffer.next() {
                    let reply = try SupervisorReply(payload: payload)
                    completions.append((state.pending.removeValue(forKey: reply.number), reply.body))
                }
                return nil
            } catch {
                return error
            }
        }
        for (promise, body) in completions {
            switch (promise, body) {
            case (let promise?, .refused(let refusal, let message)): promise.fail(LinkFailure.refused(refusal, message))
            case (let promise?, _): promise.succeed(body)
            case (nil, .lost(let reason)): lost(reason)
            case (nil, _): break  // an answer to somebody who no longer waits
            }
        }
        if let problem { errorCaught(context: context, error: problem) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelInactive(context: ChannelHandlerContext) {
        let pending = state.withLock { state in
            state.isClosed = true
            defer { state.pending = [:] }
            return state.pending.values.map { $0 }
        }
        for promise in pending { promise.fail(LinkFailure.broken("the connection broke")) }
        context.fireChannelInactive()
    }
}

/// A folder held open while its path is in use.
private final class Descriptor: Sendable {
    let number: CInt

    init(folder: String) throws(LinkFailure) {
        number = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if number < 0 { throw .opening(errno) }
    }

    deinit { if number >= 0 { close(number) } }
}
