import ArgumentParser
import Foundation
import Logging
import MusterCore
import MusterDrivers
import MusterEngine
import MusterStore
import MusterTestKit
import NIOPosix

/// Attempts of tests that do nothing, over nodes of a kind, beside a plain loop that starts the same on the same nodes.
struct Tests: AsyncParsableCommand {
    enum Kind: String, ExpressibleByArgument, CaseIterable { case process, podman, ssh }

    static let configuration = CommandConfiguration(
        abstract: "Milliseconds an attempt, beside a plain spawn loop.",
        discussion: """
              muster-bench tests --count 1000 --remotes 10 --rounds 5
              muster-bench tests --count 1000 --remotes 1 --driver ssh
              muster-bench tests --count 400 --remotes 10 --destroyed 40 --driver podman

            The plain loop starts 'true': on this host, by 'podman exec', or by 'ssh host true' over a master. sshd and
            the containers' store are made for it, and end with it.
            """
    )

    @Option(help: "How many tests.") var count = 1000
    @Option(help: "How many nodes.") var remotes = 10
    @Option(help: "process, podman or ssh.") var driver = Kind.process
    @Option(help: "How many of the tests use up their node.") var destroyed = 0
    @Option(help: "Where to write.") var folder: String?
    @OptionGroup var rounds: Rounds
    @Flag(help: "One JSON object.") var json = false

    func validate() throws {
        guard (1...100_000).contains(count) else { throw ValidationError("--count wants 1 to 100,000") }
        guard (1...1000).contains(remotes) else { throw ValidationError("--remotes wants 1 to 1,000") }
        guard (0...count).contains(destroyed) else { throw ValidationError("--destroyed wants 0 to --count") }
        if driver == .ssh, remotes > SSHServer.addresses.count || destroyed > 0 {
            throw ValidationError("--driver ssh wants 1 to \(SSHServer.addresses.count) remotes, and destroys none")
        }
    }

    private struct Figures {
        var floor: Double
        var each: Double
        var up: Double
        /// Of the nodes that took the place of others, in all.
        var making: Double
        /// While no test ran, between the first and the last.
        var idle: Double
    }

    func run() async throws {
        let scratch = try Scratch(in: folder)
        defer { scratch.remove() }
        let floor = try PlainLoop(kind: driver, remotes: remotes, folder: scratch.path)
        defer { floor.end() }
        var number = 0
        let measured = try await rounds.measure(in: scratch.path) {
            number += 1
            let folder = "\(scratch.path)/\(number)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            let each = try floor.millisecondsEach(count: min(count, driver == .process ? count : 200))
            return try await measure(in: folder, floor: each)
        }
        func text(_ value: Double) -> String { String(format: "%.3f", value) }
        let (each, least) = (measured.median(\.each), measured.median(\.floor))
        let beyond = measured.median { $0.each - $0.floor }
        var lines = [
            "\(count) attempts on \(remotes) nodes of \(driver.rawValue): \(text(each)) ms each; the plain loop "
                + "\(text(least)) ms; beyond it \(text(beyond)) ms, \(text(each / least)) times",
            "bring-up of \(remotes) nodes: \(text(measured.median(\.up))) ms",
        ]
        if destroyed > 0 {
            lines.append(
                "\(destroyed) nodes were used up: their replacements took \(text(measured.median(\.making))) ms of "
                    + "making and \(text(measured.median { $0.each * Double(count) })) ms went by in all; "
                    + "no test ran for \(text(measured.median(\.idle))) ms of them"
            )
        }
        measured.report(
            asJSON: json,
            [
                "driver": "\"\(driver.rawValue)\"", "count": count, "remotes": remotes, "destroyed": destroyed,
                "ms_per_attempt": text(each), "floor_ms": text(least), "beyond_ms": text(beyond),
                "bring_up_ms": text(measured.median(\.up)), "making_ms": text(measured.median(\.making)),
                "idle_ms": text(measured.median(\.idle)),
            ],
            lines
        )
    }

    private var group: GroupSpec {
        var group = GroupSpec(name: "node", count: remotes)
        switch driver {
        case .process: group.steps = [ProvisionStep(.process(run: nil))]
        case .podman:
            var container = ContainerMachine(image: PodmanStore.image)
            container.command = ["sleep", "100000"]
            container.network = PodmanStore.network
            group.steps = [ProvisionStep(.machine(.podman(container), run: nil))]
        case .ssh: group.steps = [ProvisionStep(.machine(.ssh(HostPool(title: "bench", hosts: [])), run: nil))]
        }
        return group
    }

