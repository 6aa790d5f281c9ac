import MusterTestKit
import Testing

@Suite struct SSHDriverConformanceTests {
    @Test(
        .disabled(if: SSHServer.absence != nil, "\(SSHServer.absence ?? "")"),
        .timeLimit(.minutes(5)),
        arguments: DriverConformance.checks
    )
    func ssh(_ check: DriverConformance.Check) async throws {
        try await SSHHouse.with(.ssh) { house in try await check.run(on: house.subject) }
    }

    @Test(.timeLimit(.minutes(5)), arguments: DriverConformance.checks)
    func localShell(_ check: DriverConformance.Check) async throws {
        try await SSHHouse.with(.local) { house in try await check.run(on: house.subject) }
    }
}
