import MusterCore
import MusterStore

extension StoreConformance {
    static let turnChecks: [Check] = [
        Check("epochs rise, and the state keeps its name") { subject in
            let store = try subject.make()
            let first = try store.register(host: "a", pid: 1, now: Sample.at)
            let second = try subject.join(store).register(host: "b", pid: 2, now: Sample.at)
            try demand(first > 0, "the first epoch is \(first)")
            try demand(second > first, "the second epoch, \(second), is not higher than \(first)")
            try equal(try subject.join(store).stateName, store.stateName, "the state's name")
            try demand(!store.stateName.isEmpty, "the state has no name")
        },
        Check("a commit before any registration is refused") { subject in
            let store = try subject.make()
            var turn = Turn(now: Sample.at, epoch: 0)
            turn.plans = [Sample.plan(1)]
            let early = turn
            try refused(.fenced, "an early commit") { () throws(StoreError) in try store.commit(early) }
            try equal(store.plan(PlanID(1)), nil, "its plan")
        },
        Check("a newer epoch fences the older conductor") { subject in
            let store = try subject.make()
            var old = try Writer(store)
            try old.commit { $0.plans = [Sample.plan(1)] }
            let joined = try subject.join(store)
            var new = try Writer(joined)
            try refused(.fenced, "a late commit") { () throws(StoreError) in
                try old.commit {
                    $0.plans = [Sample.plan(1, state: .stopped), Sample.plan(2)]
                    $0.requestsDone = [1]
                }
            }
            try refused(.fenced, "an empty late commit") { () throws(StoreError) in try old.commit { _ in } }
            try equal(store.plan(PlanID(1))?.state, .running, "the plan")
            try equal(store.plan(PlanID(2)), nil, "a late plan")
            try new.commit { $0.plans = [Sample.plan(3)] }
            try equal(store.plan(PlanID(3)), Sample.plan(3), "the newer one's plan")
        },
        Check("of a turn that is refused nothing is written") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            let created = writer.events([.planCreated])
            try writer.commit {
                $0.plans = [Sample.plan(1)]
                $0.newSpecs = [PlanID(1): Sample.spec()]
                $0.steps = [Sample.step(1, 0)]
                $0.events = created
            }
            let request = try store.submit(.cancel(PlanID(1)), at: Sample.at)
            var unknown = Sample.step(1, 5, state: .success)
            unknown.isNew = false
            var gap = writer.events([.planStarted])
            gap[0].number += 1
            var again = writer.events([.planStarted])
            again[0].number -= 1
            let refusals: [(String, (inout Turn) -> Void)] = [
                ("a change of a step that is not there", { $0.steps.append(unknown) }),
                ("a step that is there already", { $0.steps.append(Sample.step(1, 0)) }),
                ("a second run of one request", { $0.plans.append(Sample.plan(2, request: "request-1")) }),
                ("an event after a gap", { $0.events = gap }),
                ("an event that is there already", { $0.events = again }),
            ]
            for (what, spoil) in refusals {
                let events = writer.events([.planStarted])
                try refused(nil, what) { () throws(StoreError) in
                    try writer.commit {
                        $0.plans = [Sample.plan(1, state: .stopped), Sample.plan(7)]
                        $0.newSpecs = [PlanID(7): Sample.spec()]
                        $0.steps = [Sample.step(7, 0)]
                        $0.nodes = [Sample.node(1)]
                        $0.timersSet = [TimerRow(step: StepID(plan: PlanID(1), index: 0), dueAt: Sample.at)]
                        $0.attempts = [Sample.attempt(1, step: 0, test: "t")]
                        $0.events = events
                        $0.requestsDone = [request]
                        spoil(&$0)
                    }
                }
                try equal(store.plan(PlanID(1)), Sample.plan(1), "\(what): the plan")
                try equal(store.plan(PlanID(7)), nil, "\(what): the new plan")
                try equal(store.spec(of: PlanID(7)), nil, "\(what): its request")
                try equal(store.steps(of: PlanID(7)), [], "\(what): its steps")
                try equal(store.steps(of: PlanID(1)).count, 1, "\(what): the steps")
                try equal(store.node(NodeID(1)), nil, "\(what): the node")
                try equal(store.timers(of: PlanID(1)), [], "\(what): the timer")
                try equal(store.attempts(of: PlanID(1)), [], "\(what): the attempt")
                try equal(store.position(), 1, "\(what): the events")
                try equal(store.requests(after: 0).map(\.id), [request], "\(what): the inbox")
                try equal(store.durations(lab: "shop", suite: "api"), [:], "\(what): durations")
            }
            try writer.commit { $0.plans = [Sample.plan(7)] }
            try equal(store.plan(PlanID(7)), Sample.plan(7), "a turn after them")
        },
        Check("a new store loads empty") { subject in
            let snapshot = try subject.make().load()
            try demand(snapshot.plans.isEmpty && snapshot.nodes.isEmpty && snapshot.specs.isEmpty, "it is not empty")
            try demand(snapshot.broken.isEmpty, "something is broken: \(snapshot.broken)")
            try equal([snapshot.lastPlan, snapshot.lastNode, snapshot.lastEvent], [0, 0, 0], "its counters")
        },
        Check("load gives unfinished plans whole, nodes that are not gone, and counters") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            let states = PlanState.allCases
            let steps = [Sample.step(1, 0, state: .success), Sample.step(1, 1, needs: [0], state: .running)]
            let timers = [TimerRow(step: StepID(plan: PlanID(1), index: 1), dueAt: Sample.at)]
            let attempts = [Sample.attempt(1, step: 0, test: "t")]
            let plans = states.enumerated().map { Sample.plan(Int64($0 + 1), state: $1) }
            let finished = Int64((states.firstIndex(of: .stopped) ?? 0) + 1)
            let events = writer.events([.planCreated, .planStarted, .nodeGone])
            try writer.commit {
                $0.plans = plans
                for plan in plans { $0.newSpecs[plan.id] = Sample.spec(lab: "lab-\(plan.id.rawValue)") }
                $0.steps = steps + [Sample.step(finished, 0)]
                $0.timersSet = timers
                $0.attempts = attempts
                // Made by a finished run, still there; made by an unfinished one; gone.
                $0.nodes = [
                    Sample.node(1, createdBy: finished), Sample.node(2, createdBy: 1, state: .quarantined),
                    Sample.node(9, createdBy: 2, state: .gone),
                ]
                $0.events = events
            }
            for reader in [store, try subject.join(store)] {
                let snapshot = try reader.load()
                try demand(snapshot.broken.isEmpty, "something is broken: \(snapshot.broken)")
                try equal(snapshot.plans.map(\.row), plans.filter { !$0.state.isFinal }, "the plans")
                for plan in snapshot.plans { try equal(plan.spec.lab, "lab-\(plan.row.id.rawValue)", "a request") }
                var written = steps
                for place in written.indices { written[place].isNew = false }
                try equal(snapshot.plans[0].steps, written, "the steps")
                try equal(snapshot.plans[0].timers, timers, "the timers")
                try equal(snapshot.plans[0].attempts, attempts, "the attempts")
                try equal(snapshot.plans[1].steps, [], "the steps of another")
                try equal(
                    snapshot.nodes,
                    [Sample.node(1, createdBy: finished), Sample.node(2, state: .quarantined)],
                    "nodes"
                )
                try equal(Set(snapshot.specs.keys), [PlanID(finished), PlanID(1)], "whose requests there are")
                try equal(snapshot.specs[PlanID(finished)]?.lab, "lab-\(finished)", "the request of a finished run")
                try equal(
                    [snapshot.lastPlan, snapshot.lastNode, snapshot.lastEvent],
                    [Int64(states.count), 9, 3],
                    "the counters"
                )
            }
        },
        Check("a plan whose rows are broken is left alone, and the others load") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            let stray = StepID(plan: PlanID(5), index: 1)
            var odd = Sample.step(8, 0)
            odd.tries = -1
            try writer.commit {
                $0.plans = (1...8).map { Sample.plan($0) } + [Sample.plan(9, state: .stopped)]
                $0.steps = [
                    Sample.step(1, 0), Sample.step(1, 1, needs: [0]),
                    Sample.step(2, 0, needs: [0]),
                    Sample.step(3, 0, needs: [1]),
                    Sample.step(4, 0), Sample.step(4, 2),
                    Sample.step(5, 0),
                    Sample.step(6, 0, needs: [-1]),
                    Sample.step(7, 0), odd,
                ]
                $0.timersSet = [TimerRow(step: stray, dueAt: Sample.at)]
                $0.nodes = [Sample.node(1), Sample.node(2, createdBy: 10), Sample.node(3, createdBy: 1)]
                $0.attempts = [Sample.attempt(7, step: 0, test: "t"), Sample.attempt(7, step: 1, test: "u")]
                $0.nodes[2].heldBy = PlanID(3)
            }
            let snapshot = try store.load()
            try equal(snapshot.plans.map(\.row.id.rawValue), [1], "the plans that are whole")
            try equal(snapshot.broken.keys.map(\.rawValue).sorted(), [2, 3, 4, 5, 6, 7, 8, 10], "those that are not")
            for (plan, message) in snapshot.broken { try demand(!message.isEmpty, "no word about \(plan)") }
            try equal(
                snapshot.brokenRows.values.sorted { $0.id < $1.id },
                (2...8).map { Sample.plan($0) },
                "the rows by which they can be given up on"
            )
            for number in 1...8 as ClosedRange<Int64> where number != 1 {
                try demand(store.flaw(of: Sample.plan(number)) != nil, "a reader finds no flaw in plan \(number)")
            }
            try equal(store.flaw(of: Sample.plan(1)), nil, "the flaw of a sound plan")
            try equal(store.flaw(of: Sample.plan(9, state: .stopped)), nil, "the flaw of one that has stopped")
            try equal(snapshot.nodes.map(\.id.rawValue), [1, 3], "nodes whose makers' requests are there")
        },
    ]
}
