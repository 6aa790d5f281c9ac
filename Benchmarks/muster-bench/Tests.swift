import ArgumentParser
import Foundation
import Logging
import MusterCore
import MusterDrivers
import MusterEngine
import MusterStore
import NIOPosix

/// Attempts of a test that does nothing, over process nodes, beside a plain loop of `posix_spawn` and `waitpid`.
struct Tests: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Milliseconds an attempt, beside a plain spawn loop.")

    @Option(help: "How many tests.") var count = 1000
    @Option(help: "How many nodes.") var remotes = 10
    @Option(help: "Where to write.") var folder: String?
    @Flag(help: "One JSON object.") var json = false

    func validate() throws {
        guard (1...100_000).contains(count) else { throw ValidationError("--count wants 1 to 100,000") }
        guard (1...1000).contains(remotes) else { throw ValidationError("--remotes wants 1 to 1,000") }
    }

    func run() async throws {
        let scratch = try Scratch(in: folder)
        defer { scratch.remove() }
        let floor = try SpawnLoop.millisecondsEach(count: count, atOnce: min(remotes, count))
        let probeBefore = FlushProbe.median(in: scratch.path)
        let (each, up) = try await measure(in: scratch.path)
        let probe = max(probeBefore, FlushProbe.median(in: scratch.path))
        func text(_ value: Double) -> String { String(format: "%.3f", value) }
        let fields: Fields = [
            "ms_per_attempt": text(each), "floor_ms": text(floor), "beyond_ms": text(each - floor),
            "bring_up_ms": text(up), "probe_us": Int(probe),
        ]
        MusterBench.report(
            asJSON: json,
            fields,
            [
                "\(count) attempts on \(remotes) nodes: \(text(each)) ms each; spawn loop \(text(floor)) ms; "
                    + "beyond it \(text(each - floor)) ms",
                "bring-up of \(remotes) nodes: \(text(up)) ms; flush probe \(Int(probe)) µs",
            ]
        )
    }

    private func measure(in folder: String) async throws -> (each: Double, up: Double) {
        let state = StateDirectory(path: folder)
        let store = try SQLiteStore(path: state.database)
        let bell = Bell()
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        let supervisor = ((own as NSString).deletingLastPathComponent as NSString).appendingPathComponent(
            "muster-supervise"
        )
        let logger = Logger(label: "bench")
        let conductor = try Conductor(
            store: store,
            state: state,
            identity: ConductorCore.Identity(host: "bench", pid: getpid(), seed: 1),
            bell: bell,
            surroundings: CommandBuilder.Surroundings(environment: ["PATH": "/usr/bin:/bin"], secret: { _ in nil }),
            time: HostTime(),
            logger: logger,
            makeDrivers: { [ProcessDriver(supervisor: supervisor, events: $0, logger: logger)] }
        )
        let running = Task { try await conductor.run(group: MultiThreadedEventLoopGroup.singleton) }
        var spec = RunSpec(verb: .up, lab: "bench", labDirectory: "/")
        var group = GroupSpec(name: "node", count: remotes)
        group.steps = [ProvisionStep(.process(run: nil))]
        spec.groups = [group]
        spec.parallel = max(64, remotes)
        let up = try await conductor.finish("up", spec, bell, store)
        spec.verb = .test
        spec.keep = .always
        var suite = SuiteSpec(name: "bench", group: "node")
        suite.tests = (0..<count).map { TestSpec(name: "t\($0)", command: .file("bin/true")) }
        spec.suites = [suite]
        let tests = try await conductor.finish("test", spec, bell, store)
        spec.verb = .down
        spec.suites = []
        _ = try await conductor.finish("down", spec, bell, store)
        conductor.stop()
        try await running.value
        return (tests.inMicroseconds / 1000 / Double(count), up.inMicroseconds / 1000)
    }
}

/// The floor: a program is spawned and waited for, as many at once as there are nodes, with nothing kept of it.
enum SpawnLoop {
    static func millisecondsEach(count: Int, atOnce: Int) throws -> Double {
        var begun = 0
        var ended = 0
        let start = ContinuousClock.now
        while ended < count {
            while begun - ended < atOnce, begun < count {
                var pid: pid_t = 0
                var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("/bin/true"), nil]
                defer { free(arguments[0]) }
                let error = posix_spawn(&pid, "/bin/true", nil, nil, &arguments, environ)
                guard error == 0 else { throw ValidationError("posix_spawn: \(String(cString: strerror(error)))") }
                begun += 1
            }
            var status: Int32 = 0
            if waitpid(-1, &status, 0) > 0 { ended += 1 }
        }
        return start.duration(to: .now).inMicroseconds / 1000 / Double(count)
    }
}
