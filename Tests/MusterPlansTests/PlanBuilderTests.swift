import MusterCore
import MusterPlans
import Testing

@testable import MusterPlans

@Suite struct PlanBuilderTests {
    private func bench() -> Bench {
        let bench = Bench()
        bench.register(Touch(), CreateVolume(), AttachVolume(), Pair(), Twice(), Strict(), Endless(), Picky())
        return bench
    }

    /// `0 1<0 2<0,1`: each step with its needs, barriers with a `|`.
    private func shape(_ plan: ChildPlan) -> String {
        plan.steps.enumerated().map { place, step in
            let mark = step.spec.action == .barrier ? "|" : ""
            let needs = step.needs.map(String.init).joined(separator: ",")
            return "\(mark)\(place)\(needs.isEmpty ? "" : "<" + needs)"
        }.joined(separator: " ")
    }

    @Test func stepsGoAtOnceUnlessSomethingHoldsThem() throws {
        let plan = try bench().build { plan in
            try plan.add(Touch.self, .init())
            try plan.add(Touch.self, .init())
        }
        #expect(shape(plan) == "0 1")
        #expect(plan.program.actions.map(\.name) == ["Touch"])
    }

    /// `f(a)` beside `e(a, b)` waits for `a` alone.
    @Test func needsFollowFromReferences() throws {
        let plan = try bench().build { plan in
            let a = try plan.add(CreateVolume.self, .init(gigabytes: 1))
            let b = try plan.add(CreateVolume.self, .init(gigabytes: 2))
            try plan.add(AttachVolume.self, .init(volume: a.id, label: b.id))
            try plan.add(AttachVolume.self, .init(volume: a.id))
        }
        #expect(shape(plan) == "0 1 2<0,1 3<0")
        #expect(plan.steps.map(\.spec.c) == [0, 0, 2, 1])
    }

    @Test func sequencesAndConcurrencesNest() throws {
        let plan = try bench().build { plan in
            try plan.sequence {
                try plan.add(Touch.self, .init())
                try plan.concurrence {
                    try plan.add(Touch.self, .init())
                    try plan.sequence {
                        try plan.add(Touch.self, .init())
                        try plan.add(Touch.self, .init())
                    }
                    plan.sequence {}
                }
                plan.concurrence {}
                try plan.add(Touch.self, .init())
            }
            try plan.add(Touch.self, .init())
        }
        #expect(shape(plan) == "0 1<0 2<0 3<2 |4<1,3 5<4 6")
    }

    @Test func afterNamesStepsOfAnyKind() throws {
        let plan = try bench().build { plan in
            let a = try plan.add(CreateVolume.self, .init(gigabytes: 1))
            let pair = try plan.add(Pair.self, Empty())
            try plan.add(AttachVolume.self, .init(volume: a.id), after: [pair, a])
        }
        #expect(shape(plan) == "0 1 2 |3<1,2 4<0,3")
        #expect(plan.steps[4].spec.c == 1)
        #expect(plan.program.composites == [CompositeSpec(name: "Pair", first: 1, end: 4)])
    }

    struct Pair: CompositeAction {
        func plan(_ input: Empty, in plan: PlanBuilder) throws -> Value<String> {
            let first = try plan.add(CreateVolume.self, .init(gigabytes: 1))
            try plan.add(CreateVolume.self, .init(gigabytes: 2))
            return first.id
        }
    }

    struct Twice: CompositeAction {
        func plan(_ input: Empty, in plan: PlanBuilder) throws -> Value<String> {
            try plan.sequence {
                let first = try plan.add(Pair.self, Empty())
                return try plan.add(AttachVolume.self, .init(volume: first.output)).output
            }
        }
    }

