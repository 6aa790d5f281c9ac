import ArgumentParser
import Foundation
import Logging
import MusterCore
import MusterDrivers
import MusterEngine
import MusterStore
import NIOPosix

/// Groups of nodes come up, each group after those it needs: how long it takes beyond the drivers' own work.
struct BringUp: AsyncParsableCommand {
    enum Kind: String, ExpressibleByArgument, CaseIterable { case process, podman }

    static let configuration = CommandConfiguration(
        commandName: "up",
        abstract: "Time to bring groups up, beyond the critical path of the drivers' calls; memory and files.",
        discussion: """
              muster-bench up --groups 5 --nodes 50 --driver process --rounds 5
              muster-bench up --groups 5 --nodes 50 --driver podman --image localhost/muster-bench
              muster-bench up --groups 5 --nodes 1000 --driver process

            Group n needs group (n - 1) / 2. The loop is the same graph in a shell: podman alone, a job for each node.
            """
    )
    @Option(help: "How many groups.") var groups = 5
    @Option(help: "How many nodes in all.") var nodes = 50
    @Option(help: "process or podman.") var driver = Kind.process
    @Option(help: "Of containers; one that has a shell and sleep.") var image = "localhost/muster-bench"
    @Option(help: "How many steps at once.") var parallel = RunSpec.parallelDefault
    @Flag(help: "Beside it, the same by a shell loop over podman.") var loop = false
    @Option(help: "Where to write.") var folder: String?
    @OptionGroup var rounds: Rounds
    @Flag(help: "One JSON object.") var json = false

    func validate() throws {
        guard (1...1000).contains(groups) else { throw ValidationError("--groups wants 1 to 1,000") }
        guard (groups...10_000).contains(nodes) else { throw ValidationError("--nodes wants --groups to 10,000") }
        guard (1...10_000).contains(parallel) else { throw ValidationError("--parallel wants 1 to 10,000") }
        if loop, driver != .podman { throw ValidationError("--loop wants --driver podman") }
    }

    private struct Figures {
        var up: Double
        var path: Double
        var call: Double
        var down: Double
        var loop: Double
        var files: Double
    }

    func run() async throws {
        let scratch = try Scratch(in: folder)
        defer { scratch.remove() }
        var number = 0
        let measured = try await rounds.measure(in: scratch.path) {
            number += 1
            let folder = "\(scratch.path)/\(number)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            var figures = try await measure(in: folder)
            if loop { figures.loop = try ShellLoop(groups: specs, image: image, parallel: parallel).seconds() }
            return figures
        }
        let (up, path) = (measured.median(\.up), measured.median(\.path))
        let beyond = measured.median { ($0.up / $0.path - 1) * 100 }
        let memory = Usage.peakMemoryInMegabytes
        var lines = [
            "\(nodes) nodes of \(driver.rawValue) in \(groups) groups, \(parallel) at once: up in "
                + "\(text(up * 1000)) ms; the calls' critical path is \(text(path * 1000)) ms: "
                + "\(text(beyond)) % beyond it",
            "a call takes \(text(measured.median(\.call) * 1000)) ms; down in "
                + "\(text(measured.median(\.down) * 1000)) ms; \(text(memory)) MB and "
                + "\(Int(measured.median(\.files))) files at most",
        ]
        if loop {
            lines.append("a shell loop over podman: \(text(measured.median(\.loop) * 1000)) ms")
        }
        measured.report(
            asJSON: json,
            [
                "nodes": nodes, "groups": groups, "parallel": parallel, "up_ms": text(up * 1000),
                "critical_path_ms": text(path * 1000), "beyond_percent": text(beyond),
                "call_ms": text(measured.median(\.call) * 1000), "down_ms": text(measured.median(\.down) * 1000),
                "loop_ms": text(measured.median(\.loop) * 1000), "peak_rss_mb": text(memory),
                "files": Int(measured.median(\.files)),
            ],
            lines
        )
    }

    private var specs: [GroupSpec] {
        (0..<groups).map { index in
            var group = GroupSpec(name: "g\(index)", count: nodes / groups + (index < nodes % groups ? 1 : 0))
            if index > 0 { group.needs = [Need(group: "g\((index - 1) / 2)")] }
            switch driver {
            case .process: group.steps = [ProvisionStep(.process(run: Template("exec sleep 100000")))]
            case .podman:
                var container = ContainerMachine(image: image)
                container.command = ["sleep", "100000"]
                group.steps = [ProvisionStep(.machine(.podman(container), run: nil))]
            }
            return group
        }
    }

