import Logging
import MusterCore
import MusterDrivers
import MusterEngine
import MusterStore
import MusterTestKit
import Synchronization
import Testing

/// The tasks that perform calls: few for calls that do not wait, one for each that does.
@Suite struct CallWorkerTests {
    private final class Host: ActionHost {
        let body: @Sendable (Int) async -> CallEnd
        init(_ body: @escaping @Sendable (Int) async -> CallEnd) { self.body = body }
        func plan(_ program: ProgramSpec, of id: PlanID) async -> Result<ChildPlan, StepError> {
            .failure(StepError(.noAction, "none"))
        }
        func perform(_ call: ActionCall, in context: CallContext) async -> CallEnd {
            await body(Int(call.id.step.index))
        }
    }

    private struct Stage {
        let inbox = Inbox()
        let performer: Performer
        let director = Director(Snapshot(), host: "here", seed: 1, queues: [:])

        init(_ body: @escaping @Sendable (Int) async -> CallEnd) {
            performer = Performer(
                drivers: Drivers([ScriptedDriver()]),
                inbox: inbox,
                time: ManualTime(),
                settings: Performer.Settings(
                    state: StateDirectory(path: "/nowhere"),
                    stateName: "abc",
                    surroundings: CommandBuilder.Surroundings(environment: [:], secret: { _ in nil })
                ),
                host: Host(body),
                logger: Logger(label: "test")
            )
        }

        static func id(_ step: Int) -> ActionCall.ID {
            ActionCall.ID(step: StepID(plan: PlanID(1), index: StepIndex(step)), number: 1, invocation: 1)
        }

        func begin(_ steps: some Sequence<Int>) {
            let calls = steps.map { step in
                Directive.call(ActionCall(id: Self.id(step), kind: .run, action: "a", input: nil, output: nil))
            }
            performer.perform(calls, with: director)
        }

        func cancel(_ step: Int) {
            performer.perform([.cancelCall(Self.id(step), byForce: true)], with: director)
        }

        /// Waits for so many ends; the steps in the order of ending.
        func ends(_ count: Int) async -> [(step: Int, end: CallEnd)] {
            var ends: [(Int, CallEnd)] = []
            while ends.count < count {
                for case .event(.callEnded(let id, let end)) in inbox.takeNow() {
                    ends.append((Int(id.step.index), end))
                }
                await Task.yield()
            }
            return ends
        }
    }

    /// Held up until it is opened.
    private final class Gate: Sendable {
        private let waiting = Mutex<[CheckedContinuation<Void, Never>]?>([])

        func open() {
            let all = waiting.withLock { waiting in
                defer { waiting = nil }
                return waiting ?? []
            }
            for one in all { one.resume() }
        }

        func pass() async {
            await withCheckedContinuation { one in
                let isOpen = waiting.withLock { waiting in
                    waiting?.append(one)
                    return waiting == nil
                }
                if isOpen { one.resume() }
            }
        }
    }

    private static func ended(_ note: String) -> CallEnd { CallEnd(.succeeded, output: note) }

    @Test(.timeLimit(.minutes(5))) func callsThatDoNotWaitShareTasks() async {
        let tasks = Mutex(Set<Int>())
        let areAllHere = Atomic(false)
        let count = 2000
        let stage = Stage { _ in
            // Calls that never wait, until all are in line.
            while !areAllHere.load(ordering: .acquiring) {}
            let task = withUnsafeCurrentTask { $0.hashValue }
            tasks.withLock { _ = $0.insert(task) }
            return Self.ended("")
        }
        stage.begin(0..<count)
        areAllHere.store(true, ordering: .releasing)
        let ends = await stage.ends(count)
        #expect(Set(ends.map(\.step)).count == count)
        // Each lets others go first from time to time, and so has another one begin.
        #expect(tasks.withLock { $0.count } < count / 10)
        await stage.performer.stop()
    }

    @Test(.timeLimit(.minutes(5))) func callsThatWaitHoldNobodyUp() async {
        let gate = Gate()
        let stage = Stage { step in
            if step < 500 { await gate.pass() }
            return Self.ended("")
        }
        stage.begin(0..<1000)
        let first = await stage.ends(500)
        #expect(first.allSatisfy { $0.step >= 500 })
        gate.open()
        let rest = await stage.ends(500)
        #expect(Set(rest.map(\.step)) == Set(0..<500))
        await stage.performer.stop()
    }

    @Test(.timeLimit(.minutes(5))) func endOfOneIsToldWhileTheNextWaits() async {
        let gate = Gate()
        let stage = Stage { step in
            if step % 2 == 1 { await gate.pass() }
            return Self.ended("")
        }
        stage.begin(0..<20)
        #expect(await stage.ends(10).allSatisfy { $0.step % 2 == 0 })
        gate.open()
        _ = await stage.ends(10)
        await stage.performer.stop()
    }

    @Test(.timeLimit(.minutes(5))) func onlyTheCallThatIsCancelledIsTold() async {
        let begun = Gate()
        let stage = Stage { step in
            if step == 3 {
                begun.open()
                while !Task.isCancelled { await Task.yield() }
            }
            return Self.ended(Task.isCancelled ? "cancelled" : "")
        }
        stage.begin(0..<10)
        await begun.pass()
        stage.cancel(3)
        stage.begin(10..<100)
        let ends = await stage.ends(100)
        for (step, end) in ends { #expect(end.output == (step == 3 ? "cancelled" : ""), "step \(step)") }
        await stage.performer.stop()
    }

    @Test(.timeLimit(.minutes(5))) func callThatIsCancelledInLineIsToldWhenItBegins() async {
        let areAllHere = Gate()
        let isCancelled = Atomic(false)
        let stage = Stage { step in
            if step < 8 { await areAllHere.pass() }
            // The line is held up by calls that do not give their threads away.
            while !isCancelled.load(ordering: .acquiring) {}
            return Self.ended(Task.isCancelled ? "cancelled" : "")
        }
        stage.begin(0..<500)
        stage.cancel(499)
        isCancelled.store(true, ordering: .releasing)
        areAllHere.open()
        let ends = await stage.ends(500)
        for (step, end) in ends { #expect(end.output == (step == 499 ? "cancelled" : ""), "step \(step)") }
        await stage.performer.stop()
    }

    @Test(.timeLimit(.minutes(5))) func whatWasAbandonedSaysNothingAndCanBeBegunAgain() async {
        let gate = Gate()
        let calls = Atomic(0)
        let stage = Stage { _ in
            if calls.add(1, ordering: .relaxed).newValue <= 10 { await gate.pass() }
            return Self.ended(Task.isCancelled ? "cancelled" : "")
        }
        stage.begin(0..<10)
        while calls.load(ordering: .relaxed) < 10 { await Task.yield() }
        stage.performer.abandon()
        stage.begin(0..<10)
        gate.open()
        let ends = await stage.ends(10)
        #expect(ends.allSatisfy { $0.end.output?.isEmpty == true })
        await stage.performer.stop()
        #expect(stage.inbox.isEmpty)
    }
}
