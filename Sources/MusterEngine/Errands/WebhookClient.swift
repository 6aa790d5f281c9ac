import AsyncHTTPClient
import Foundation
import MusterCore
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// Tells servers something by HTTP POST. Only the status of an answer counts: it is not followed elsewhere.
///
/// No error shows the address: it may hold a secret.
final class WebhookClient: Sendable {
    private enum State {
        case unused
        case open(HTTPClient)
        case stopped
    }

    private let state = Mutex(State.unused)
    private let authorities: [NIOSSLCertificate]

    /// What is read of an answer, so that its connection can be used again.
    private static let answerMax = 64 << 10

    /// - Parameter authorities: who may sign certificates, beside those that the host trusts.
    init(authorities: [NIOSSLCertificate] = []) { self.authorities = authorities }

    /// - Parameter address: `http://HOST[:PORT][/PATH]`, or the same with `https://`.
    /// - Throws: `.refused` for an address of another kind, `.notReady` for everything else that goes wrong.
    func post(_ body: [UInt8], to address: String, within: Duration) async throws(StepError) {
        guard Self.isFit(address) else {
            throw StepError(
                .refused,
                "its address is not of the form http://HOST[:PORT]/PATH or https://HOST[:PORT]/PATH, without a user"
            )
        }
        var request = HTTPClientRequest(url: address)
        request.method = .POST
        request.headers = ["User-Agent": "muster", "Content-Type": "application/json"]
        request.body = .bytes(body)
        let client = try client()
        let code: UInt
        do {
            let answer = try await client.execute(request, deadline: .now() + .microseconds(within.microseconds))
            // One that is longer ends with its connection.
            _ = try? await answer.body.collect(upTo: Self.answerMax)
            code = answer.status.code
        } catch {
            throw StepError(.notReady, Self.reason(error, within))
        }
        guard (200..<300).contains(code) else {
            let isElsewhere = (300..<400).contains(code)
            throw StepError(.notReady, "it answers \(code)" + (isElsewhere ? ", which is not followed elsewhere" : ""))
        }
    }

    /// Ends its connections. Nothing is sent any more.
    func stop() async {
        let former = state.withLock { state in
            defer { state = .stopped }
            return state
        }
        if case .open(let client) = former { try? await client.shutdown() }
    }

    private func client() throws(StepError) -> HTTPClient {
        let client = state.withLock { state -> HTTPClient? in
            switch state {
            case .open(let client): return client
            case .stopped: return nil
            case .unused:
                let client = HTTPClient(eventLoopGroup: NIOSingletons.posixEventLoopGroup, configuration: configuration)
                state = .open(client)
                return client
            }
        }
        guard let client else { throw StepError(.notReady, "its conductor stops") }
        return client
    }

    private var configuration: HTTPClient.Configuration {
        var tls = TLSConfiguration.makeClientConfiguration()
        if !authorities.isEmpty { tls.additionalTrustRoots = [.certificates(authorities)] }
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls, redirectConfiguration: .disallow)
        configuration.httpVersion = .http1Only
        // Whoever asked tries again, later.
        configuration.connectionPool.retryConnectionEstablishment = false
        // It would write addresses down.
        configuration.tracing.tracer = nil
        return configuration
    }

    private static func isFit(_ address: String) -> Bool {
        guard ["http://", "https://"].contains(where: address.hasPrefix),
            address.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), let url = URL(string: address)
        else { return false }
        return url.host?.isEmpty == false && url.user == nil && url.password == nil && url.port != 0
    }

    private static func reason(_ error: any Error, _ within: Duration) -> String {
        let timeouts: [HTTPClientError] = [
            .deadlineExceeded, .connectTimeout, .readTimeout, .writeTimeout, .tlsHandshakeTimeout,
            .getConnectionFromPoolTimeout,
        ]
        switch error {
        case let error as HTTPClientError where timeouts.contains(error):
            return "it does not answer within \(within.shortText)"
        case let error as HTTPClientError where error == .remoteConnectionClosed:
            return "it closes the connection without an answer"
        case is HTTPParserError: return "it answers, but not in HTTP"
        case let error as IOError: return String(cString: strerror(error.errnoCode))
        case let error as NIOConnectionError:
            if let first = error.connectionErrors.first { return reason(first.error, within) }
            return error.dnsAError != nil || error.dnsAAAAError != nil
                ? "the name of its host is not known" : "it cannot be reached"
        case is NIOSSLError where "\(error)".contains("CERTIFICATE_VERIFY_FAILED"):
            return "its certificate is not trusted: it has expired, or is signed by nobody whom this host trusts; "
                + "add the authority that signed it to the certificates of this host"
        case let error as NIOSSLExtraError where error == .failedToValidateHostname:
            return "its certificate is for a host of another name: use the name that the certificate has"
        case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError: return "it does not speak TLS there"
        default: return "it cannot be reached"
        }
    }
}
