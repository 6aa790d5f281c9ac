import MusterCore
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// A server of these tests that is told something, and answers as it is made to.
final class HookServer: Sendable {
    struct Request: Sendable {
        var head: HTTPRequestHead
        var body = ""
    }

    enum Behaviour: Sendable {
        case answers(HTTPResponseStatus, HTTPHeaders = [:], bytes: Int = 0)
        case isSilent
        case closes
        case speaksNoHTTP
    }

    private let channel: any Channel
    private let told: Told
    let port: Int
    var requests: [Request] { told.requests.withLock { $0 } }

    fileprivate final class Told: Sendable {
        let requests = Mutex<[Request]>([])
    }

    init(_ behaviour: Behaviour, tls: Bool = false, host: String = "127.0.0.1") async throws {
        let told = Told()
        self.told = told
        let context = tls ? try NIOSSLContext(configuration: Self.configuration()) : nil
        channel = try await ServerBootstrap(group: NIOSingletons.posixEventLoopGroup)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let context { try pipeline.addHandler(NIOSSLServerHandler(context: context)) }
                    try pipeline.configureHTTPServerPipeline()
                    try pipeline.addHandler(Handler(behaviour, told))
                }
            }
            .bind(host: host, port: 0).get()
        port = channel.localAddress?.port ?? 0
    }

    func stop() async { try? await channel.close() }

    static func certificate() throws -> NIOSSLCertificate {
        try NIOSSLCertificate(bytes: Array(certificateText.utf8), format: .pem)
    }

    private static func configuration() throws -> TLSConfiguration {
        let key = try NIOSSLPrivateKey(bytes: Array(keyText.utf8), format: .pem)
        return .makeServerConfiguration(
            certificateChain: [.certificate(try certificate())],
            privateKey: .privateKey(key)
        )
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart
        private let behaviour: Behaviour
        private let told: Told
        private var request: Request?

        init(_ behaviour: Behaviour, _ told: Told) {
            self.behaviour = behaviour
            self.told = told
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head): request = Request(head: head)
            case .body(let bytes): request?.body += String(buffer: bytes)
            case .end: end(context)
            }
        }

        private func end(_ context: ChannelHandlerContext) {
            if let request { told.requests.withLock { $0.append(request) } }
            switch behaviour {
            case .isSilent: break
            case .closes: context.close(promise: nil)
            case .speaksNoHTTP:
                let text = ByteBuffer(string: "220 mail ready\r\n\r\n")
                _ = context.pipeline.context(handlerType: HTTPResponseEncoder.self).map {
                    $0.writeAndFlush(NIOAny(text), promise: nil)
                }
            case .answers(let status, var headers, let bytes):
                headers.add(name: "Content-Length", value: "\(bytes)")
                let head = HTTPResponseHead(version: .http1_1, status: status, headers: headers)
                context.write(wrapOutboundOut(.head(head)), promise: nil)
                if bytes > 0 {
                    let body = ByteBuffer(repeating: 0x61, count: bytes)
                    context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
                }
                context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            }
        }

        // Clients that go away are what these tests are about.
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    /// For `localhost` and 127.0.0.1, signed by itself, from 2020 to 2120. It guards nothing.
    private static let certificateText = """
        -----BEGIN CERTIFICATE-----
        MIIBaDCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
        c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
        CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABOKz3kdbx4rTLSR2
        1T1dhr5zfmB005Gtl50jt3LLpolfh/y3dbtMZ/ZPaPun0Poa9jSJrYwSwj9DxOhZ
        vu2jlsyjTjBMMA8GA1UdEwEB/wQFMAMBAf8wGgYDVR0RBBMwEYIJbG9jYWxob3N0
        hwR/AAABMB0GA1UdDgQWBBRJgP/jXLmqzvjWgBR9Y8uhQh1GWTAKBggqhkjOPQQD
        AgNJADBGAiEA90j5DjJwWIyJpEbDGlTSITyQb967ONtOF64a7RvFNsQCIQCo/sjl
        kdwa2WvGiu5f8rDswNQX5rmLn49Cc5xHmiKJQQ==
        -----END CERTIFICATE-----
        """

    private static let keyText = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgR5/77zPhHQQ5v/7H
        Y3JS0TxRUGCpGj3/qpfPO4L04oyhRANCAATis95HW8eK0y0kdtU9XYa+c35gdNOR
        rZedI7dyy6aJX4f8t3W7TGf2T2j7p9D6GvY0ia2MEsI/Q8ToWb7to5bM
        -----END PRIVATE KEY-----
        """
}