    private func measure(in folder: String) async throws -> Figures {
        let state = StateDirectory(path: folder)
        let store = try SQLiteStore(path: state.database)
        let bell = Bell()
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        let supervisor = ((own as NSString).deletingLastPathComponent as NSString).appendingPathComponent(
            "muster-supervise"
        )
        let logger = Logger(label: "bench")
        let log = CallLog()
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let kind = driver
        let conductor = try Conductor(
            store: store,
            state: state,
            identity: ConductorCore.Identity(host: "bench", pid: getpid(), seed: 1),
            bell: bell,
            surroundings: CommandBuilder.Surroundings(environment: ["PATH": "/usr/bin:/bin"], secret: { _ in nil }),
            time: HostTime(),
            logger: logger,
            makeDrivers: { events in
                switch kind {
                case .process:
                    [
                        MeasuredDriver(
                            inner: ProcessDriver(supervisor: supervisor, events: events, logger: logger),
                            log: log
                        )
                    ]
                case .podman:
                    [
                        MeasuredDriver(
                            inner: PodmanDriver(
                                options: PodmanDriver.Options(state: store.stateName),
                                events: events,
                                logger: logger
                            ),
                            log: log
                        )
                    ]
                }
            }
        )
        let running = Task { try await conductor.run(group: MultiThreadedEventLoopGroup.singleton) }
        var spec = RunSpec(verb: .up, lab: "bench", labDirectory: "/")
        spec.groups = specs
        spec.parallel = parallel
        let up = try await conductor.finish("up", spec, bell, store).inSeconds
        var work: [NodeName: [Double]] = [:]
        for call in log.calls { work[call.node, default: []].append(call.seconds) }
        let path = CriticalPath(groups: spec.groups, work: work, parallel: parallel).seconds()
        let all = work.values.joined()
        spec.verb = .down
        let down = try await conductor.finish("down", spec, bell, store).inSeconds
        conductor.stop()
        try await running.value
        return Figures(
            up: up,
            path: path,
            call: all.reduce(0, +) / Double(max(1, all.count)),
            down: down,
            loop: 0,
            files: Double(log.filesMax)
        )
    }
}

/// The same graph by podman alone: a shell that starts a container for each node of a group in the background, and
/// waits for the group.
struct ShellLoop {
    let groups: [GroupSpec]
    let image: String
    let parallel: Int

    func seconds() throws -> Double {
        let label = "muster-bench-loop-\(getpid())"
        var script = "set -e\n"
        // Each group after its need, and no cap on what runs at once but the group's own size.
        var layers: [[GroupSpec]] = []
        var depth: [String: Int] = [:]
        for group in groups {
            let level = (group.needs.compactMap { depth[$0.group] }.max() ?? -1) + 1
            depth[group.name] = level
            while layers.count <= level { layers.append([]) }
            layers[level].append(group)
        }
        for layer in layers {
            let count = layer.reduce(0) { $0 + $1.count }
            script += """
                for i in $(seq \(count)); do
                    podman run -d --label loop=\(label) --pull never --ulimit nofile=512:512 \
                        --ulimit nproc=512:512 \(image) sleep 100000 >/dev/null &
                done
                wait\n
                """
        }
        defer { _ = Self.shell("podman ps -aq --filter label=loop=\(label) | xargs -r podman rm -f -t 0 >/dev/null") }
        let begin = ContinuousClock.now
        guard Self.shell(script) == 0 else { throw ValidationError("the shell loop failed") }
        let seconds = begin.duration(to: .now).inSeconds
        // The shell does not tell of jobs that failed.
        let count = groups.reduce(0) { $0 + $1.count }
        let look = "[ \"$(podman ps -q --filter label=loop=\(label) | wc -l)\" -eq \(count) ]"
        guard Self.shell(look) == 0 else { throw ValidationError("the shell loop has not started \(count) containers") }
        return seconds
    }

    private static func shell(_ text: String) -> Int32 {
        var pid: pid_t = 0
        let arguments: [String] = ["/bin/sh", "-c", text]
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        // A shell that may not hear of the ends of its jobs waits for them for ever.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        guard posix_spawn(&pid, "/bin/sh", nil, &attributes, &words, environ) == 0 else { return -1 }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return status
    }
}
