import MusterCore
import MusterStore

extension StoreConformance {
    static let rowChecks: [Check] = [
        Check("plans come back with every column") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            var full = Sample.plan(1, lab: Sample.text, state: .paused, request: Sample.text)
            full.result = .warning
            full.phase = .teardown
            full.isCancelling = true
            full.reason = Sample.text
            full.host = "höst"
            full.epoch = 77
            full.startedAt = Timestamp(rawValue: 5)
            full.endedAt = Timestamp(rawValue: .max)
            let bare = Sample.plan(2, lab: "", request: "")
            try writer.commit {
                $0.plans = [full, bare]
                $0.newSpecs = [PlanID(1): Sample.spec(), PlanID(2): Sample.spec()]
            }
            for reader in [store, try subject.join(store)] {
                try equal(reader.plan(PlanID(1)), full, "a full plan")
                try equal(reader.plan(PlanID(2)), bare, "a bare plan")
                try equal(reader.plan(request: Sample.text), full, "a plan by its request")
                try equal(reader.plan(PlanID(3)), nil, "a plan that is not there")
                try equal(reader.plan(request: "other"), nil, "a request that is not there")
            }
            full.state = .stopped
            full.result = .cancelled
            full.reason = nil
            full.endedAt = Timestamp(rawValue: 6)
            try writer.commit { $0.plans = [full] }
            try equal(store.plan(PlanID(1)), full, "a changed plan")
        },
        Check("every state, result, verb and phase of a plan comes back") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            var rows: [PlanRow] = []
            for state in PlanState.allCases {
                for result in PlanResult.allCases {
                    var row = Sample.plan(Int64(rows.count + 1), state: state)
                    row.result = result
                    row.verb = Verb.allCases[rows.count % Verb.allCases.count]
                    row.phase = PlanPhase.allCases[rows.count % PlanPhase.allCases.count]
                    rows.append(row)
                }
            }
            try writer.commit { $0.plans = rows }
            try equal(store.plans(lab: nil, limit: 1000), rows.reversed(), "the plans")
        },
        Check("the request of a plan comes back as it was") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            try writer.commit {
                $0.plans = [Sample.plan(1)]
                $0.newSpecs = [PlanID(1): Sample.spec()]
            }
            try equal(try subject.join(store).spec(of: PlanID(1)), Sample.spec(), "the request")
            try equal(store.spec(of: PlanID(2)), nil, "a request that is not there")
        },
        Check("steps come back with every column") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            // As many as the longest list of cases below.
            let kinds = ActionKind.allCases
            let count = max(kinds.count, StepState.allCases.count, StepError.Code.allCases.count)
            var rows: [StepRow] = (0..<count).map { place in
                var row = Sample.step(1, StepIndex(place))
                row.spec.action = kinds[place % kinds.count]
                if [.call, .finalize, .revert].contains(row.spec.action) { row.call = CallColumns(input: nil) }
                return row
            }
            for (place, state) in StepState.allCases.enumerated() { rows[place].state = state }
            rows[3].spec = StepSpec(
                .attempt,
                a: .min,
                b: .max,
                c: -1,
                node: NodeID(.max),
                pool: 7,
                priority: .min,
                threshold: 0,
                startsAfterFailure: true,
                input: Sample.text
            )
            rows[3].needs = [0, 2, 1]
            rows[3].tries = 9
            rows[3].resource = NodeID(12)
            rows[3].error = StepError(.notReady, Sample.text)
            rows[3].startedAt = Timestamp(rawValue: -1)
            rows[3].endedAt = Sample.at
            rows[4].spec.input = ""
            rows[4].error = StepError(.file, "")
            try writer.commit {
                $0.plans = [Sample.plan(1)]
                $0.newSpecs = [PlanID(1): Sample.spec()]
                $0.steps = rows.reversed()
            }
            for place in rows.indices { rows[place].isNew = false }
            try equal(try subject.join(store).steps(of: PlanID(1)), rows, "the steps")

            for (place, code) in StepError.Code.allCases.enumerated() {
                rows[place].error = StepError(code, "\(code)")
                rows[place].state = .error
                rows[place].tries += 1
                rows[place].startedAt = Sample.at
                rows[place].endedAt = nil
                rows[place].resource = NodeID(Int64(place))
            }
            try writer.commit { $0.steps = rows }
            try equal(store.steps(of: PlanID(1)), rows, "the changed steps")
            try equal(store.steps(of: PlanID(2)), [], "the steps of no plan")
        },
        Check("a changed step keeps what it is and what it needs") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            var row = Sample.step(1, 1, needs: [0])
            row.spec.priority = 5
            try writer.commit {
                $0.plans = [Sample.plan(1)]
                $0.steps = [Sample.step(1, 0), row]
            }
            let other = StepRow(
                plan: PlanID(1),
                index: 1,
                isNew: false,
                spec: StepSpec(.barrier),
                needs: [],
                state: .success
            )
            try writer.commit { $0.steps = [other] }
            let found = try store.steps(of: PlanID(1)).last
            try equal(found?.spec, row.spec, "what it is")
            try equal(found?.needs, [0], "what it needs")
            try equal(found?.state, .success, "its state")
        },
        Check("nodes come back with every column") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            var rows: [NodeRow] = []
            for (place, state) in NodeState.allCases.enumerated() {
                rows.append(Sample.node(Int64(place + 1), state: state))
            }
            rows[2].heldBy = PlanID(1)
            rows[2].replacements = 3
            rows[2].stepsStarted = 4
            rows[2].facts = ["address": "127.64.0.1", Sample.text: Sample.text, "empty": ""]
            rows[2].reason = Sample.text
            rows[2].driver = Sample.text
            rows[2].lab = "shöp"
            try writer.commit { $0.nodes = rows }
            for row in rows { try equal(try subject.join(store).node(row.id), row, "a node") }
            try equal(store.node(NodeID(99)), nil, "a node that is not there")
            rows[2].heldBy = nil
            rows[2].stepsStarted = 5
            rows[2].facts = [:]
            rows[2].reason = nil
            rows[2].state = .gone
            try writer.commit { $0.nodes = [rows[2]] }
            try equal(store.node(rows[2].id), rows[2], "a changed node")
        },
        Check("attempts come back with every column, by step and number") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            var rows = Outcome.allCases.enumerated().map { place, outcome in
                Sample.attempt(1, step: StepIndex(place), test: "t\(place)", outcome: outcome)
            }
            rows[1].note = Sample.text
            rows[1].test = Sample.text
            rows[1].node = NodeName(group: "app", index: 2)
            rows[1].nodeID = NodeID(8)
            rows[1].rerunsSpent = 2
            rows[1].infraSpent = 1
            rows[1].isCancelled = true
            rows[2].startedAt = nil
            rows.insert(Sample.attempt(1, step: 1, test: "again", number: 2), at: 2)
            try writer.commit {
                $0.plans = [Sample.plan(1), Sample.plan(2)]
                $0.attempts = rows.reversed() + [Sample.attempt(2, step: 0, test: "other")]
            }
            try equal(try subject.join(store).attempts(of: PlanID(1)), rows, "the attempts")
            rows[2].note = "written again"
            try writer.commit { $0.attempts = [rows[2]] }
            try equal(store.attempts(of: PlanID(1)), rows, "an attempt that was written again")
        },
        Check("what tests report comes back by the steps of their attempts, and not with those") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            var rows = [Sample.attempt(1, step: 0, test: "a"), Sample.attempt(1, step: 3, test: "b")]
            let plain = rows
            rows[1].results = "[{\"name\":\"\(Sample.text.count)\"}]"
            try writer.commit {
                $0.plans = [Sample.plan(1)]
                $0.attempts = rows
            }
            try equal(store.attempts(of: PlanID(1)), plain, "the attempts")
            let found = try subject.join(store).testResults(of: PlanID(1))
            try equal(found, [3: rows[1].results ?? ""], "what they reported")
            try equal(store.testResults(of: PlanID(2)), [:], "of another run")
            rows[1].results = "[]"
            try writer.commit { $0.attempts = rows }
            try equal(store.testResults(of: PlanID(1)), [3: "[]"], "what was written again")
        },
        Check("events come back with every column") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            var rows = writer.events(EventRow.Kind.allCases)
            rows[1].plan = PlanID(.max)
            rows[1].step = .max
            rows[1].node = NodeID(5)
            rows[1].detail = Sample.text
            rows[2].detail = ""
            let written = rows
            try writer.commit { $0.events = written }
            try equal(try subject.join(store).events(after: 0, plan: nil, limit: 1000), rows, "the events")
        },
        Check("a timer is set, replaced and cleared") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            let step = StepID(plan: PlanID(1), index: 3)
            let other = StepID(plan: PlanID(1), index: 1)
            func timer(_ step: StepID, _ due: Int64) -> TimerRow {
                TimerRow(step: step, dueAt: Timestamp(rawValue: due))
            }
            try writer.commit { $0.timersSet = [timer(step, 10), timer(other, 5)] }
            try equal(store.timers(of: PlanID(1)), [timer(other, 5), timer(step, 10)], "timers")
            try writer.commit { $0.timersSet = [timer(step, 20)] }
            try equal(store.timers(of: PlanID(1)), [timer(other, 5), timer(step, 20)], "a replaced timer")
            try writer.commit { $0.timersCleared = [step, StepID(plan: PlanID(9), index: 0)] }
            try equal(try subject.join(store).timers(of: PlanID(1)), [timer(other, 5)], "what is left")
            try equal(store.timers(of: PlanID(2)), [], "timers of another plan")
        },
    ]
}
