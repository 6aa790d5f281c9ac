import Foundation
import MusterCore
import MusterEngine
import MusterPlans
import MusterStore
import Synchronization

/// A plan of typed actions that do nothing, through the library as a program uses it.
struct TypedPlan {
    struct Figures {
        /// From the start of the plan to its stored end.
        var seconds: Double
        /// Of that, until the plan was made: its inputs are encoded.
        var planning: Double
        /// Processor time of all threads.
        var cpu: Double
        var commits: Int
        var statements: Int
    }

    let count: Int
    /// How many calls are performed at once.
    let atOnce: Int
    let isInMemory: Bool

    func measure(in folder: String) async throws -> Figures {
        let state = StateDirectory(path: folder)
        try state.create()
        let sqlite = isInMemory ? nil : try SQLiteStore(path: state.database)
        let store: any Store = if let sqlite { sqlite } else { MemoryStore() }
        let made = Moment()
        let plans = try MusterPlans.Plans(
            name: "bench",
            store: store,
            state: state,
            options: MusterPlans.Plans.Options(queues: ["default": atOnce]),
            time: HostTime()
        )
        plans.register(Nothing(), Many(made: made))
        let running = Task { try await plans.run() }
        // The first one waits until somebody performs.
        _ = try await plans.start(Many.self, Many.Input(count: 1)).result()
        let before = sqlite?.counters ?? StoreCounters()
        let cpu = Usage.cpu
        let begin = ContinuousClock.now
        let plan = try await plans.start(Many.self, Many.Input(count: count))
        let status = try await plan.settled()
        let length = begin.duration(to: .now).inSeconds
        guard status.result == .success else {
            throw Workbench.Failure(description: "typed actions ended with \(status.result)")
        }
        let after = sqlite?.counters ?? StoreCounters()
        let used = Usage.cpu - cpu
        plans.stop()
        try await running.value
        return Figures(
            seconds: length,
            planning: begin.duration(to: made.last).inSeconds,
            cpu: used,
            commits: after.commits - before.commits,
            statements: after.statements - before.statements
        )
    }
}

/// When a plan was made last.
private final class Moment: Sendable {
    private let moment = Mutex(ContinuousClock.now)
    var last: ContinuousClock.Instant { moment.withLock { $0 } }
    func note() { moment.withLock { $0 = .now } }
}

private struct Nothing: Action {
    struct Input: Codable, Sendable {
        var number: Int
        var name: String
    }
    struct Output: Codable, Sendable { var number: Int }
    func run(_ input: Input, in context: MusterPlans.RunContext) async throws -> Output { Output(number: input.number) }
}

private struct Many: CompositeAction {
    struct Input: Codable, Sendable { var count: Int }
    let made: Moment

    func plan(_ input: Input, in plan: PlanBuilder) throws -> Value<Int> {
        for number in 0..<input.count { try plan.add(Nothing.self, Nothing.Input(number: number, name: "nothing")) }
        made.note()
        return .literal(input.count)
    }
}
