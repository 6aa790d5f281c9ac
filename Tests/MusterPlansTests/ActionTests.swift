import Foundation
import MusterCore
import MusterPlans
import Synchronization
import Testing

@testable import MusterPlans

@Suite struct ActionTests {
    private func failure(_ end: CallEnd) -> (code: StepError.Code, isFinal: Bool, message: String)? {
        guard case .failed(let error, let isFinal) = end.outcome else { return nil }
        return (error.code, isFinal, error.message)
    }

    struct Failing: Action {
        enum Kind: String, Codable, Sendable { case plain, permanent, cancelled }
        struct Input: Codable, Sendable { var kind: Kind }
        struct Plain: Error, CustomStringConvertible { var description: String { "no route to host" } }
        func run(_ input: Input, in context: RunContext) async throws -> Empty {
            switch input.kind {
            case .plain: throw Plain()
            case .permanent: throw PermanentError("the card is stolen")
            case .cancelled: throw CancellationError()
            }
        }
    }

    @Test func errorsTellWhetherARetryHelps() async throws {
        let bench = Bench()
        bench.register(Failing())
        let plain = failure(await bench.call("Failing", .run, input: #"{"input":{"kind":"plain"}}"#))
        #expect(plain?.code == .thrown && plain?.isFinal == false && plain?.message == "no route to host")
        let permanent = failure(await bench.call("Failing", .run, input: #"{"input":{"kind":"permanent"}}"#))
        #expect(permanent?.code == .thrown && permanent?.isFinal == true && permanent?.message == "the card is stolen")
        let cancelled = failure(await bench.call("Failing", .run, input: #"{"input":{"kind":"cancelled"}}"#))
        #expect(cancelled?.code == .cancelled && cancelled?.isFinal == true)
        let unknown = failure(await bench.call("Gone", .run))
        #expect(unknown?.code == .noAction && unknown?.message.contains("'Gone'") == true)
        let broken = failure(await bench.call("Failing", .run, input: #"{"input":{"kind":"odd"}}"#))
        #expect(broken?.code == .badValue && broken?.isFinal == true && broken?.message.contains("kind") == true)
        let missing = failure(await bench.call("Failing", .run, input: nil))
        #expect(missing?.code == .badValue)
    }

    /// One of every optional protocol.
    final class Log: Sendable {
        let lines = Mutex<[String]>([])
        func add(_ line: String) { lines.withLock { $0.append(line) } }
    }
    struct Whole: Action, FinalizingAction, SkipHandlingAction, ReconcilingAction, CancellableAction {
        let log: Log
        struct Input: Codable, Sendable { var n: Int }
        func run(_ input: Input, in context: RunContext) async throws -> Int {
            log.add("run \(context.operationID) \(context.attempt) \(context.plan) \(context.step)")
            context.write("line")
            return input.n * 2
        }
        func revert(_ input: Input, _ output: Int?, in context: RunContext) async throws {
            log.add("revert \(input.n) \(output.map(String.init) ?? "-")")
        }
        func finalize(_ input: Input, _ output: Int, in context: RunContext) async throws {
            log.add("finalize \(input.n) \(output)")
        }
        func skipped(_ input: Input, error: String, in context: RunContext) async throws {
            log.add("skipped \(input.n) \(error)")
        }
        func reconcile(_ input: Input, in context: RunContext) async throws -> Reconciliation<Int> {
            switch input.n {
            case 1: .done(7)
            case 2: .neverStarted
            default: .unknown("nobody answers")
            }
        }
        func cancel(_ input: Input, byForce: Bool, in context: RunContext) async throws -> StepProgress<Int> {
            byForce ? .suspended : .done(1)
        }
    }

    @Test func everyPartOfAnActionIsCalled() async throws {
        let bench = Bench()
        let log = Log()
        bench.register(Whole(log: log))
        let input = #"{"input":{"n":1}}"#
        let run = await bench.call("Whole", .run, input: input)
        #expect(run == CallEnd(.succeeded, output: #"{"output":2}"#))
        #expect(bench.written.withLock { $0 } == "line")
        #expect(await bench.call("Whole", .finalize, input: input, output: run.output) == CallEnd(.succeeded))
        #expect(await bench.call("Whole", .revert, input: input, output: run.output) == CallEnd(.succeeded))
        #expect(await bench.call("Whole", .revert, input: input) == CallEnd(.succeeded))
        #expect(await bench.call("Whole", .skip(message: "broken"), input: input) == CallEnd(.succeeded))
        let operation = "abc123-7-2-1"
        #expect(
            log.lines.withLock { $0 } == [
                "run \(operation) 1 \(RunName(PlanID(7))) 2", "finalize 1 2", "revert 1 2", "revert 1 -",
                "skipped 1 broken",
            ]
        )
        #expect(await bench.call("Whole", .reconcile, input: input) == CallEnd(.succeeded, output: #"{"output":7}"#))
        #expect(await bench.call("Whole", .reconcile, input: #"{"input":{"n":2}}"#) == CallEnd(.neverStarted))
        let lost = failure(await bench.call("Whole", .reconcile, input: #"{"input":{"n":3}}"#))
        #expect(lost?.code == .unknown && lost?.isFinal == true)
        #expect(await bench.call("Whole", .cancel(byForce: false), input: input).outcome == .succeeded)
        #expect(await bench.call("Whole", .cancel(byForce: true), input: input).outcome == .suspended)
        let spec = ActionSpec(Whole.self)
        #expect(spec.finalizes && spec.reverts && spec.handlesSkip && spec.isCancellable)
    }

    struct Approve: SuspendingAction {
        struct Input: Codable, Sendable {}
        enum Event: Codable, Sendable, Equatable {
            case approved(by: String)
            case reminded
        }
        struct Kept: Codable { var reminders: Int }
        func run(_ input: Input, in context: RunContext) async throws -> StepProgress<String> {
            try context.keep(Kept(reminders: 0))
            try context.send(Event.reminded, after: .seconds(60), key: "reminder")
            return .suspended
        }
        func receive(_ event: Event, _ input: Input, in context: RunContext) async throws -> StepProgress<String> {
            var kept = try context.state(Kept.self) ?? Kept(reminders: -1)
            switch event {
            case .approved(let person): return .done("\(person) after \(kept.reminders)")
            case .reminded:
                kept.reminders += 1
                try context.keep(kept)
                return .suspended
            }
        }
    }

    @Test func suspendingActionsKeepStateBetweenEvents() async throws {
        let bench = Bench()
        bench.register(Approve())
        let first = await bench.call("Approve", .run)
        #expect(first.outcome == .suspended && first.output == #"{"state":{"reminders":0}}"#)
        #expect(first.wakes == [CallEnd.Wake(payload: #"{"reminded":{}}"#, delay: .seconds(60), key: "reminder")])
        let again = await bench.call("Approve", .event(payload: first.wakes[0].payload), output: first.output)
        #expect(again.outcome == .suspended && again.output == #"{"state":{"reminders":1}}"#)
        let approval = #"{"approved":{"by":"ann"}}"#
        let end = await bench.call("Approve", .event(payload: approval), output: again.output)
        #expect(end == CallEnd(.succeeded, output: #"{"output":"ann after 1"}"#))
        let odd = failure(await bench.call("Approve", .event(payload: "{}"), output: again.output))
        #expect(odd?.code == .badValue && odd?.message.contains("the event of 'Approve'") == true)
        let cancelled = failure(await bench.call("Approve", .cancel(byForce: false)))
        #expect(cancelled?.code == .cancelled)
    }

    final class Farm: Sendable {
        let script: Mutex<[String]>
        let log = Mutex<[String]>([])
        init(_ script: [String]) { self.script = Mutex(script) }
        func next() -> String { script.withLock { $0.isEmpty ? "again" : $0.removeFirst() } }
    }
    struct Render: PollingAction {
        static let polling = PollingOptions(intervals: [.seconds(1), .seconds(4)], attemptsPerInterval: 2)
        let farm: Farm
        struct Input: Codable, Sendable {}
        struct Down: Error {}
        func start(_ input: Input, in context: RunContext) async throws -> String {
            farm.log.withLock { $0.append("start") }
            return "job-1"
        }
        func poll(_ job: String, _ input: Input, in context: RunContext) async throws -> PollResult<String, String> {
            farm.log.withLock { $0.append("poll \(job)") }
            switch farm.next() {
            case "done": return .done("film of \(job)")
            case "moved": return .changed("job-2")
            case "down": throw Down()
            case "gone": throw PermanentError("no such job")
            default: return .again
            }
        }
    }

    /// Polls until it is not suspended any more; says the pauses.
    private func poll(_ bench: Bench, from first: CallEnd) async -> (end: CallEnd, pauses: [Duration]) {
        var end = first
        var pauses: [Duration] = []
        while end.outcome == .suspended, pauses.count < 20, let wake = end.wakes.first {
            pauses.append(wake.delay)
            let output = end.output
            end = await bench.call("Render", .event(payload: wake.payload), output: output)
        }
        return (end, pauses)
    }

    @Test func pollingAsksWithGrowingPausesUntilDone() async throws {
        let farm = Farm(["again", "again", "moved", "again", "done"])
        let bench = Bench()
        bench.register(Render(farm: farm))
        let (end, pauses) = await poll(bench, from: await bench.call("Render", .run))
        #expect(end == CallEnd(.succeeded, output: #"{"output":"film of job-2"}"#))
        #expect(pauses == [.seconds(1), .seconds(1), .seconds(4), .seconds(4), .seconds(4)])
        #expect(farm.log.withLock { $0.first } == "start" && farm.log.withLock { $0.count } == 6)
        #expect(PollingOptions().pause(before: 4) == .milliseconds(500))
        #expect(PollingOptions().pause(before: 5) == .seconds(1))
        #expect(PollingOptions().pause(before: 500) == .seconds(16))
    }

    @Test func pollingToleratesFailuresInARowUpToALimit() async throws {
        let farm = Farm(["down", "down", "again", "down", "down", "down", "done"])
        let bench = Bench()
        bench.register(Render(farm: farm))
        let (end, pauses) = await poll(bench, from: await bench.call("Render", .run))
        #expect(failure(end)?.code == .thrown && failure(end)?.isFinal == false)
        #expect(pauses.count == 6)
        // The next try asks after the job that it knows.
        let retried = await bench.call("Render", .run, output: end.output)
        #expect(retried.output == #"{"output":"film of job-1"}"#)
        #expect(farm.log.withLock { $0.filter { $0 == "start" }.count } == 1)
        // It starts another one when that cannot be asked after.
        let lost = Farm(["gone", "done"])
        let other = Bench()
        other.register(Render(farm: lost))
        let begun = await other.call("Render", .run, output: #"{"state":{"job":"job-0","polls":3,"failures":0}}"#)
        #expect(lost.log.withLock { $0 } == ["poll job-0", "start"])
        #expect(await poll(other, from: begun).end.output == #"{"output":"film of job-1"}"#)
    }

    @Test func aPermanentErrorOfAQuestionEndsIt() async throws {
        let bench = Bench()
        bench.register(Render(farm: Farm(["gone"])))
        let (end, _) = await poll(bench, from: await bench.call("Render", .run))
        #expect(failure(end)?.isFinal == true && failure(end)?.message == "no such job")
    }

    struct Fan: SubPlansAction {
        struct Input: Codable, Sendable { var count: Int }
        func total(_ input: Input, in context: RunContext) async throws -> Int { input.count }
        func concurrency(_ input: Input) -> Int? { 3 }
        func child(at index: Int, of input: Input, in context: RunContext) async throws -> SubPlan {
            index == 1
                ? SubPlan(named: "two") { plan in
                    try plan.sequence {
                        try plan.add(Touch.self, .init())
                        try plan.add(Touch.self, .init())
                    }
                } : SubPlan(Touch.self, .init(name: "\(index)"))
        }
        typealias Output = SubPlanCounts
    }

    @Test func subPlansArePlannedInBatchesAndCounted() async throws {
        let bench = Bench()
        bench.register(Fan(), Touch())
        let input = #"{"input":{"count":10}}"#
        let run = await bench.call("Fan", .run, input: input)
        #expect(run.outcome == .spawned(total: 10, limit: 3))
        let batch = await bench.call("Fan", .children(from: 0, to: 2), input: input, trace: ["t": "1"])
        guard case .children(let children) = batch.outcome else { throw PlanningError("\(batch)") }
        #expect(children.map(\.program.name) == ["Touch", "two"] && children.map(\.steps.count) == [1, 2])
        #expect(children[0].program.trace == ["t": "1"])
        let ended = await bench.call(
            "Fan",
            .childrenEnded(ChildCounts(planned: 10, succeeded: 10)),
            input: input,
            output: run.output
        )
        #expect(ended.output == #"{"output":{"failed":0,"paused":0,"succeeded":10,"total":10}}"#)
        let failed = failure(
            await bench.call(
                "Fan",
                .childrenEnded(ChildCounts(planned: 10, succeeded: 7, failed: 2, paused: 1)),
                input: input,
                output: run.output
            )
        )
        #expect(failed?.code == .children && failed?.isFinal == true)
        #expect(failed?.message == "2 of 10 sub-plans failed, 1 wait for a person")
    }
}
