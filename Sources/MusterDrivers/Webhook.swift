import Glibc
package import MusterCore
import NIOCore
import NIOHTTP1
import NIOPosix

/// Tells a server something by HTTP POST, over a connection of its own. Only the status of the answer counts.
///
/// No error shows the address: it may hold a secret.
package enum Webhook {
    /// - Parameter address: `http://HOST[:PORT][/PATH]`.
    /// - Throws: `.refused` for an address of another kind, `.notReady` for everything else that goes wrong.
    package static func post(_ body: [UInt8], to address: String, within: Duration) async throws(StepError) {
        guard let place = Place(address) else {
            throw StepError(.refused, "its address is not of the form http://HOST[:PORT]/PATH")
        }
        let loop = NIOSingletons.posixEventLoopGroup.next()
        let answer = loop.makePromise(of: HTTPResponseStatus.self)
        let connecting = ClientBootstrap(group: loop)
            .connectTimeout(.microseconds(within.microseconds))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHTTPClientHandlers()
                    try pipeline.addHandler(Answer(promise: answer))
                }
            }
            .connect(host: place.host, port: place.port)
        connecting.whenFailure { answer.fail($0) }
        let deadline = loop.scheduleTask(in: .microseconds(within.microseconds)) { answer.fail(Silence()) }
        defer { deadline.cancel() }
        connecting.whenSuccess { channel in
            var head = HTTPRequestHead(version: .http1_1, method: .POST, uri: place.path)
            head.headers = [
                "Host": place.authority, "Connection": "close", "User-Agent": "muster",
                "Content-Type": "application/json", "Content-Length": "\(body.count)",
            ]
            channel.write(HTTPClientRequestPart.head(head), promise: nil)
            channel.write(HTTPClientRequestPart.body(.byteBuffer(ByteBuffer(bytes: body))), promise: nil)
            channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
            answer.futureResult.whenComplete { _ in channel.close(promise: nil) }
        }
        let status: HTTPResponseStatus
        do {
            status = try await answer.futureResult.get()
        } catch {
            throw failure(error, within)
        }
        guard (200..<300).contains(status.code) else {
            throw StepError(.notReady, "it answers \(status.code)")
        }
    }

    private struct Silence: Error {}
    private struct NoAnswer: Error {}

    private static func failure(_ error: any Error, _ within: Duration) -> StepError {
        switch error {
        case is Silence, ChannelError.connectTimeout:
            StepError(.notReady, "it does not answer within \(within.shortText)")
        case let error as IOError: StepError(.notReady, String(cString: strerror(error.errnoCode)))
        case is NoAnswer: StepError(.notReady, "it closes the connection without an answer")
        case is HTTPParserError: StepError(.notReady, "it answers, but not in HTTP")
        default: StepError(.notReady, "it cannot be reached")
        }
    }

    /// Where a request goes.
    struct Place {
        var host: String
        var port: Int
        var path: String
        var authority: String

        init?(_ address: String) {
            let scheme = "http://"
            guard address.hasPrefix(scheme), address.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
            let rest = address.dropFirst(scheme.count)
            let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
            let path = rest.dropFirst(authority.count).prefix { $0 != "#" }
            self.authority = String(authority)
            self.path = path.hasPrefix("/") ? String(path) : "/" + path
            if authority.contains("@") { return nil }
            if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
                host = String(authority[authority.index(after: authority.startIndex)..<end])
                let behind = authority[authority.index(after: end)...]
                guard let port = Self.port(behind) else { return nil }
                self.port = port
            } else {
                let colon = authority.firstIndex(of: ":") ?? authority.endIndex
                host = String(authority[..<colon])
                guard let port = Self.port(authority[colon...]) else { return nil }
                self.port = port
            }
            if host.isEmpty { return nil }
        }

        private static func port(_ text: Substring) -> Int? {
            if text.isEmpty { return 80 }
            guard text.first == ":", let port = Int(text.dropFirst()), (1...65_535).contains(port) else { return nil }
            return port
        }
    }

    /// Takes the status of the final answer.
    private final class Answer: ChannelInboundHandler {
        typealias InboundIn = HTTPClientResponsePart
        private let promise: EventLoopPromise<HTTPResponseStatus>
        init(promise: EventLoopPromise<HTTPResponseStatus>) { self.promise = promise }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            if case .head(let head) = unwrapInboundIn(data), head.status.code >= 200 { promise.succeed(head.status) }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { promise.fail(error) }

        func channelInactive(context: ChannelHandlerContext) { promise.fail(NoAnswer()) }
    }
}
