import MusterCore
import MusterStore

extension StoreConformance.Sample {
    static func program(_ name: String = "root", prerequisites: [PlanID] = []) -> RunSpec {
        var program = ProgramSpec(name: name, actions: [ActionSpec(name: "act")])
        program.prerequisites = prerequisites
        var spec = spec()
        spec.program = program
        return spec
    }

    static func call(_ plan: Int64, _ index: StepIndex, _ columns: CallColumns? = nil) -> StepRow {
        var row = step(plan, index)
        row.spec = StepSpec(.call, input: "\"planned\"")
        row.call = columns
        return row
    }

    static func id(_ plan: Int64, _ index: StepIndex) -> StepID { StepID(plan: PlanID(plan), index: index) }

    static func child(_ number: Int64, of parent: StepID, state: PlanState, result: PlanResult) -> PlanRow {
        var row = plan(number, state: state)
        row.parent = parent
        row.result = result
        return row
    }
}

/// What plans of programs store besides.
extension StoreConformance {
    static let programChecks: [Check] = [
        Check("what a call stores comes back with it") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            let full = CallColumns(
                input: "\"given\"",
                output: Sample.text,
                invocation: 7,
                told: 3_000_000_000,
                isRescued: true,
                children: CallColumns.Children(total: 1_000_000, limit: 12)
            )
            try writer.commit {
                $0.plans = [Sample.plan(1)]
                $0.newSpecs = [PlanID(1): Sample.program()]
                $0.steps = [Sample.call(1, 0), Sample.call(1, 1, full), Sample.step(1, 2)]
                $0.steps[2].call = CallColumns(input: nil)
            }
            func look(_ index: Int) throws -> (String?, CallColumns?) {
                let steps = try subject.join(store).steps(of: PlanID(1))
                try equal(steps.count, 3, "how many steps there are")
                let step = steps[index]
                return (step.spec.input, step.call)
            }
            var kept = full
            kept.input = nil
            try demand(look(0) == ("\"planned\"", CallColumns(input: nil)), "a call that stored nothing")
            try demand(look(1) == ("\"given\"", kept), "a call that stored all")
            try equal(look(2).1, nil, "a step that calls nothing")

            var changed = Sample.call(1, 1, CallColumns(input: nil, output: "", children: .init(total: 0, limit: nil)))
            changed.isNew = false
            try writer.commit { $0.steps = [changed] }
            try demand(look(1) == ("\"given\"", changed.call), "it keeps its input")
            changed.call = CallColumns(input: "\"edited\"", invocation: 1)
            try writer.commit { $0.steps = [changed] }
            try demand(look(1) == ("\"edited\"", CallColumns(input: nil, invocation: 1)), "an edited input")
            var plain = changed
            plain.call = nil
            plain.state = .error
            try writer.commit { $0.steps = [plain] }
            try demand(look(1) == ("\"edited\"", CallColumns(input: nil, invocation: 1)), "a change of its state alone")
            try equal(store.steps(of: PlanID(1))[1].state, .error, "its state")
        },
        Check("planning completes the request of a plan that is there") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            let created = writer.events([.planCreated, .planStarted], plan: PlanID(1))
            try writer.commit {
                $0.plans = [Sample.plan(1, state: .planning)]
                $0.newSpecs = [PlanID(1): Sample.spec()]
                $0.events = created
            }
            let planned = writer.events([.stepStarted], plan: PlanID(1))
            var row = Sample.plan(1)
            row.isFrozen = true
            row.isAborting = true
            let changed = row
            try writer.commit {
                $0.plans = [changed]
                $0.newSpecs = [PlanID(1): Sample.program()]
                $0.steps = [Sample.call(1, 0)]
                $0.events = planned
            }
            try equal(store.spec(of: PlanID(1)), Sample.program(), "the request")
            try equal(store.plan(PlanID(1)), changed, "the row")
            try equal(store.events(after: 0, plan: PlanID(1), limit: 9).count, 3, "its events")
            try equal(store.plans(matching: PlanQuery(name: "root")).map(\.id), [PlanID(1)], "those of its name")
            try refused(nil, "the request of another") { () throws(StoreError) in
                try writer.commit {
                    $0.plans = [Sample.plan(1, request: "other")]
                    $0.newSpecs = [PlanID(1): Sample.spec()]
                }
            }
            try equal(store.spec(of: PlanID(1)), Sample.program(), "the request after that")
        },
        Check("signals come back in order until they are delivered") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            let first = SignalRow(step: Sample.id(1, 0), number: 1, payload: Sample.text, token: "t")
            let later = SignalRow(
                step: Sample.id(1, 1),
                number: 2,
                payload: "",
                dueAt: Sample.at,
                key: "poll",
                isOptional: true
            )
            let other = SignalRow(step: Sample.id(2, 0), number: 1, payload: "{}")
            try writer.commit {
                $0.plans = [Sample.plan(1), Sample.plan(2)]
                $0.signalsSet = [later, first, other]
            }
            try equal(try subject.join(store).signals(of: PlanID(1)), [first, later], "what was sent")
            var moved = later
            moved.dueAt = nil
            let third = SignalRow(step: Sample.id(1, 0), number: 3, payload: "x")
            let now = moved
            try writer.commit {
                $0.signalsSet = [now, third]
                $0.signalsCleared = [first, third]
            }
            try equal(store.signals(of: PlanID(1)), [moved], "what is left")
            try equal(store.signals(of: PlanID(2)), [other], "another plan's")
            try equal(store.signals(of: PlanID(3)), [], "no plan's")
        },
        Check("chunks are numbered as they are appended") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            func chunk(_ index: StepIndex, _ text: String) -> ChunkRow {
                ChunkRow(step: Sample.id(1, index), number: 0, at: Sample.at, text: text)
            }
            try writer.commit { $0.chunks = [chunk(0, Sample.text), chunk(1, "other"), chunk(0, "")] }
            try writer.commit { $0.chunks = [chunk(0, "last")] }
            let found = try subject.join(store).chunks(of: Sample.id(1, 0), after: 0, limit: 9)
            try equal(found.map(\.number), [1, 2, 3], "the numbers")
            try equal(found.map(\.text), [Sample.text, "", "last"], "the texts")
            try equal(found.map(\.at), [Sample.at, Sample.at, Sample.at], "the times")
            try equal(store.chunks(of: Sample.id(1, 0), after: 1, limit: 1).map(\.number), [2], "one after the first")
            try equal(store.chunks(of: Sample.id(1, 0), after: 3, limit: 9), [], "those after the last")
            try equal(store.chunks(of: Sample.id(1, 1), after: 0, limit: 9).map(\.number), [1], "another step's")
            try equal(store.chunks(of: Sample.id(1, 0), after: 0, limit: 0), [], "none at all")
        },
        Check("sub-plans are counted by how they stand") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            let parent = Sample.id(1, 3)
            var rows: [PlanRow] = [Sample.plan(1)]
            for (place, state) in PlanState.allCases.enumerated() {
                rows.append(Sample.child(Int64(place) + 2, of: parent, state: state, result: .pending))
            }
            for (place, result) in PlanResult.allCases.enumerated() {
                rows.append(Sample.child(Int64(place) + 20, of: parent, state: .stopped, result: result))
            }
            rows.append(Sample.child(40, of: Sample.id(1, 4), state: .paused, result: .pending))
            let made = rows
            try writer.commit { $0.plans = made }
            let states = PlanState.allCases.count
            let results = PlanResult.allCases.count
            var wanted = ChildCounts(planned: states + results, succeeded: 2, failed: results - 1, paused: 1)
            try equal(try subject.join(store).children(of: parent), wanted, "the counts")
            try equal(store.plan(PlanID(2))?.parent, parent, "a sub-plan's parent")
            // Those that go on: what was paused, and one that was going.
            try writer.commit {
                for row in made where row.state == .paused || row.state == .running {
                    guard row.parent == parent else { continue }
                    var row = row
                    row.state = .stopped
                    row.result = .success
                    $0.plans.append(row)
                }
            }
            wanted.paused = 0
            wanted.succeeded = 4
            try equal(store.children(of: parent), wanted, "the counts after it")
            try equal(store.children(of: Sample.id(1, 4)).paused, 1, "another step's")
            try equal(store.children(of: Sample.id(2, 3)), ChildCounts(), "those of a step that has none")
        },
        Check("load gives plans of programs with what belongs to them") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            let signal = SignalRow(step: Sample.id(1, 0), number: 4, payload: "p")
            let children = CallColumns(input: nil, children: CallColumns.Children(total: 2, limit: nil))
            try writer.commit {
                $0.plans = [
                    Sample.plan(1), Sample.child(2, of: Sample.id(1, 1), state: .running, result: .pending),
                    Sample.child(3, of: Sample.id(1, 1), state: .stopped, result: .warning),
                ]
                for number in 1...3 as ClosedRange<Int64> { $0.newSpecs[PlanID(number)] = Sample.program() }
                $0.steps = [Sample.call(1, 0), Sample.call(1, 1, children), Sample.call(2, 0), Sample.call(3, 0)]
                $0.signalsSet = [signal]
                $0.asks = [
                    PermitRow(step: Sample.id(2, 0), limit: "one"), PermitRow(step: Sample.id(1, -1), limit: "one"),
                ]
            }
            let snapshot = try subject.join(store).load()
            try equal(snapshot.broken, [:], "what is broken")
            try equal(snapshot.plans.map(\.row.id.rawValue), [1, 2], "the plans")
            try equal(snapshot.plans[0].signals, [signal], "the signals")
            try equal(snapshot.plans[0].children, [1: ChildCounts(planned: 2, succeeded: 1)], "the sub-plans")
            try equal(
                snapshot.plans.map(\.permits),
                [
                    [PermitRow(step: Sample.id(1, -1), limit: "one")],
                    [PermitRow(step: Sample.id(2, 0), limit: "one", isHeld: true)],
                ],
                "the permits"
            )
        },
        Check("a plan with signals or permits of steps that are not there is left alone") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            try writer.commit {
                for number in 1...4 as ClosedRange<Int64> {
                    $0.plans.append(Sample.plan(number))
                    $0.newSpecs[PlanID(number)] = Sample.program()
                    $0.steps.append(Sample.call(number, 0))
                }
                $0.signalsSet = [SignalRow(step: Sample.id(2, 1), number: 1, payload: "")]
                $0.asks = [
                    PermitRow(step: Sample.id(1, -1), limit: "a"), PermitRow(step: Sample.id(3, 1), limit: "b"),
                    PermitRow(step: Sample.id(4, -2), limit: "c"),
                ]
            }
            let snapshot = try store.load()
            try equal(snapshot.plans.map(\.row.id.rawValue), [1], "the plans that are whole")
            try equal(snapshot.broken.keys.map(\.rawValue).sorted(), [2, 3, 4], "those that are not")
            try demand(store.flaw(of: Sample.plan(2)) != nil, "a reader finds no flaw")
        },
    ]
}
