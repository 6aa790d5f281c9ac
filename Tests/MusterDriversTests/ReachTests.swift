import Foundation
import MusterCore
import NIOCore
import Testing

@testable import MusterDrivers

/// What it means that a supervisor cannot be reached.
@Suite struct ReachTests {
    private func word(_ failure: LinkFailure) -> String {
        switch failure {
        case .gone: "gone"
        case .broken: "broken"
        case .unreachable: "unreachable"
        case .silent, .refused, .cancelled: "other"
        }
    }

    @Test func onlyAFolderOrSocketThatIsNotThereMeansThatItIsGone() {
        for code in [ENOENT, ENOTDIR, ECONNREFUSED] { #expect(word(.opening(code)) == "gone") }
        for code in [EMFILE, ENFILE, EACCES, EIO, ENOMEM] { #expect(word(.opening(code)) == "unreachable") }
        #expect(word(.opening(ECONNRESET)) == "broken")
        let refused = IOError(errnoCode: EMFILE, reason: "socket")
        #expect(word(SupervisorConnection.failure(refused)) == "unreachable")
    }

    @Test func whoeverRunsOutOfDescriptorsIsToldWhichLimit() {
        for code in [EMFILE, ENFILE] {
            guard case .unreachable(let message) = LinkFailure.opening(code) else {
                Issue.record("\(code) means something else")
                continue
            }
            #expect(message.contains("ulimit -n"))
        }
    }

    /// A folder that is there and cannot be opened is none that is gone: here, as its path is a loop of links.
    @Test func aNodeThatCannotBeReachedFromHereIsNotLost() async throws {
        try await ProcessHouse.with { house in
            let node = house.node("looped")
            try FileManager.default.createSymbolicLink(atPath: node.directory, withDestinationPath: node.directory)
            do throws(StepError) {
                try await house.driver.watch(node)
                Issue.record("it is watched")
            } catch {
                #expect(error.code == .refused, "\(error.message)")
            }
        }
    }
}
