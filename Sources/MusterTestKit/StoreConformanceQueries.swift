import MusterCore
import MusterStore

/// Finding plans among many, and letting go of old ones.
extension StoreConformance {
    private static func time(_ second: Int64) -> Timestamp { Timestamp(rawValue: second * 1_000_000) }

    private static func ended(_ number: Int64, at second: Int64, lab: String = "shop") -> PlanRow {
        var row = Sample.plan(number, lab: lab, state: .stopped)
        row.result = .success
        row.endedAt = time(second)
        return row
    }

    static let queryChecks: [Check] = [
        Check("a query finds plans by what they are") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            var rows: [PlanRow] = []
            for number in 1...12 as ClosedRange<Int64> {
                var row = Sample.plan(number, lab: number % 3 == 0 ? "third" : "shop")
                row.state = number <= 6 ? .stopped : number <= 8 ? .paused : .running
                row.result = number % 2 == 0 ? .error : .success
                row.verb = number == 5 ? .plan : .test
                row.createdAt = time(number)
                if number >= 10 { row.parent = Sample.id(1, 0) }
                rows.append(row)
            }
            let made = rows
            try writer.commit {
                $0.plans = made
                for row in made { $0.newSpecs[row.id] = row.id.rawValue == 7 ? Sample.program("seven") : Sample.spec() }
            }
            let reader = try subject.join(store)
            func find(_ query: PlanQuery) throws -> [Int64] { try reader.plans(matching: query).map(\.id.rawValue) }
            try equal(reader.plans(matching: PlanQuery()), made.reversed(), "all, the newest first")
            try equal(find(PlanQuery(order: .oldest, limit: 3)), [1, 2, 3], "the three oldest")
            try equal(find(PlanQuery(order: .oldest, limit: 3, after: PlanID(3))), [4, 5, 6], "the next page")
            try equal(find(PlanQuery(limit: 2, after: PlanID(11))), [10, 9], "the second page of the newest")
            try equal(find(PlanQuery(limit: 0)), [], "no more than none")
            try equal(find(PlanQuery(states: [])), [], "those of no state")
            try equal(find(PlanQuery(states: [.paused])), [8, 7], "the paused")
            try equal(find(PlanQuery(states: [.paused, .stopped], results: [.error])), [8, 6, 4, 2], "of two states")
            try equal(find(PlanQuery(results: [])), [], "those of no result")
            try equal(find(PlanQuery(verbs: [.plan, .up])), [5], "those of a verb")
            try equal(find(PlanQuery(lab: "third")), [12, 9, 6, 3], "those of a lab")
            try equal(find(PlanQuery(lab: "third", order: .oldest, limit: 2)), [3, 6], "the oldest of a lab")
            try equal(find(PlanQuery(states: [.stopped], lab: "third", after: PlanID(6))), [3], "the next of a lab")
            try equal(find(PlanQuery(lab: "none")), [], "those of no lab")
            try equal(find(PlanQuery(name: "seven")), [7], "those of a name")
            try equal(find(PlanQuery(name: "eight")), [], "those of no name")
            try equal(find(PlanQuery(states: [.running], kin: .roots)), [9], "those without a parent")
            try equal(find(PlanQuery(kin: .children(of: PlanID(1)))), [12, 11, 10], "sub-plans")
            try equal(find(PlanQuery(lab: "third", kin: .children(of: PlanID(1)))), [12], "sub-plans of a lab")
            try equal(find(PlanQuery(createdFrom: time(3), createdBefore: time(5))), [4, 3], "those of some time")
            try equal(
                reader.counts(matching: PlanQuery(limit: 1, after: PlanID(2))),
                [.stopped: 6, .paused: 2, .running: 4],
                "how many there are of each state, on all pages"
            )
            try equal(reader.counts(matching: PlanQuery(lab: "third")), [.stopped: 2, .running: 2], "those of a lab")
            try equal(reader.counts(matching: PlanQuery(states: [])), [:], "those of no state")
        },
        Check("cleaning deletes what has ended before a time, with all that belongs to it") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            let step = Sample.call(1, 0, CallColumns(input: nil, output: "o", invocation: 1))
            for number in 1...5 as ClosedRange<Int64> {
                let events = writer.events([.planCreated, .planStarted], plan: PlanID(number))
                try writer.commit {
                    $0.plans = [
                        number == 4 ? Sample.plan(4) : ended(number, at: number, lab: number == 3 ? "x" : "shop")
                    ]
                    $0.newSpecs = [PlanID(number): Sample.program()]
                    $0.events = events
                }
            }
            try writer.commit {
                $0.steps = [step]
                $0.attempts = [Sample.attempt(1, step: 0, test: "t")]
                $0.timersSet = [TimerRow(step: Sample.id(1, 0), dueAt: Sample.at)]
                $0.signalsSet = [SignalRow(step: Sample.id(1, 0), number: 1, payload: "")]
                $0.chunks = [ChunkRow(step: Sample.id(1, 0), number: 0, at: Sample.at, text: "c")]
                $0.asks = [PermitRow(step: Sample.id(1, 0), limit: "k"), PermitRow(step: Sample.id(4, -1), limit: "k")]
            }
            let rule = CleaningRule(endedBefore: time(4))
            try equal(store.cleanable(rule).map(\.id.rawValue), [1, 2, 3], "what may go")
            var narrow = rule
            narrow.lab = "x"
            try equal(store.cleanable(narrow).map(\.id.rawValue), [3], "what may go of a lab")
            narrow = rule
            narrow.limit = 1
            let records = try store.whatWouldGo(narrow)
            try equal(records.map(\.row), [ended(1, at: 1)], "the record's row")
            try equal(records[0].spec, Sample.program(), "its request")
            try equal(records[0].steps.map(\.call?.output), ["o"], "its steps")
            try equal(records[0].attempts.map(\.test), ["t"], "its attempts")
            try equal(records[0].chunks.map(\.text), ["c"], "its output")
            try equal(records[0].events.map(\.kind), [.planCreated, .planStarted], "its events")
            try equal(store.plan(PlanID(1)), ended(1, at: 1), "nothing is gone yet")

