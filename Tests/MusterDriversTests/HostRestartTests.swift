import Foundation
import MusterCore
import MusterDrivers
import MusterTestKit
import Testing

/// Tests that restart the host on which they run.
@Suite(.disabled(if: SSHServer.absence != nil, "\(SSHServer.absence ?? "")"), .timeLimit(.minutes(3)))
struct HostRestartTests {
    private static func test(_ text: String) -> Command {
        var command = Command(
            .shell(text),
            environment: ["PATH": "/usr/bin:/bin"],
            timeout: .seconds(100),
            leftovers: .end
        )
        command.controlLimit = 1 << 20
        return command
    }

    private static let waits = "echo up > up; exec tail -f /dev/null"

    /// Begins a test, restarts its host as soon as the test waits, and says how that went.
    private func restart(_ house: SSHHouse, _ node: NodeHandle, during text: String) async throws -> ProcessExit {
        let driver = house.driver
        _ = try await driver.run(Self.test("mkfifo up"), on: node, operation: OperationID("prepare"))
        async let exit = driver.run(Self.test(text), on: node, operation: OperationID("long"))
        _ = try await driver.run(Self.test("cat up"), on: node, operation: OperationID("see"))
        try await house.restartHost(of: node)
        return try await exit
    }

    @Test(arguments: RemoteWay.allCases)
    func aTestThatHasSaidSoMayRestartItsHostAndItsNodeLivesOn(_ way: RemoteWay) async throws {
        try await SSHHouse.with(way) { house in
            let node = try await house.made()
            try await house.driver.watch(node)
            // The descriptor is closed when the word is kept.
            let text =
                "echo kept > file; sync; trap '' PIPE; printf 'result 2\n{}disconnect\n' >&$MUSTER_TEST_CONTROL; "
                + "while printf 'noop\n' >&$MUSTER_TEST_CONTROL; do :; done 2>/dev/null; " + Self.waits
            let exit = try await restart(house, node, during: text)
            #expect(exit.signal == 9)
            let reader = FindingsReader(
                house.driver,
                node,
                operations: [OperationID("long")],
                timeout: .seconds(100),
                secrets: []
            )
            #expect(await reader.findings(after: exit)?.restarts == true)
            // Another conductor finds the same, and the node is as it was.
            let found = try await house.another().status(of: OperationID("long"), on: node)
            guard case .ended(let ended) = found else {
                Issue.record("\(found)")
                return
            }
            #expect(ended.signal == 9)
            let next = try await house.driver.run(Self.test("cat file"), on: node, operation: OperationID("next"))
            #expect(next.status == 0, "the node's files are there")
            #expect(try await house.driver.running(on: node) == [])
            // What was said before one restart says nothing of another.
            try await house.restartHost(of: node)
            await #expect(throws: StepError.self) {
                try await house.driver.run(Self.test("true"), on: node, operation: OperationID("later"))
            }
            try await house.driver.destroy(node)
        }
    }

    @Test func aRestartThatNobodyHasSaidIsTheLossOfTheNode() async throws {
        for text in [
            Self.waits, "printf 'result 14\n{\"a\":\"disconnect\"}noop\n' >&$MUSTER_TEST_CONTROL; " + Self.waits,
        ] {
            try await SSHHouse.with(.ssh) { house in
                let node = try await house.made()
                do {
                    let exit = try await restart(house, node, during: text)
                    Issue.record("it ended: \(exit)")
                } catch let error as StepError {
                    // Its sessions may hear of it before they end themselves.
                    #expect(error.code == .lost, "\(error)")
                    await #expect(throws: StepError.self) { try await house.driver.watch(node) }
                }
                try await house.driver.destroy(node)
            }
        }
    }
}