    @Test func compositesNestAndHaveOutputs() async throws {
        let bench = bench()
        let plan = try bench.plan(Twice(), Empty())
        #expect(shape(plan) == "0 1 |2<0,1 3<0,2 |4<3")
        #expect(
            plan.program.composites == [
                CompositeSpec(name: "Twice", first: 0, end: 4), CompositeSpec(name: "Pair", first: 0, end: 3),
            ]
        )
        #expect(plan.program.name == "Twice")
        // What comes of it is the last step's, and is read by whoever waits for the plan.
        #expect(plan.steps[4].spec.input == #"{"output":null,"uses":[{"at":[],"step":3,"path":[]}]}"#)
        let ends = await walk(plan, on: bench)
        let output = try Envelope.open(
            plan.steps[4].spec.input!,
            .output,
            of: "it",
            outputs: [3: ends[3]?.output ?? ""]
        )
        #expect(try Envelope.decode(String.self, output, of: "it") == "vol-1/data/false/ssd/-//")
    }

    struct Strict: CompositeAction {
        func plan(_ input: Empty, in plan: PlanBuilder) throws -> Value<Empty> {
            try plan.add(Picky.self, .init())
            try plan.add(Touch.self, .init())
            return .literal(Empty())
        }
        func rescue(of action: any PlanAction.Type, suggested: ActionOptions.Rescue) -> ActionOptions.Rescue {
            suggested == .skip ? .fail : suggested
        }
    }
    struct Picky: Action {
        static let options = ActionOptions(
            rescue: .skip,
            retry: .init(times: 3, every: .seconds(2), backoff: 3),
            recovery: .never,
            queue: "mail",
            priority: 5,
            limits: ["api"],
            timeout: .seconds(9),
            singleton: .waits(key: "one")
        )
        struct Input: Codable, Sendable { var x = 1 }
        func run(_ input: Input, in context: RunContext) async throws -> Empty { Empty() }
    }

    @Test func optionsReachTheEngineAndParentsOverrideThem() throws {
        let bench = bench()
        let alone = try bench.plan(Picky(), .init())
        let spec = alone.program.actions[0]
        #expect(spec.rescue == .skip && spec.retry == RetryPolicy(times: 3, every: .seconds(2), backoff: 3))
        #expect(spec.recovery == .never && spec.queue == "mail" && spec.priority == 5 && spec.limits == ["api"])
        #expect(spec.timeout == .seconds(9) && spec.reverts && !spec.finalizes && !spec.handlesSkip)
        #expect(alone.program.singleton == SingletonSpec(key: "test/one", waits: true))
        let planned = try bench.plan(Strict(), Empty())
        #expect(planned.program.actions.map(\.rescue) == [.fail, .pause])
        #expect(planned.program.singleton == nil)
    }

    struct Endless: CompositeAction {
        func plan(_ input: Empty, in plan: PlanBuilder) throws -> Value<Empty> {
            try plan.add(Endless.self, input).output
        }
    }

    @Test func whatPlansItselfWithoutEndIsRefused() throws {
        #expect(throws: PlanningError.self) { try bench().plan(Endless(), Empty()) }
    }

    @Test func whatIsNotRegisteredIsRefused() throws {
        let error = #expect(throws: PlanningError.self) { try Bench().build { try $0.add(Touch.self, .init()) } }
        #expect(error?.description.contains("plans.register(Touch(…))") == true)
    }

    /// Edges, as work, grow with the steps: no product of two sides.
    @Test func wideAndLongPlansHaveFewEdges() throws {
        let width = 2000
        let plan = try bench().build { plan in
            try plan.sequence {
                for _ in 0..<3 {
                    try plan.concurrence { for _ in 0..<width { try plan.add(Touch.self, .init()) } }
                }
            }
            let all = try (0..<width).map { _ in try plan.add(Touch.self, .init()) }
            try plan.add(Touch.self, .init(), after: all)
        }
        let edges = plan.steps.reduce(0) { $0 + $1.needs.count }
        #expect(plan.steps.count == 4 * width + 4)
        #expect(edges <= 7 * width)
    }
}
