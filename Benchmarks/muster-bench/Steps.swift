import ArgumentParser
import Foundation
import Logging
import MusterCore
import MusterDrivers
import MusterEngine
import MusterStore
import NIOPosix

/// Durable steps that do nothing, through the same conductor and the same rows as a real run.
struct Steps: AsyncParsableCommand {
    enum Shape: String, ExpressibleByArgument, CaseIterable { case fan, chain, layers, diamond }
    enum StoreKind: String, ExpressibleByArgument, CaseIterable { case memory, sqlite }

    static let configuration = CommandConfiguration(
        abstract: "Steps a second, beside the store's own rate in the same run."
    )
    @Option(help: "fan, chain, layers or diamond.") var shape = Shape.fan
    @Option(help: "How many steps.") var count = 10_000
    @Option(help: "memory or sqlite.") var store = StoreKind.sqlite
    @Option(help: "How many steps may run at once.") var parallel = 1_000_000
    @Option(help: "Where to write.") var folder: String?
    @Flag(help: "Measure the store's own rate too, and print the ratio.") var ratio = false
    @Flag(help: "One JSON object.") var json = false

    func validate() throws {
        guard (1...10_000_000).contains(count) else { throw ValidationError("--count wants 1 to 10,000,000") }
        guard parallel > 0 else { throw ValidationError("--parallel wants a number above 0") }
    }

    func run() async throws {
        let scratch = try Scratch(in: folder)
        defer { scratch.remove() }
        let probeBefore = FlushProbe.median(in: scratch.path)
        let figures = try await measure(in: scratch.path)
        let limit =
            ratio && store == .sqlite
            ? try SQLiteLimit.rate(in: scratch.path, batch: shape == .chain ? 1 : 100, seconds: 1) : nil
        let probe = max(probeBefore, FlushProbe.median(in: scratch.path))
        let share = limit.map { figures.rate / $0 }
        if json {
            let shareText = share.map { String(format: "%.4f", $0) } ?? "null"
            print(
                "{\"format\":1,\"steps_per_s\":\(Int(figures.rate)),\"cpu_us_per_step\":\(String(format: "%.2f", figures.cpu)),"
                    + "\"commits\":\(figures.commits),\"syncs\":\(figures.commits),"
                    + "\"peak_rss_mb\":\(Int(Usage.peakMemoryInMegabytes)),\"probe_us\":\(Int(probe)),\"ratio\":\(shareText)}"
            )
        } else {
            print(
                "\(shape.rawValue) of \(count) on \(store.rawValue): \(Int(figures.rate)) steps/s, "
                    + "\(String(format: "%.2f", figures.cpu)) µs CPU a step, \(figures.commits) commits, "
                    + "\(Int(Usage.peakMemoryInMegabytes)) MB at most"
            )
            if let limit, let share {
                print("limit \(Int(limit)) steps/s; ratio \(String(format: "%.1f", share * 100)) %")
            }
            print("flush probe \(Int(probe)) µs" + (probe > 150 ? ": not quiet, do not quote these figures" : ""))
        }
    }

    private struct Figures {
        var rate: Double
        var cpu: Double
        var commits: Int64
    }