    private func drivers(
        _ kind: Kind,
        _ log: CallLog,
        in folder: String,
        state: String,
        _ events: @escaping @Sendable (DriverEvent) -> Void
    ) throws -> [any Driver] {
        let logger = Logger(label: "bench")
        switch kind {
        case .process:
            return [ProcessDriver(supervisor: Self.supervisor, events: events, logger: logger)]
        case .podman:
            let options = PodmanDriver.Options(state: state, podman: try PodmanStore.shared.get().podman)
            return [
                MeasuredDriver(inner: PodmanDriver(options: options, events: events, logger: logger), log: log)
            ]
        case .ssh:
            let server = try SSHServer.shared.get()
            let hosts = (0..<remotes).map { server.host($0, root: "\(folder)/hosts/\($0)") }
            let options = SSHDriver.Options(
                state: state,
                holder: "bench",
                nodes: "\(folder)/nodes",
                hosts: hosts,
                controlFolder: try TestFolder.make("ctl")
            )
            return [SSHDriver(options: options, hosts: { _ in hosts }, events: events, logger: logger)]
        }
    }

    static var supervisor: String {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return ((own as NSString).deletingLastPathComponent as NSString).appendingPathComponent("muster-supervise")
    }

    private func measure(in folder: String, floor: Double) async throws -> Figures {
        let state = StateDirectory(path: folder)
        let store = try SQLiteStore(path: state.database)
        let bell = Bell()
        let log = CallLog()
        let kind = driver
        if kind == .podman { _ = try PodmanStore.shared.get() }
        if kind == .ssh { _ = try SSHServer.shared.get() }
        let conductor = try Conductor(
            store: store,
            state: state,
            identity: ConductorCore.Identity(host: "bench", pid: getpid(), seed: 1),
            bell: bell,
            surroundings: CommandBuilder.Surroundings(environment: ["PATH": "/usr/bin:/bin"], secret: { _ in nil }),
            time: HostTime(),
            logger: Logger(label: "bench"),
            makeDrivers: { events in
                (try? drivers(kind, log, in: folder, state: store.stateName, events)) ?? []
            }
        )
        let running = Task { try await conductor.run(group: MultiThreadedEventLoopGroup.singleton) }
        var spec = RunSpec(verb: .up, lab: "bench", labDirectory: "/")
        spec.groups = [group]
        spec.parallel = max(64, remotes)
        let up = try await conductor.finish("up", spec, bell, store)
        let before = log.calls.count
        spec.verb = .test
        spec.keep = .always
        var suite = SuiteSpec(name: "bench", group: "node")
        suite.tests = (0..<count).map { index in
            var test = TestSpec(name: "t\(index)", command: .run(Template(kind == .process ? "exec true" : "true")))
            if kind == .process { test.command = .file("bin/true") }
            test.destructive =
                destroyed > 0 && index % max(1, count / destroyed) == 0 && index / max(1, count / destroyed) < destroyed
            return test
        }
        spec.suites = [suite]
        let tests = try await conductor.finish("test", spec, bell, store)
        let calls = Array(log.calls.dropFirst(before))
        spec.verb = .down
        spec.suites = []
        _ = try await conductor.finish("down", spec, bell, store)
        conductor.stop()
        try await running.value
        return Figures(
            floor: floor,
            each: tests.inMicroseconds / 1000 / Double(count),
            up: up.inMicroseconds / 1000,
            making: calls.filter { $0.work != "run" }.reduce(0) { $0 + $1.seconds } * 1000,
            idle: Self.idle(calls.filter { $0.work == "run" }) * 1000
        )
    }

    /// Seconds between the first call's begin and the last one's end in which none went on.
    private static func idle(_ calls: [CallLog.Call]) -> Double {
        var idle = 0.0
        var covered: ContinuousClock.Instant?
        for call in calls.sorted(by: { $0.begin < $1.begin }) {
            if let end = covered, call.begin > end { idle += end.duration(to: call.begin).inSeconds }
            covered = max(covered ?? call.end, call.end)
        }
        return idle
    }
}
