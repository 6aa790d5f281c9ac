import Foundation
import Testing

@testable import MusterCLI

/// Whose a request is, and whether that command has ended.
@Suite struct RequestTokenTests {
    private func token(_ change: (inout [String]) -> Void) -> String {
        var parts = RequestToken.make().split(separator: ".").map(String.init)
        change(&parts)
        return parts.joined(separator: ".")
    }

    @Test func theOwnOneIsThere() throws {
        try #require(ProcessLook.namespace != nil)
        #expect(RequestToken.authorIsGone(RequestToken.make()) == false)
    }

    @Test func anotherProcessOfTheSameNumberIsNotTheAuthor() {
        #expect(RequestToken.authorIsGone(token { $0[4] = "1" }) == true)
        #expect(RequestToken.authorIsGone(token { $0[3] = "\(Int32.max)" }) == true)
    }

    @Test func withAnotherBootAllBeforeItHaveEnded() {
        #expect(RequestToken.authorIsGone(token { ($0[1], $0[2]) = ("00000000", "1") }) == true)
    }

    /// A container has processes of its own by the same numbers, or by none that is seen here.
    @Test(arguments: ["1", "-"]) func ofAnotherNamespaceNothingCanBeTold(namespace: String) {
        #expect(RequestToken.authorIsGone(token { $0[2] = namespace }) == nil)
        #expect(RequestToken.authorIsGone(token { ($0[2], $0[3]) = (namespace, "\(Int32.max)") }) == nil)
    }

    @Test(arguments: ["t", "a.b.1.2", "a.b.c.d.e", ""]) func aNameOfAnotherFormSaysNothing(token: String) {
        #expect(RequestToken.authorIsGone(token) == nil)
    }
}
