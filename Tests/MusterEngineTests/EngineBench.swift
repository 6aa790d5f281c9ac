import Foundation
import Logging
import MusterCore
import MusterEngine
import MusterStore
import MusterTestKit
import NIOPosix
import Synchronization
import Testing

/// A conductor in its own folder over a store, with a driver that only pretends.
final class EngineBench: Sendable {
    let folder: String
    let driver: ScriptedDriver
    let bell = Bell()
    private static let next = Atomic(0)

    init(
        lacking: Set<Capability> = [],
        rungs: Set<Rung> = ScriptedDriver.allRungs,
        script: @escaping ScriptedDriver.Script = { _, _ in ScriptedDriver.exit(0) }
    ) throws {
        folder =
            FileManager.default.temporaryDirectory.path
            + "/muster-engine-\(getpid())-\(EngineBench.next.add(1, ordering: .relaxed).newValue)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        driver = ScriptedDriver(lacking: lacking, rungs: rungs, script: script)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func conductor(_ store: any Store, secrets: [String: String] = [:]) throws -> Conductor {
        let driver = driver
        return try Conductor(
            store: store,
            state: StateDirectory(path: folder),
            identity: ConductorCore.Identity(host: "here", pid: 1, seed: 7),
            bell: bell,
            surroundings: CommandBuilder.Surroundings(environment: [:], secret: { secrets[$0] }),
            time: HostTime(),
            logger: Logger(label: "test"),
            makeDrivers: { _ in [driver] }
        )
    }

    /// Waits until this holds; looks after each turn.
    func until(_ isSo: () throws -> Bool) async throws {
        let turns = bell.listen()
        if try isSo() { return }
        for await _ in turns where try isSo() { return }
    }

    /// Conducts until the plan of this token is over; the conductor's error, when it ends with one.
    func finish(_ token: String, _ store: any Store, with conductor: Conductor) async throws -> PlanRow {
        let running = Task { try await conductor.run(group: MultiThreadedEventLoopGroup.singleton) }
        try await until { try store.plan(request: token).map { $0.state.isFinal || $0.state == .paused } == true }
        conductor.stop()
        try await running.value
        return try #require(try store.plan(request: token))
    }
}
