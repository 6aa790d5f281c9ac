import MusterTestKit
import Testing

@Suite struct PodmanDriverConformanceTests {
    @Test(
        .disabled(if: PodmanStore.absence != nil, "\(PodmanStore.absence ?? "")"),
        .timeLimit(.minutes(5)),
        arguments: DriverConformance.checks
    )
    func podman(_ check: DriverConformance.Check) async throws {
        try await PodmanHouse.with { house in try await check.run(on: house.subject) }
    }
}