            narrow = rule
            narrow.only = [PlanID(1), PlanID(4)]
            try equal(store.clean(narrow, by: writer.term), [PlanID(1)], "what went")
            let reader = try subject.join(store)
            try equal(reader.plans(lab: nil, limit: 9).map(\.id.rawValue), [5, 4, 3, 2], "the plans")
            try equal(reader.plan(request: "request-1"), nil, "its request's plan")
            try equal(reader.spec(of: PlanID(1)), nil, "its request")
            try equal(reader.steps(of: PlanID(1)), [], "its steps")
            try equal(reader.attempts(of: PlanID(1)), [], "its attempts")
            try equal(reader.timers(of: PlanID(1)), [], "its timers")
            try equal(reader.signals(of: PlanID(1)), [], "its signals")
            try equal(reader.chunks(of: Sample.id(1, 0), after: 0, limit: 9), [], "its output")
            try equal(reader.events(after: 0, plan: nil, limit: 99).map(\.position), Array(3...10), "all events")
            try equal(reader.events(after: 4, plan: nil, limit: 2).map(\.position), [5, 6], "some events")
            try equal(reader.permits(of: nil).rows.map(\.step.plan.rawValue), [4], "what it held is another's")
            try equal(store.clean(rule, by: writer.term), [PlanID(2), PlanID(3)], "what went by the whole rule")
            try equal(store.clean(rule, by: writer.term), [], "what is left")
            try equal(reader.plans(lab: "shop", limit: 9).map(\.id.rawValue), [5, 4], "the lab's plans")
            try equal(reader.plans(lab: "x", limit: 9), [], "another lab's")
            try store.leave(writer.term)
        },
        Check("neither numbers nor positions are used again after cleaning") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            let events = writer.events([.planCreated, .planStopped], plan: PlanID(1))
            try writer.commit {
                $0.plans = [ended(1, at: 1)]
                $0.newSpecs = [PlanID(1): Sample.spec()]
                $0.events = events
            }
            try demand(store.delete(PlanID(1), by: writer.term), "it was not deleted")
            try demand(!store.delete(PlanID(1), by: writer.term), "it was deleted twice")
            try equal(store.load().lastPlan, 1, "the highest number")
            let more = writer.events([.conductorStarted])
            try writer.commit { $0.events = more }
            try equal(writer.lastEvent, 3, "the next position")
            try equal(store.position(), 3, "the newest position")
            var joined = try Writer(joining: store)
            try equal(store.reserve(plans: 1, nodes: 0, by: joined.term).plans, 2...2, "the next number")
            try joined.commit { $0.plans = [Sample.plan(2)] }
        },
        Check("cleaning leaves what others depend on") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            try writer.commit {
                $0.plans = (1...9).map { ended($0, at: $0) }
                // 1 made a machine, 2 one that is gone; 3 is waited for; 4 has an unfinished sub-plan, 5 an unfinished
                // parent; 6 is a sub-plan of 7.
                $0.nodes = [Sample.node(1), Sample.node(2, createdBy: 2, state: .gone)]
                $0.plans[5].parent = Sample.id(7, 0)
                $0.plans[4].parent = Sample.id(12, 0)
                for number in 10...12 as ClosedRange<Int64> { $0.plans.append(Sample.plan(number)) }
                $0.plans[10].parent = Sample.id(4, 0)
                for row in $0.plans { $0.newSpecs[row.id] = Sample.spec() }
                $0.newSpecs[PlanID(10)] = Sample.program("chained", prerequisites: [PlanID(99), PlanID(3)])
                $0.newSpecs[PlanID(9)] = Sample.program("ended", prerequisites: [PlanID(8)])
            }
            let rule = CleaningRule(endedBefore: time(99))
            try equal(store.cleanable(rule).map(\.id.rawValue), [2, 6, 7, 8, 9], "what may go")
            for number in [1, 3, 4, 5, 10] as [Int64] {
                try refused(.failed, "to delete \(number)") { () throws(StoreError) in
                    _ = try store.delete(PlanID(number), by: writer.term)
                }
            }
            let late = Term(conductor: .sole, epoch: writer.epoch - 1)
            try refused(.fenced, "a late cleaning") { () throws(StoreError) in _ = try store.clean(rule, by: late) }
            try equal(store.clean(rule, by: writer.term).map(\.rawValue), [2, 6, 7, 8, 9], "what went")
            try equal(store.plans(lab: nil, limit: 99).map(\.id.rawValue), [12, 11, 10, 5, 4, 3, 1], "what is left")
        },
        Check("a plan whose rows are gone takes no turn any more") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            try writer.commit {
                $0.plans = [ended(1, at: 1)]
                $0.newSpecs = [PlanID(1): Sample.program()]
                $0.steps = [Sample.call(1, 0)]
            }
            _ = try store.delete(PlanID(1), by: writer.term)
            var step = Sample.call(1, 0, CallColumns(input: nil, invocation: 2))
            step.isNew = false
            let changed = step
            try refused(.failed, "a change of its step") { () throws(StoreError) in
                try writer.commit {
                    $0.plans = [Sample.plan(1)]
                    $0.steps = [changed]
                }
            }
            try equal(store.plan(PlanID(1)), nil, "its row")
            try refused(.failed, "a change of its row alone") { () throws(StoreError) in
                try writer.commit(asIs: true) { $0.plans = [Sample.plan(1)] }
            }
            try equal(store.plan(PlanID(1)), nil, "its row after that")
            try equal(store.plan(request: "request-1"), nil, "its request")
        },
    ]
}
