import Glibc
import MusterCore
import NIOCore
import NIOHTTP1
import NIOPosix

/// Asks a server once whether it is there. Errors are `.notReady` and say what was seen instead.
enum Probes {
    private static let answerLimit = 64 << 10

    /// Something accepts a connection.
    static func tcp(_ address: String, _ port: Int, within: Duration) async throws(StepError) {
        do {
            let channel = try await ClientBootstrap(group: NIOSingletons.posixEventLoopGroup)
                .connectTimeout(.microseconds(within.microseconds))
                .connect(to: try SocketAddress(ipAddress: address, port: port)).get()
            try? await channel.close()
        } catch {
            throw failure(error, "\(address):\(port)", within)
        }
    }

    /// One GET over a connection of its own is answered with 2xx or 3xx; the head of the answer decides.
    static func http(_ address: String, _ port: Int, _ path: String, within: Duration) async throws(StepError) {
        let loop = NIOSingletons.posixEventLoopGroup.next()
        let answer = loop.makePromise(of: HTTPResponseStatus.self)
        let place = "http://\(address):\(port)\(path)"
        let isPath = path.hasPrefix("/") && path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
        do {
            guard isPath else {
                answer.fail(CancellationError())
                throw StepError(.notReady, "'\(path)' is no path of a URL: it begins with '/' and has no spaces")
            }
            let connecting = ClientBootstrap(group: loop)
                .connectTimeout(.microseconds(within.microseconds))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let pipeline = channel.pipeline.syncOperations
                        try pipeline.addHandler(AnswerLimit(limit: answerLimit))
                        try pipeline.addHTTPClientHandlers()
                        try pipeline.addHandler(FirstStatus(answer: answer))
                    }
                }
                .connect(to: try SocketAddress(ipAddress: address, port: port))
            connecting.whenFailure { answer.fail($0) }
            let deadline = loop.scheduleTask(in: .microseconds(within.microseconds)) { answer.fail(Silence()) }
            connecting.whenSuccess { channel in
                var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: path)
                head.headers = ["Host": "\(address):\(port)", "Connection": "close", "User-Agent": "muster"]
                channel.write(HTTPClientRequestPart.head(head), promise: nil)
                channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
                answer.futureResult.whenComplete { _ in channel.close(promise: nil) }
            }
            defer { deadline.cancel() }
            let status = try await answer.futureResult.get()
            guard (200..<400).contains(status.code) else {
                throw StepError(.notReady, "\(place) answers \(status.code) \(status.reasonPhrase)")
            }
        } catch let error as StepError {
            throw error
        } catch {
            throw failure(error, place, within)
        }
    }

    private struct Silence: Error {}
    private struct Garbage: Error { let what: String }

    private static func failure(_ error: any Error, _ place: String, _ within: Duration) -> StepError {
        switch error {
        case is Silence: return StepError(.notReady, "\(place) does not answer within \(within.shortText)")
        case ChannelError.connectTimeout:
            return StepError(.notReady, "\(place) accepts no connection within \(within.shortText)")
        case let error as IOError:
            return StepError(.notReady, "\(place): \(String(cString: strerror(error.errnoCode)))")
        case let error as Garbage: return StepError(.notReady, "\(place) \(error.what)")
        case is HTTPParserError: return StepError(.notReady, "\(place) answers, but not in HTTP")
        default: return StepError(.notReady, "\(place): \(error)")
        }
    }

    /// Gives up on an answer that grows too long.
    private final class AnswerLimit: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private var rest: Int
        init(limit: Int) { rest = limit }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            rest -= unwrapInboundIn(data).readableBytes
            if rest < 0 {
                context.fireErrorCaught(Garbage(what: "answers with more than \(answerLimit >> 10) KiB"))
            } else {
                context.fireChannelRead(data)
            }
        }
    }

    /// Takes the status of the final answer.
    private final class FirstStatus: ChannelInboundHandler {
        typealias InboundIn = HTTPClientResponsePart
        private let answer: EventLoopPromise<HTTPResponseStatus>
        init(answer: EventLoopPromise<HTTPResponseStatus>) { self.answer = answer }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            if case .head(let head) = unwrapInboundIn(data), head.status.code >= 200 { answer.succeed(head.status) }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { answer.fail(error) }

        func channelInactive(context: ChannelHandlerContext) {
            answer.fail(Garbage(what: "closes the connection without an answer"))
        }
    }
}
