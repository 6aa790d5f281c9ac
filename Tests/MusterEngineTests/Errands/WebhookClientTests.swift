import MusterCore
import MusterTestKit
import NIOHTTP1
import Testing

@testable import MusterEngine

/// Servers that are told something, and everything that can go wrong with them.
@Suite struct WebhookClientTests {
    /// Why it could not be told; nil when it was.
    private func failure(
        _ client: WebhookClient,
        _ address: String,
        within: Duration = .seconds(60)
    ) async -> String? {
        do throws(StepError) {
            try await client.post(Array(#"{"a":1}"#.utf8), to: address, within: within)
            return nil
        } catch {
            return error.message
        }
    }

    /// As one client and one server have it.
    private func failure(
        _ behaviour: HookServer.Behaviour,
        within: Duration = .seconds(60)
    ) async throws -> (failure: String?, requests: [HookServer.Request]) {
        let server = try await HookServer(behaviour)
        let client = WebhookClient()
        let failure = await failure(client, "http://127.0.0.1:\(server.port)/s3cret?a=b", within: within)
        await client.stop()
        await server.stop()
        #expect(failure?.contains("s3cret") != true && failure?.contains("127.0.0.1") != true)
        return (failure, server.requests)
    }

    @Test func aServerGetsTheMessage() async throws {
        let (failure, requests) = try await failure(.answers(.noContent))
        #expect(failure == nil)
        let request = try #require(requests.first)
        #expect(requests.count == 1 && request.head.method == .POST && request.head.uri == "/s3cret?a=b")
        #expect(request.head.headers["Content-Type"] == ["application/json"] && request.body == #"{"a":1}"#)
    }

    @Test func anAnswerThatIsNoSuccessIsSaid() async throws {
        #expect(try await failure(.answers(.internalServerError)).failure == "it answers 500")
    }

    @Test func nothingIsFollowedElsewhere() async throws {
        let (failure, requests) = try await failure(.answers(.found, ["Location": "/else"]))
        #expect(failure == "it answers 302, which is not followed elsewhere" && requests.count == 1)
    }

    @Test func aLongAnswerIsThrownAway() async throws {
        #expect(try await failure(.answers(.ok, bytes: 32 << 20)).failure == nil)
    }

    @Test func serversThatDoNotAnswerAreNotWaitedFor() async throws {
        let silent = try await failure(.isSilent, within: .milliseconds(300))
        #expect(silent.failure == "it does not answer within 300ms")
        #expect(try await failure(.closes).failure == "it closes the connection without an answer")
        #expect(try await failure(.speaksNoHTTP).failure == "it answers, but not in HTTP")
    }

    @Test func whereNobodyListensIsSaid() async throws {
        let client = WebhookClient()
        let refused = await failure(client, "http://127.0.0.1:9/s3cret")
        #expect(refused == "Connection refused")
        await client.stop()
        let late = await failure(client, "http://127.0.0.1:9/s3cret")
        #expect(late == "its conductor stops")
    }

    @Test func aCertificateThatNobodyTrustsIsRefused() async throws {
        let server = try await HookServer(.answers(.ok), tls: true)
        let client = WebhookClient()
        for host in ["localhost", "127.0.0.1"] {
            let failure = await failure(client, "https://\(host):\(server.port)/s3cret")
            #expect(failure?.contains("its certificate is not trusted") == true, "\(failure ?? "told")")
            #expect(failure?.contains("add the authority that signed it") == true)
            #expect(failure?.contains("s3cret") == false)
        }
        #expect(server.requests.isEmpty)
        await client.stop()
        await server.stop()
    }

    @Test func oneThatIsTrustedIsToldByItsOwnNameOnly() async throws {
        let client = WebhookClient(authorities: [try HookServer.certificate()])
        let server = try await HookServer(.answers(.ok), tls: true)
        #expect(await failure(client, "https://127.0.0.1:\(server.port)/") == nil)
        #expect(server.requests.count == 1)
        // Another address of this host, which the certificate does not name.
        let other = try await HookServer(.answers(.ok), tls: true, host: "127.0.0.2")
        let failure = await failure(client, "https://127.0.0.2:\(other.port)/s3cret")
        #expect(failure?.contains("for a host of another name") == true, "\(failure ?? "told")")
        #expect(other.requests.isEmpty)
        await client.stop()
        await server.stop()
        await other.stop()
    }

    @Test func aServerWithoutTLSIsNotToldInPlainText() async throws {
        let server = try await HookServer(.answers(.ok))
        let client = WebhookClient()
        let failure = await failure(client, "https://127.0.0.1:\(server.port)/s3cret")
        #expect(failure == "it does not speak TLS there")
        #expect(server.requests.isEmpty)
        await client.stop()
        await server.stop()
    }

    @Test(arguments: [
        "", "h", "ftp://h/", "http://", "https:///a", "http://a b/", "http://u:s3cret@h/", "https://h:x/",
        "http+unix://a",
    ])
    func addressesOfOtherKindsAreRefused(_ address: String) async {
        let failure = await failure(WebhookClient(), address)
        #expect(failure?.contains("https://HOST[:PORT]/PATH") == true && failure?.contains("s3cret") == false)
    }
}
