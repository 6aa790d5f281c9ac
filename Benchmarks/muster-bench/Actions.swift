import ArgumentParser
import Foundation
import MusterCore
import MusterEngine
import MusterStore
import Synchronization

/// Plans of a program's actions: calls, suspensions, retries, compensation, sub-plans, timers.
struct Actions: AsyncParsableCommand {
    enum Kind: String, ExpressibleByArgument, CaseIterable {
        case typed, calls, events, retries, saga, subplans, timers, suspended
    }

    static let configuration = CommandConfiguration(
        abstract: "Calls of actions a second, beside steps that do nothing.",
        discussion: """
            typed      each step is an action of the library, with a small input and output, beside the engine's own
                       steps that do nothing
            calls      the same without the library: each step is called once
            events     each step suspends, is sent an event, and ends
            retries    each step fails once and is tried again at once
            saga       all steps succeed but the last, and all are undone
            subplans   one parent with so many sub-plans of one step
            timers     so many suspended steps whose timers are due at the same moment
            suspended  so many suspended steps, each with an input and a state of its own: what each takes in memory
            """
    )
    @Option(help: "typed, calls, events, retries, saga, subplans, timers or suspended.") var shape = Kind.calls
    @Option(help: "How many steps.") var count = 10_000
    @Option(help: "How many calls are performed at once.") var atOnce = 64
    @Flag(help: "With --shape suspended: each has a timer too, due in an hour.") var timers = false
    @Option(help: "memory or sqlite.") var store = Steps.StoreKind.sqlite
    @Option(help: "Where to write.") var folder: String?
    @OptionGroup var rounds: Rounds
    @Flag(help: "One JSON object.") var json = false

    func validate() throws {
        guard (1...10_000_000).contains(count) else { throw ValidationError("--count wants 1 to 10,000,000") }
    }

    private struct Figures {
        var rate = 0.0
        /// Steps that do nothing: as many at once as there are, and no more than calls; 0 where there is nothing to
        /// compare with.
        var plain = 0.0
        var plainAtOnce = 0.0
        var bytes = 0.0
        /// Of the library: what a second of plans takes to be made, and what an action takes of the processor.
        var planning = 0.0
        var cpu = 0.0
        var plainCPU = 0.0
        var commits = 0.0
        var statements = 0.0
    }

    func run() async throws {
        let scratch = try Scratch(in: folder)
        defer { scratch.remove() }
        let measured = try await rounds.measure(in: scratch.path) {
            var figures = Figures()
            if shape == .calls || shape == .typed {
                (figures.plain, figures.plainCPU) = try await measurePlain(in: scratch.folder("plain"), count)
                figures.plainAtOnce = try await measurePlain(in: scratch.folder("few"), atOnce).rate
            }
            if shape == .typed {
                try await measureTyped(in: scratch.folder("actions"), &figures)
            } else {
                (figures.rate, figures.bytes) = try await measure(in: scratch.folder("actions"))
            }
            return figures
        }
        let rate = measured.median(\.rate)
        let ratio = measured.median { $0.plain > 0 ? $0.plain / $0.rate : 0 }
        let ratioAtOnce = measured.median { $0.plain > 0 ? $0.plainAtOnce / $0.rate : 0 }
        let bytes = Int(measured.median(\.bytes))
        var lines = [
            "\(shape.rawValue) of \(count) on \(store.rawValue): \(Int(rate))/s, \(Usage.peakMemoryInMegabytes) MB at most"
        ]
        if ratio > 0 {
            lines.append(
                "a call costs \(text(ratio, 2)) times a step that does nothing, \(text(ratioAtOnce, 2)) times one "
                    + "where \(atOnce) run at once as well"
            )
        }
        if shape == .typed {
            lines.append(
                "\(text(measured.median(\.planning))) µs of it to plan; \(text(measured.median(\.cpu))) µs CPU an action, "
                    + "\(text(measured.median(\.plainCPU))) µs a step that does nothing; "
                    + "\(text(measured.median(\.statements), 2)) statements, \(Int(measured.median(\.commits))) commits"
            )
        }
        if shape == .suspended { lines.append("a suspended step takes \(bytes) bytes") }
        measured.report(
            asJSON: json,
            [
                "count": count, "per_s": Int(rate), "times_plain": text(ratio, 3),
                "times_plain_at_once": text(ratioAtOnce, 3), "planning_us": text(measured.median(\.planning)),
                "cpu_us": text(measured.median(\.cpu)), "bytes_each": bytes,
                "peak_rss_mb": Int(Usage.peakMemoryInMegabytes),
            ],
            lines
        )
    }

    private func measurePlain(in folder: String, _ parallel: Int) async throws -> (rate: Double, cpu: Double) {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let bench = try Workbench(in: folder, inMemory: store == .memory)
        return try await bench.conducting {
            let cpu = Usage.cpu
            let begin = ContinuousClock.now
            try await bench.finish(Workbench.submission("plain", Shape.fan.steps(count), parallel: parallel))
            return (Double(count) / begin.duration(to: .now).inSeconds, (Usage.cpu - cpu) / Double(count))
        }
    }

