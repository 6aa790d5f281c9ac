import Foundation
import MusterCore
import MusterDrivers
import MusterSupervision
import Testing

/// What is printed of secrets.
@Suite struct SecretMaskTests {
    private func shown(_ parts: [String], _ secrets: [String]) -> String {
        var mask = SecretMask(secrets)
        var shown: [UInt8] = []
        for part in parts { shown += mask.take(Array(part.utf8)) }
        return String(decoding: shown + mask.end(), as: UTF8.self)
    }

    @Test func secretsAreMasked() {
        #expect(shown(["a hunter2 b hunter2hunter2"], ["hunter2"]) == "a *** b ******")
        #expect(shown(["hunter and hunte"], ["hunter2"]) == "hunter and hunte")
        #expect(shown(["none"], []) == "none")
        #expect(shown(["a12b"], ["12"]) == "a12b", "too short to be told from anything else")
        #expect(shown(["secret-long secret"], ["secret", "secret-long"]) == "*** ***")
    }

    @Test func secretsAreMaskedAsTheyStandInJSON() {
        let secret = #"it's \ a "secret""#
        #expect(shown([#"it's \ a "secret"."#], [secret]) == "***.")
        #expect(shown([#"{"msg": "<it's \\ a \"secret\">"}"#], [secret]) == #"{"msg": "<***>"}"#)
        #expect(shown([#"a geheimn\u00fc\u00df b geheimn"#, "üß c"], ["geheimnüß"]) == "a *** b *** c")
        #expect(shown([#"x\ud83d\ude00yz"#], ["x😀yz"]) == "***")
        #expect(shown([#"a\"b"#], [#"a"b"#]) == #"a\"b"#, "too short, however it is written")
    }

    @Test func linesOfSecretsAreMasked() {
        let secret = "--BEGIN--\r\nMIIa bc\n   x\n \t\tA\"bcd\n\n--END--\n"
        #expect(shown([secret], [secret]) == "***")
        #expect(shown(["<MIIa bc>\nx\n[A\"bcd]", #" [A\"bcd]"#], [secret]) == "<***>\nx\n[***] [***]")
        let inJSON = #""--BEGIN--\r\nMIIa bc\n   x\n \t\tA\"bcd\n\n--END--\n""#
        #expect(shown([inJSON], [secret]) == "\"***\"")
        #expect(shown(["a token b"], ["token\n"]) == "a *** b", "as a shell reads it from a file")
    }

    @Test func secretsThatComeInPartsAreMaskedWhereverTheyAreCut() {
        let text = "xx aabaabaac yy aabaab"
        for first in 0...text.utf8.count {
            for second in first...text.utf8.count {
                let bytes = Array(text.utf8)
                let parts = [bytes[..<first], bytes[first..<second], bytes[second...]].map {
                    String(decoding: $0, as: UTF8.self)
                }
                #expect(shown(parts, ["aabaac", "aaba"]) == shown([text], ["aabaac", "aaba"]), "\(parts)")
            }
        }
    }

    /// Nothing is held back that cannot become a secret any more: somebody may be following.
    @Test func whatIsNoSecretIsShownAtOnce() {
        var mask = SecretMask(["hunter2"])
        #expect(mask.take(Array("waiting for hu".utf8)) == Array("waiting for ".utf8))
        #expect(mask.take(Array("man\n".utf8)) == Array("human\n".utf8))
    }

    @Test func outputOfNodesIsMasked() async throws {
        try await ProcessHouse.with { house in
            let node = try await house.made()
            var command = Command(
                .shell(
                    "echo \"the token is $TOKEN.\"; printf %s \"$TOKEN\" | head -c 5; "
                        + "printf '\\na %s\\n%s' password \"$TOKEN\""
                ),
                environment: ["PATH": "/usr/bin:/bin"],
                timeout: .seconds(60),
                leftovers: .end
            )
            command.secrets = ["TOKEN": "hunter2-hunter3"]
            command.masked = ["a password"]
            let operation = OperationID("masked")
            let exit = try await house.driver.run(command, on: node, operation: operation)
            #expect(exit.succeeded)
            let path = house.driver.outputPath(of: operation, on: node)
            let output = FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
            #expect(output == "the token is ***.\nhunte\n***\n***")
            for name in FileManager.default.enumerator(atPath: node.directory)?.compactMap({ $0 as? String }) ?? [] {
                let bytes = FileManager.default.contents(atPath: node.directory + "/" + name) ?? Data()
                #expect(bytes.range(of: Data("a password".utf8)) == nil, "what is masked stands in \(name)")
            }
        }
    }
}
