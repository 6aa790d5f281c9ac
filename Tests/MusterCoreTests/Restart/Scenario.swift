import MusterTestKit

@testable import MusterCore

/// A random lab with what will happen to it. What happens is a function of names and numbers, never of time or order,
/// so that every undisturbed run of it, and every disturbed one that is gone on with, comes to the same end.
struct Scenario {
    let seed: UInt64
    private(set) var spec: RunSpec
    /// What was brought up before; nil when nothing was.
    private(set) var before: RunSpec?
    /// How often each provisioning step of each node name fails before it succeeds, or `.max` for always: `app/0:2`.
    private(set) var failures: [String: Int] = [:]
    /// What comes of attempts: `api//a#1`. Others pass.
    private(set) var endings: [String: DirectorHarness.Ending] = [:]

    init(seed: UInt64) {
        self.seed = seed
        var chance = SeededChance(seed: seed)
        spec = run(.test)
        spec.verb = Int.random(in: 0..<6, using: &chance) == 0 ? .up : .test
        spec.keep = Keep.allCases.randomElement(using: &chance) ?? .never
        spec.parallel = Int.random(in: 1...6, using: &chance)
        for index in 0..<Int.random(in: 1...4, using: &chance) { addGroup(index, using: &chance) }
        if spec.verb == .test {
            for index in 0..<Int.random(in: 0...2, using: &chance) { addSuite(index, using: &chance) }
        }
        if Int.random(in: 0..<3, using: &chance) == 0 {
            // Groups need only groups before them.
            before = run(.up, Array(spec.groups.prefix(Int.random(in: 1...spec.groups.count, using: &chance))))
        }
    }

    private mutating func addGroup(_ index: Int, using chance: inout SeededChance) {
        let name = ["db", "app", "web", "edge"][index]
        let needed = spec.groups.filter { _ in Int.random(in: 0..<3, using: &chance) == 0 }
        if Int.random(in: 0..<8, using: &chance) == 0 {
            spec.groups.append(gate(name, needs: needed.map { Need(group: $0.name) }))
            return
        }
        let policy = FailurePolicy.allCases.randomElement(using: &chance) ?? .fail
        let retry = RetryPolicy(times: Int.random(in: 0...2, using: &chance), every: .seconds(1))
        var made = group(
            name,
            Int.random(in: 1...3, using: &chance),
            runs: Int.random(in: 0...2, using: &chance),
            ready: Bool.random(using: &chance),
            undo: Bool.random(using: &chance),
            onFailure: policy,
            retry: retry
        )
        made.needs = needed.map { need in
            let wantsSome = need.hasNodes && Int.random(in: 0..<3, using: &chance) == 0
            return Need(group: need.name, ready: wantsSome ? Int.random(in: 1...need.count, using: &chance) : nil)
        }
        for slot in 0..<made.count {
            // One step of a node: with the losses below, the budget of replacements is never spent.
            guard let step = made.steps.indices.randomElement(using: &chance),
                Int.random(in: 0..<4, using: &chance) == 0
            else { continue }
            failures["\(name)/\(slot):\(step + 1)"] = failureCount(policy, retry, using: &chance)
        }
        spec.groups.append(made)
    }

    /// A policy without another try fails for good or not at all: whether a resume tries again would depend on order.
    private func failureCount(_ policy: FailurePolicy, _ retry: RetryPolicy, using chance: inout SeededChance) -> Int {
        let fails = Int.random(in: 1...retry.times + 1, using: &chance)
        return switch policy {
        case .fail, .skip: fails <= retry.times ? fails : .max
        case .replace, .pause: fails
        }
    }

    private mutating func addSuite(_ index: Int, using chance: inout SeededChance) {
        guard let on = spec.groups.randomElement(using: &chance) else { return }
        var names = ["a", "b", "c", "d", "e"].prefix(Int.random(in: 1...5, using: &chance)).map(\.self)
        if Int.random(in: 0..<3, using: &chance) == 0 { names.append("bang") }
        let needed = spec.groups.filter { $0.name != on.name && Int.random(in: 0..<4, using: &chance) == 0 }
        let name = ["api", "gui"][index]
        let made = suite(
            name,
            on: on.name,
            names.shuffled(using: &chance),
            reruns: Int.random(in: 0...2, using: &chance),
            needs: needed.map { Need(group: $0.name) },
            before: Bool.random(using: &chance),
            after: Bool.random(using: &chance)
        )
        spec.suites.append(made)
        // One lost node a suite: the budget of replacements, which belongs to names of nodes, is never spent.
        var mayLose = true
        for test in names {
            for number in 1...(made.reruns + 2) {
                switch Int.random(in: 0..<10, using: &chance) {
                case 0, 1: endings["\(name)//\(test)#\(number)"] = .exits(1)
                case 2: endings["\(name)//\(test)#\(number)"] = .exits(77)
                case 3: endings["\(name)//\(test)#\(number)"] = .timesOut
                case 4 where mayLose:
                    mayLose = false
                    endings["\(name)//\(test)#\(number)"] =
                        Bool.random(using: &chance) ? .losesNode("gone") : .ends(lostNode: "gone")
                default: break
                }
            }
        }
        if made.before != nil, Int.random(in: 0..<6, using: &chance) == 0 { endings["\(name) before"] = .exits(3) }
        if made.after != nil, Int.random(in: 0..<6, using: &chance) == 0 { endings["\(name) after"] = .exits(3) }
    }

    /// A harness in which this scenario happens.
    func harness() -> DirectorHarness {
        var failures = failures
        let endings = endings
        return DirectorHarness(seed: seed) { work in
            if let ending = endings[work.label] { return ending }
            guard work.act.spec.action == .provision, let node = work.node else { return .succeeds }
            let step = "\(node):\(work.act.spec.b + 1)"
            guard let left = failures[step], left > 0 else { return .succeeds }
            if left < .max { failures[step] = left - 1 }
            return .exits(4)
        }
    }
}

/// What a run came to: what people would compare.
struct Conclusion: Hashable {
    var state: PlanState?
    var result: PlanResult?
    var attempts: [String]
    var nodes: [String]
    /// Whether setups were ended because all tests had.
    var endsSetups: Bool

    init(_ lab: DirectorHarness, _ id: PlanID?) {
        state = lab.plan(id)?.state
        result = lab.plan(id)?.result
        attempts = lab.results(id)
        nodes = lab.nodeStates
        endsSetups = id.flatMap { lab.rows.steps[$0] }?.contains { $0.error == .unneeded } ?? false
    }
}
