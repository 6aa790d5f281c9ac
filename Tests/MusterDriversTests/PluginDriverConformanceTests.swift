import MusterTestKit
import Testing

@Suite struct PluginDriverConformanceTests {
    @Test(.timeLimit(.minutes(5)), arguments: ExamplePlugin.present, DriverConformance.checks)
    func example(_ plugin: ExamplePlugin, _ check: DriverConformance.Check) async throws {
        try await PluginHouse.with(plugin) { house in
            try await check.run(on: house.subject)
        }
    }
}