    private func measure(in folder: String) async throws -> Figures {
        let state = StateDirectory(path: folder)
        let opened: any Store
        var sqlite: SQLiteStore?
        switch store {
        case .memory: opened = MemoryStore()
        case .sqlite:
            let made = try SQLiteStore(path: state.database)
            sqlite = made
            opened = made
        }
        let bell = Bell()
        let conductor = try Conductor(
            store: opened,
            state: state,
            identity: ConductorCore.Identity(host: "bench", pid: getpid(), seed: 1),
            bell: bell,
            surroundings: CommandBuilder.Surroundings(environment: [:], secret: { _ in nil }),
            time: HostTime(),
            logger: Logger(label: "bench"),
            makeDriver: { _ in NoDriver() }
        )
        let steps = makeSteps()
        var spec = RunSpec(verb: .plan, lab: "bench", labDirectory: folder)
        spec.parallel = parallel
        let running = Task { try await conductor.run(group: MultiThreadedEventLoopGroup.singleton) }
        let wakeUps = bell.listen()
        let cpu = Usage.cpu
        let commits = sqlite?.counters.commits ?? 0
        let begin = ContinuousClock.now
        conductor.submit(PlanSubmission(token: "bench", spec: spec, steps: steps))
        for await _ in wakeUps {
            guard let row = try opened.plan(request: "bench"), row.state == .stopped else { continue }
            guard row.result == .success else { throw ValidationError("the plan ended with \(row.result)") }
            break
        }
        let length = begin.duration(to: .now)
        let used = Usage.cpu - cpu
        let made = (sqlite?.counters.commits ?? 0) - commits
        conductor.stop()
        try await running.value
        return Figures(rate: Double(count) / length.inSeconds, cpu: used / Double(count), commits: Int64(made))
    }

    private func makeSteps() -> [PlanSubmission.Step] {
        let noop = StepSpec(.noop)
        func width(_ total: Int) -> Int { max(1, Int(Double(total).squareRoot())) }
        switch shape {
        case .fan: return (0..<count).map { _ in PlanSubmission.Step(noop) }
        case .chain: return (0..<count).map { PlanSubmission.Step(noop, needs: $0 == 0 ? [] : [StepIndex($0 - 1)]) }
        case .layers:
            // Each step of a layer needs two of the layer before.
            let width = width(count)
            return (0..<count).map { index in
                guard index >= width else { return PlanSubmission.Step(noop) }
                let above = index - width
                let beside = above % width == width - 1 ? above - width + 1 : above + 1
                return PlanSubmission.Step(
                    noop,
                    needs: [StepIndex(above), StepIndex(beside)].filter { $0 >= 0 && $0 < index }
                )
            }
        case .diamond:
            // One, then many, then one, again and again.
            let width = width(count)
            return (0..<count).map { index in
                let place = index % (width + 1)
                let top = index - place
                if place > 0 { return PlanSubmission.Step(noop, needs: [StepIndex(top)]) }
                return PlanSubmission.Step(noop, needs: top == 0 ? [] : (top - width..<top).map { StepIndex($0) })
            }
        }
    }
}

/// For plans without machines.
private struct NoDriver: Driver {
    let kind = "none"
    private static let none = StepError(.lost, "there are no machines here")
    func create(
        _ node: NodeHandle,
        operation: OperationID,
        server: Command?
    ) async throws(StepError) -> [String: String] {
        throw Self.none
    }
    func run(_ command: Command, on node: NodeHandle, operation: OperationID) async throws(StepError) -> ProcessExit {
        throw Self.none
    }
    func status(of operation: OperationID, on node: NodeHandle) async throws(StepError) -> OperationStatus {
        .neverStarted
    }
    func attach(to operation: OperationID, on node: NodeHandle) async throws(StepError) -> ProcessExit {
        throw Self.none
    }
    func end(_ operation: OperationID, on node: NodeHandle, grace: Duration) async throws(StepError) {}
    func put(_ files: [FileContent], on node: NodeHandle) async throws(StepError) { throw Self.none }
    func probe(_ probe: ReadyCondition.Probe, on node: NodeHandle, within: Duration) async throws(StepError) {
        throw Self.none
    }
    func powerOff(_ node: NodeHandle) async throws(StepError) { throw Self.none }
    func powerOn(_ node: NodeHandle, operation: OperationID) async throws(StepError) { throw Self.none }
    func destroy(_ node: NodeHandle) async throws(StepError) {}
    func watch(_ node: NodeHandle) async throws(StepError) {}
    func outputPath(of operation: OperationID, on node: NodeHandle) -> String { "" }
}
