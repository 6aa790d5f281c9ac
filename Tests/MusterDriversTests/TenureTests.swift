import Foundation
import MusterCore
import MusterDrivers
import MusterTestKit
import Synchronization
import Testing

/// What reaches a supervisor when a conductor's term rises, its lease ends, or another conductor has taken over.
@Suite struct TenureTests {
    private static let environment = ["PATH": "/usr/bin:/bin"]

    private static func shell(_ text: String) -> Command {
        Command(.shell(text), environment: environment, timeout: .seconds(60), leftovers: .end)
    }

    private func successor(_ node: NodeHandle, _ house: ProcessHouse, epoch: Epoch) async throws {
        var node = node
        node.tenure = Tenure(epoch)
        _ = try await house.subject.successor().status(of: OperationID("none"), on: node)
    }

    /// What waits past the end of the lease leaves when it is renewed, under the epoch of then.
    @Test func whatWaitedForTheLeaseLeavesUnderTheTermOfThen() async throws {
        try await ProcessHouse.with { house in
            let time = ManualTime()
            let tenure = Tenure(1) { time.now() }
            var node = house.node("late", tenure: tenure)
            node.facts = try await house.driver.create(node, operation: OperationID("create"), server: nil)
            let made = node
            tenure.renew(1, until: time.now())
            // Awaited below.
            let running = Task {
                try await house.driver.run(Self.shell("echo > ran"), on: made, operation: OperationID("late"))
            }
            // Others ask meanwhile; to ask is no act, and needs no lease.
            let status = try await house.driver.status(of: OperationID("late"), on: made)
            #expect(status == .neverStarted)
            #expect(!FileManager.default.fileExists(atPath: made.directory + "/ran"))
            try await successor(made, house, epoch: 5)
            tenure.renew(6, until: nil)
            #expect(try await running.value.succeeded)
        }
    }

    @Test func nothingLeavesForATenureThatIsOver() async throws {
        try await ProcessHouse.with { house in
            let time = ManualTime()
            let tenure = Tenure(1) { time.now() }
            var node = house.node("over", tenure: tenure)
            node.facts = try await house.driver.create(node, operation: OperationID("create"), server: nil)
            let made = node
            tenure.renew(1, until: time.now())
            // Awaited below.
            let running = Task {
                try await house.driver.run(Self.shell("echo > ran"), on: made, operation: OperationID("late"))
            }
            tenure.end()
            tenure.renew(9, until: nil)
            await #expect(throws: StepError.self) { _ = try await running.value }
            await #expect(throws: StepError.self) { try await house.driver.destroy(made) }
            let error = await #expect(throws: StepError.self) {
                try await house.driver.put([FileContent(source: .bytes([]), to: "file", mode: 0o600)], on: made)
            }
            #expect(error?.code == .cancelled)
            for name in ["ran", "file"] {
                #expect(!FileManager.default.fileExists(atPath: made.directory + "/" + name), "\(name)")
            }
            #expect(try await house.supervisor(of: made).pid > 1)
        }
    }

    /// The connection breaks after the term has risen: what was watched under the former epoch still is.
    @Test(.timeLimit(.minutes(5))) func aWatchIsRenewedUnderTheRisenTerm() async throws {
        try await ProcessHouse.with { house in
            let tenure = Tenure(1)
            var node = house.node("watched", tenure: tenure)
            let server = Command(
                .shell("exec sleep \(DriverConformance.uniqueNap())"),
                environment: Self.environment,
                timeout: nil,
                leftovers: .keep
            )
            node.facts = try await house.driver.create(node, operation: OperationID("create"), server: server)
            try await house.driver.watch(node)
            try await successor(node, house, epoch: 5)
            tenure.renew(6, until: nil)
            let supervisor = try await house.supervisor(of: node).pid
            #expect(breakConnections(to: supervisor) > 0)
            try await house.subject.kill(OperationID("create"), node)
            let event = await house.nextEvent()
            guard case .lost(let id, let reason)? = event else {
                Issue.record("no loss was reported")
                return
            }
            #expect(id == node.id)
            #expect(reason.contains("signal 9"), "\(reason)")
        }
    }

    /// Shuts down every connection of this process to a process.
    private func breakConnections(to pid: Int32) -> Int {
        var broken = 0
        for descriptor in 3..<Int32(1024) {
            var peer: [Int32] = [0, 0, 0]  // struct ucred: pid, uid, gid
            var size: socklen_t = 12
            guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0, peer[0] == pid else { continue }
            if shutdown(descriptor, Int32(SHUT_RDWR)) == 0 { broken += 1 }
        }
        return broken
    }

    @Test func theLeaseIsAwaitedOnlyWhileItMayBeRenewed() async {
        let time = ManualTime()
        let tenure = Tenure(3) { time.now() }
        #expect(await tenure.awaitLease())
        tenure.renew(2, until: time.now() + .seconds(1))
        #expect(tenure.epoch == 3, "it never falls")
        #expect(tenure.mayAct)
        time.advance(by: .seconds(1))
        #expect(!tenure.mayAct)
        async let renewed = tenure.awaitLease()
        tenure.renew(4, until: time.now() + .seconds(1))
        #expect(await renewed)
        time.advance(by: .seconds(1))
        // As it is awaited in the next line.
        let given = Task { await tenure.awaitLease() }
        given.cancel()
        #expect(await !given.value)
        async let last = tenure.awaitLease()
        tenure.renewNoMore()
        #expect(await !last)
        tenure.renew(5, until: nil)
        #expect(await tenure.awaitLease(), "what is within the lease may still leave")
        tenure.end()
        #expect(await !tenure.awaitLease())
    }
}
