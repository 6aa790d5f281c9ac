import Foundation
import MusterCore
import MusterDrivers
import MusterTestKit
import Testing

/// Each node is its own driver's.
@Suite struct DriversTests {
    private func node(_ driver: String) -> NodeHandle {
        NodeHandle(
            id: NodeID(1),
            name: NodeName(group: "app", index: 0),
            lab: "shop",
            driver: driver,
            directory: "/nowhere",
            facts: [:],
            tenure: Tenure(1)
        )
    }

    @Test func aNodeOfAnotherKindIsRefusedByName() async throws {
        let drivers = Drivers([ScriptedDriver()])
        let own = try await drivers.of(node("process")).create(
            node("process"),
            operation: OperationID("a"),
            server: nil
        )
        #expect(own["address"] == "127.64.0.1")
        let other = node("podman")
        await #expect {
            _ = try await drivers.of(other).create(other, operation: OperationID("a"), server: nil)
        } throws: { error in
            let error = error as? StepError
            return error?.code == .refused && error?.message.contains("no driver 'podman'") == true
        }
        // What it does not know it does not call gone.
        await #expect {
            try await drivers.of(other).destroy(other)
        } throws: { ($0 as? StepError)?.code == .refused }
        #expect(drivers.capabilities.keys.sorted() == ["process"])
    }
}