    private func measureTyped(in folder: String, _ figures: inout Figures) async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let plan = TypedPlan(count: count, atOnce: atOnce, isInMemory: store == .memory)
        let measured = try await plan.measure(in: folder)
        figures.rate = Double(count) / measured.seconds
        figures.planning = measured.planning * 1e6 / Double(count)
        figures.cpu = measured.cpu / Double(count)
        figures.commits = Double(measured.commits)
        figures.statements = Double(measured.statements) / Double(count)
    }

    private func measure(in folder: String) async throws -> (rate: Double, bytes: Double) {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let host = NoActions(shape: shape, count: count, hasTimers: timers, dueAt: HostTime().now() + .seconds(2))
        let bench = try Workbench(in: folder, inMemory: store == .memory, host: host, queues: ["default": atOnce])
        let before = Usage.residentMemory
        return try await bench.conducting {
            let begin = ContinuousClock.now
            let wakeUps = bench.bell.listen()
            bench.conductor.submit(submission())
            if shape == .suspended {
                try await awaitSuspended(bench, wakeUps)
                let length = begin.duration(to: .now).inSeconds
                return (Double(count) / length, Double(Usage.residentMemory - before) / Double(count))
            }
            for await _ in wakeUps {
                guard let row = try bench.store.plan(request: "actions"), row.state == .stopped else { continue }
                let isRight = shape == .saga ? row.result == .error : row.result == .success
                guard isRight else {
                    throw Workbench.Failure(description: "ended with \(row.result): \(row.reason ?? "")")
                }
                break
            }
            var length = begin.duration(to: .now).inSeconds
            // The time until they were due is nobody's work.
            if shape == .timers, let first = host.firstWoken {
                length = (HostTime().now() - first).inMicroseconds / 1e6
            }
            return (Double(count) / length, 0)
        }
    }

    private func awaitSuspended(_ bench: Workbench, _ wakeUps: AsyncStream<Int64>) async throws {
        var position: Int64 = 0
        var suspended = 0
        for await newest in wakeUps {
            while position < newest {
                let events = try bench.store.events(after: position, plan: nil, limit: 10_000)
                guard let last = events.last else { break }
                position = last.position
                suspended += events.count { $0.kind == .stepSuspended }
            }
            if suspended >= count { return }
        }
    }

    private func submission() -> PlanSubmission {
        var action = ActionSpec(name: "work")
        action.reverts = shape == .saga
        action.rescue = shape == .saga ? .revert : .pause
        if shape == .retries { action.retry = RetryPolicy(times: 1, every: .zero) }
        let program = ProgramSpec(name: "bench", actions: [action])
        var spec = RunSpec(verb: .plan, lab: "bench", labDirectory: "/bench")
        spec.parallel = 1_000_000
        spec.program = program
        let steps: [PlanSubmission.Step] =
            switch shape {
            case .subplans: [PlanSubmission.Step(StepSpec(.call, input: "{}"))]
            case .saga:
                (0..<count).map { index in
                    PlanSubmission.Step(
                        StepSpec(.call, input: index == count - 1 ? "last" : "{}"),
                        needs: index == count - 1 ? (0..<StepIndex(count - 1)).map { $0 } : []
                    )
                }
            case .suspended:
                (0..<count).map { index in
                    PlanSubmission.Step(StepSpec(.call, input: #"{"input":{"gigabytes":\#(index),"name":"volume"}}"#))
                }
            case .typed, .calls, .events, .retries, .timers:
                (0..<count).map { _ in PlanSubmission.Step(StepSpec(.call, input: "{}")) }
            }
        return PlanSubmission(token: "actions", spec: spec, steps: steps)
    }
}

/// Actions that do nothing but what a shape wants of them.
private final class NoActions: ActionHost {
    private let shape: Actions.Kind
    private let count: Int
    private let hasTimers: Bool
    private let dueAt: Timestamp
    private let woken = Mutex<Timestamp?>(nil)

    init(shape: Actions.Kind, count: Int, hasTimers: Bool, dueAt: Timestamp) {
        self.shape = shape
        self.count = count
        self.hasTimers = hasTimers
        self.dueAt = dueAt
    }

    /// When the first timer was heard of.
    var firstWoken: Timestamp? { woken.withLock { $0 } }

    func plan(_ program: ProgramSpec, of id: PlanID) async -> Result<ChildPlan, StepError> {
        .success(ChildPlan(program: program, steps: []))
    }

    func perform(_ call: ActionCall, in context: CallContext) async -> CallEnd {
        switch (shape, call.kind) {
        case (.events, .run): CallEnd(.suspended, wakes: [CallEnd.Wake(payload: "{}", delay: .zero)])
        case (.suspended, .run):
            CallEnd(
                .suspended,
                output: #"{"state":{"job":{"id":"volume-\#(call.id.step.index)"},"polls":1}}"#,
                wakes: hasTimers ? [CallEnd.Wake(payload: "{}", delay: .seconds(3600), key: "poll")] : []
            )
        case (.timers, .run):
            CallEnd(.suspended, wakes: [CallEnd.Wake(payload: "{}", delay: max(.zero, dueAt - context.now()))])
        case (.timers, .event): noteWoken(context.now())
        case (.retries, .run) where call.id.number == 1:
            CallEnd(.failed(StepError(.thrown, "once"), isFinal: false))
        case (.saga, .run) where call.input == "last":
            CallEnd(.failed(StepError(.thrown, "no"), isFinal: true))
        case (.subplans, .run) where call.input == "{}": CallEnd(.spawned(total: count, limit: nil))
        case (.subplans, .children(let from, let to)):
            CallEnd(
                .children(
                    (from..<to).map { _ in
                        ChildPlan(
                            program: ProgramSpec(name: "child", actions: [ActionSpec(name: "work")]),
                            steps: [PlanSubmission.Step(StepSpec(.call, input: "child"))]
                        )
                    }
                )
            )
        default: CallEnd(.succeeded, output: "{}")
        }
    }

    private func noteWoken(_ now: Timestamp) -> CallEnd {
        woken.withLock { if $0 == nil { $0 = now } }
        return CallEnd(.succeeded, output: "{}")
    }
}
