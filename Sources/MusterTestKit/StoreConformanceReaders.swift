import MusterCore
import MusterStore

extension StoreConformance {
    static let clientChecks: [Check] = [
        Check("requests lie in order until a turn has answered them") { subject in
            let store = try subject.make()
            let client = try subject.join(store)
            var writer = try Writer(store)
            let sent: [Request] = [
                .submit(token: Sample.text, spec: Sample.spec()), .cancel(PlanID(1)), .halt(PlanID(.max)),
                .resume(PlanID(3)),
            ]
            var ids: [Int64] = []
            for (place, request) in sent.enumerated() {
                ids.append(try (place % 2 == 0 ? client : store).submit(request, at: Sample.at))
            }
            try equal(ids, ids.sorted(), "the numbers rise")
            try equal(Set(ids).count, 4, "each has its own")
            try equal(store.requests(after: 0).map(\.request), sent, "the requests")
            try equal(store.requests(after: 0).map(\.id), ids, "their numbers")
            try equal(store.requests(after: ids[1]).map(\.id), Array(ids[2...]), "those after the second")
            try equal(store.requests(after: ids[3]), [], "those after the last")
            try writer.commit {
                $0.plans = [Sample.plan(1)]
                $0.requestsDone = [ids[0], ids[2]]
            }
            try equal(client.requests(after: 0).map(\.id), [ids[1], ids[3]], "those without an answer")
        },
        Check("the number of a request is never used again") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            let first = try store.submit(.cancel(PlanID(1)), at: Sample.at)
            try writer.commit { $0.requestsDone = [first] }
            let second = try subject.join(store).submit(.cancel(PlanID(2)), at: Sample.at)
            try demand(second > first, "request \(second) came after \(first)")
            try equal(store.requests(after: first).map(\.id), [second], "the second request")
        },
        Check("a request is taken back or answered, never both") { subject in
            let store = try subject.make()
            let client = try subject.join(store)
            var writer = try Writer(store)
            let first = try client.submit(.cancel(PlanID(1)), at: Sample.at)
            let second = try client.submit(.halt(PlanID(2)), at: Sample.at)
            try demand(client.withdraw(request: first), "the first was not taken back")
            try demand(!store.withdraw(request: first), "the first was taken back twice")
            try equal(store.requests(after: 0).map(\.id), [second], "the inbox")
            // The conductor has read both before.
            try refused(nil, "an answer to what was taken back") { () throws(StoreError) in
                try writer.commit {
                    $0.plans = [Sample.plan(1)]
                    $0.requestsDone = [second, first]
                }
            }
            try equal(store.plan(PlanID(1)), nil, "the plan of that turn")
            try equal(store.requests(after: 0).map(\.id), [second], "the inbox after it")
            try writer.commit { $0.requestsDone = [second] }
            try demand(!client.withdraw(request: second), "what was answered was taken back")
            try demand(!client.withdraw(request: 4711), "what never was, was taken back")
        },
        Check("a fenced turn answers no request") { subject in
            let store = try subject.make()
            var old = try Writer(store)
            _ = try Writer(try subject.join(store))
            let request = try store.submit(.halt(PlanID(1)), at: Sample.at)
            try refused(.fenced, "a late answer") { () throws(StoreError) in
                try old.commit { $0.requestsDone = [request] }
            }
            try equal(store.requests(after: 0).map(\.id), [request], "the inbox")
        },
        Check("another object sees each commit as soon as it has returned") { subject in
            let store = try subject.make()
            let reader = try subject.join(store)
            var writer = try Writer(store)
            for number in 1...20 as ClosedRange<Int64> {
                let events = writer.events([.planCreated], plan: PlanID(number))
                try writer.commit {
                    $0.plans = [Sample.plan(number)]
                    $0.events = events
                }
                try equal(reader.plan(PlanID(number)), Sample.plan(number), "the plan")
                try equal(reader.position(), number, "the position")
            }
        },
    ]

    static let readerChecks: [Check] = [
        Check("plans are listed newest first, of one lab, up to a limit") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            try writer.commit { $0.plans = (1...10).map { Sample.plan($0, lab: $0 % 2 == 0 ? "even" : "odd") } }
            func numbers(_ lab: String?, _ limit: Int) throws -> [Int64] {
                try store.plans(lab: lab, limit: limit).map(\.id.rawValue)
            }
            try equal(numbers(nil, 3), [10, 9, 8], "all labs")
            try equal(numbers("odd", 100), [9, 7, 5, 3, 1], "one lab")
            try equal(numbers("even", 2), [10, 8], "one lab, limited")
            try equal(numbers("none", 2), [], "no such lab")
            try equal(numbers(nil, 0), [], "none wanted")
        },
        Check("nodes are listed by lab, group, index and number") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            func node(_ number: Int64, _ lab: String, _ group: String, _ index: Int, _ state: NodeState) -> NodeRow {
                var row = Sample.node(number, state: state, lab: lab)
                row.name = NodeName(group: group, index: index)
                return row
            }
            try writer.commit {
                $0.nodes = [
                    node(6, "b", "app", 0, .ready), node(5, "a", "db", 0, .gone), node(4, "a", "db", 10, .lost),
                    node(3, "a", "db", 2, .ready), node(2, "a", "app", 0, .creating), node(7, "a", "db", 0, .ready),
                ]
            }
            func numbers(_ lab: String?, _ gone: Bool) throws -> [Int64] {
                try store.nodes(lab: lab, includingGone: gone).map(\.id.rawValue)
            }
            try equal(numbers(nil, false), [2, 7, 3, 4, 6], "those that are there")
            try equal(numbers(nil, true), [2, 5, 7, 3, 4, 6], "all")
            try equal(numbers("a", true), [2, 5, 7, 3, 4], "all of a lab")
            try equal(numbers("b", false), [6], "those of another lab")
        },
        Check("events have no gaps and are read in pages, of all plans or of one") { subject in
            let store = try subject.make()
            let reader = try subject.join(store)
            var writer = try Writer(store)
            for turn in 0..<50 {
                let events = writer.events([.stepStarted, .stepSucceeded], plan: PlanID(Int64(turn % 5 + 1)))
                try writer.commit { $0.events = events }
            }
            var second = try Writer(reader)
            let events = second.events([.conductorStarted, .planStopped])
            try second.commit { $0.events = events }
            try equal(store.position(), 102, "the newest position")
            var seen: [Int64] = []
            while true {
                let page = try reader.events(after: seen.last ?? 0, plan: nil, limit: 7)
                try demand(page.count <= 7, "a page of \(page.count)")
                if page.isEmpty { break }
                seen += page.map(\.position)
            }
            try equal(seen, Array(1...102), "the positions")
            let ofOne = try reader.events(after: 2, plan: PlanID(1), limit: 5)
            try equal(ofOne.map(\.position), [11, 12, 21, 22, 31], "those of one plan")
            try equal(store.events(after: 102, plan: nil, limit: 5), [], "those after the last")
            try equal(store.events(after: 500, plan: nil, limit: 5), [], "those far after the last")
            try equal(store.events(after: 0, plan: PlanID(77), limit: 5), [], "those of no plan")
            try equal(store.events(after: 0, plan: nil, limit: 0), [], "none wanted")
        },
        Check("the newest duration of each test that ran is known by lab and suite") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            var never = Sample.attempt(1, step: 10, test: "never")
            never.startedAt = nil
            var cancelled = Sample.attempt(1, step: 11, test: "fast", milliseconds: 999, at: 9_000_000)
            cancelled.isCancelled = true
            try writer.commit {
                $0.plans = [Sample.plan(1), Sample.plan(2), Sample.plan(3, lab: "other")]
                $0.attempts = [
                    Sample.attempt(1, step: 0, test: "fast", milliseconds: 10, at: 2_000_000),
                    Sample.attempt(1, step: 1, test: "slow", outcome: .fail, milliseconds: 500),
                    Sample.attempt(1, step: 2, test: "lost", outcome: .infra, milliseconds: 1),
                    Sample.attempt(3, step: 0, test: "fast", milliseconds: 77),
                    never, cancelled,
                ]
            }
            try equal(
                store.durations(lab: "shop", suite: "api"),
                ["fast": .milliseconds(10), "slow": .milliseconds(500)],
                "durations"
            )
            try writer.commit {
                $0.attempts = [
                    // Older than what is known.
                    Sample.attempt(2, step: 0, test: "fast", milliseconds: 30, at: 1_500_000),
                    Sample.attempt(2, step: 1, test: "slow", milliseconds: 40, at: 3_000_000),
                ]
            }
            try equal(
                try subject.join(store).durations(lab: "shop", suite: "api"),
                ["fast": .milliseconds(10), "slow": .milliseconds(40)],
                "newer durations"
            )
            try equal(store.durations(lab: "other", suite: "api"), ["fast": .milliseconds(77)], "another lab's")
            try equal(store.durations(lab: "shop", suite: "none"), [:], "those of no suite")
        },
    ]
}
