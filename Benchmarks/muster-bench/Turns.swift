import ArgumentParser
import Foundation
import MusterCore
import MusterEngine
import MusterStore

/// The turns of a conductor on this thread alone, without its inbox, performer or followers: for callgrind.
struct Turns: ParsableCommand {
    static let name = "turns"
    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "Only turns, on one thread: for counting instructions; see scripts/instructions."
    )
    @Option(help: "fan, chain, layers or diamond.") var shape = Shape.chain
    @Option(help: "How many steps.") var count = 1000
    @Flag(help: "Steps that call an action, in place of ones that do nothing.") var calls = false
    @Flag(help: "One parent with so many sub-plans of one call, in place of steps.") var subplans = false
    @Option(help: "With --calls and --events: how many are performed at once.") var atOnce = 64
    @Flag(help: "As many plans of one step, one after the other.") var plans = false
    @Flag(help: "As many reports of nodes' states, --at-once in each turn, in place of steps.") var events = false
    @Option(help: "With --events: how many nodes there are.") var nodes = 1000
    @Option(help: "With --events: how many wait for states that do not come.") var waiters = 0
    @Option(help: "Where to write.") var folder: String?
    @Flag(help: "A store in memory.") var memory = false

    func validate() throws {
        guard (1...10_000_000).contains(count) else { throw ValidationError("--count wants 1 to 10,000,000") }
    }

    func run() throws {
        let scratch = try Scratch(in: folder)
        defer { scratch.remove() }
        let sqlite = memory ? nil : try SQLiteStore(path: scratch.path + "/muster.db")
        var core = try ConductorCore(
            store: sqlite ?? MemoryStore(),
            identity: ConductorCore.Identity(host: "bench", pid: 1, seed: 1, queues: ["default": atOnce]),
            time: HostTime()
        )
        if events { return try report(to: core.store, sqlite) }
        let before = sqlite?.counters
        var ended = 0
        var turns = 0
        for plan in 0..<(plans ? count : 1) {
            var submission = Workbench.submission("bench-\(plan)", shape.steps(plans ? 1 : count))
            if calls || subplans { submission.callActions(onlyOne: subplans) }
            var items: [Inbox.Item] = [.event(.submitted(submission))]
            while !items.isEmpty {
                turns += 1
                let directives = try core.takeTurn(consume items)
                items = []
                for directive in directives {
                    switch directive {
                    case .perform(let act): items.append(.event(.actEnded(act, .succeeded(facts: [:]))))
                    case .call(let call):
                        let end = end(of: call)
                        items.append(.event(.callEnded(call.id, end)))
                        if subplans, call.input != Self.child { continue }
                    default: continue
                    }
                    ended += 1
                }
            }
        }
        guard ended == count else { throw Workbench.Failure(description: "\(ended) of \(count) steps ended") }
        let after = sqlite?.counters
        let statements = (after?.statements ?? 0) - (before?.statements ?? 0)
        print("\(plans ? "plans" : shape.rawValue) of \(count): \(turns) turns, \(statements) statements")
    }
}

extension Turns {
    /// Reports, to a conductor that began with all nodes.
    private func report(to store: any Store, _ sqlite: SQLiteStore?) throws {
        try EventTown(nodes: nodes).fill(store)
        var core = try ConductorCore(
            store: store,
            identity: ConductorCore.Identity(host: "bench", pid: 1, seed: 1),
            time: HostTime()
        )
        let desk = try WaitDesk(store: store)
        core.desk = desk
        for place in 0..<waiters {
            _ = try desk.wait(for: StateCondition("LOST"), of: [EventTown.id(place % nodes)])
        }
        _ = try core.takeTurn([])
        let before = sqlite?.counters.statements ?? 0
        for first in stride(from: 0, to: count, by: atOnce) {
            let items = (first..<min(first + atOnce, count)).map { number in
                let state = EventTown.cycle[number / nodes % EventTown.cycle.count]
                return Inbox.Item.event(.reported(EventTown.report(number % nodes, state)))
            }
            _ = try core.takeTurn(items)
        }
        print("\(count) events, \((sqlite?.counters.statements ?? 0) - before) statements")
    }

    private static let child = "child"

    private func end(of call: ActionCall) -> CallEnd {
        switch call.kind {
        case .run where subplans && call.input != Self.child: return CallEnd(.spawned(total: count, limit: nil))
        case .children(let from, let to):
            let program = ProgramSpec(name: "child", actions: [ActionSpec(name: "work")])
            let step = PlanSubmission.Step(StepSpec(.call, input: Self.child))
            return CallEnd(.children((from..<to).map { _ in ChildPlan(program: program, steps: [step]) }))
        default: return CallEnd(.succeeded, output: #"{"output":{}}"#)
        }
    }
}

extension PlanSubmission {
    /// Has its steps call an action.
    fileprivate mutating func callActions(onlyOne: Bool) {
        if onlyOne { steps = [steps[0]] }
        spec.program = ProgramSpec(name: "bench", actions: [ActionSpec(name: "work")])
        for place in steps.indices {
            steps[place].spec = StepSpec(.call, input: #"{"input":{"name":"nothing","number":7}}"#)
        }
    }
}
