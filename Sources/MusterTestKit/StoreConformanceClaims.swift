package import MusterCore
import MusterStore
import Synchronization

extension StoreConformance {
    /// The clock of a store, moved by hand.
    package final class Clock: Sendable {
        private let time = Mutex(Sample.at)
        package init() {}
        package var now: Timestamp { time.withLock { $0 } }
        package func pass(_ length: Duration) { time.withLock { $0 = $0 + length } }
    }

    private static let lease = Duration.seconds(5)
    private static let margin = Duration.milliseconds(400)

    static let claimChecks: [Check] = [
        Check("each of several conductors writes in its own term") { subject in
            let store = try subject.make()
            var first = try Writer(joining: store)
            var second = try Writer(joining: try subject.join(store))
            try demand(first.term.conductor != second.term.conductor, "both are \(first.term.conductor)")
            try demand(second.epoch > first.epoch, "epoch \(second.epoch) is not above \(first.epoch)")
            for number in 1...3 as ClosedRange<Int64> {
                let one = first.events([.planCreated], plan: PlanID(number))
                try first.commit {
                    $0.plans = [Sample.plan(number)]
                    $0.events = one
                }
                let other = second.events([.planCreated, .planStarted], plan: PlanID(number + 10))
                try second.commit {
                    $0.plans = [Sample.plan(number + 10, lab: "other")]
                    $0.events = other
                }
            }
            let events = try store.events(after: 0, plan: nil, limit: 99)
            try equal(events.map(\.position), Array(1...9), "the positions")
            for (term, count) in [(first.term, 3), (second.term, 6)] {
                let own = events.filter { $0.epoch == term.epoch }
                try equal(own.map(\.number), Array(1..<Int64(count) + 1), "the numbers of one term")
            }
        },
        Check("a reader misses nothing that two writers write in turns") { subject in
            let store = try subject.make()
            var writers = [try Writer(joining: store), try Writer(joining: try subject.join(store))]
            var seen: [EventRow] = []
            for round in 0..<30 {
                let who = (round * 7 / 3) % 2
                let events = writers[who].events(Array(repeating: .stepStarted, count: round % 3))
                try writers[who].commit { $0.events = events }
                seen += try store.events(after: seen.last?.position ?? 0, plan: nil, limit: 99)
            }
            try equal(seen.count, 30, "how many were seen")
            try equal(seen, try store.events(after: 0, plan: nil, limit: 999), "what was read bit by bit")
            try equal(seen.map(\.position), Array(1..<Int64(seen.count) + 1), "the positions")
        },
        Check("a conductor counts as alive for its lease, by the store's clock, and a margin") { subject in
            let clock = Clock()
            let store = try subject.make(clock)
            var slow = try Writer(joining: store)
            let quick = try Writer(joining: try subject.join(store))
            clock.pass(lease + margin)
            try equal(store.declareLost(by: quick.term, margin: margin), [], "at the very end")
            try slow.commit { $0.plans = [Sample.plan(1)] }
            clock.pass(lease + margin)
            try equal(store.declareLost(by: quick.term, margin: margin), [], "after a turn that renewed it")
            clock.pass(.microseconds(1))
            try equal(store.declareLost(by: quick.term, margin: margin), [slow.term.conductor], "who is lost")
            try equal(store.declareLost(by: quick.term, margin: margin), [], "lost once more")
            try refused(.fenced, "a turn of the lost one") { () throws(StoreError) in
                try slow.commit { $0.plans = [Sample.plan(1, state: .stopped)] }
            }
            try equal(store.plan(PlanID(1))?.state, .running, "its plan")
            let term = slow.term
            try refused(.fenced, "its look for others") { () throws(StoreError) in
                _ = try store.declareLost(by: term, margin: margin)
            }
            try refused(.fenced, "its claim") { () throws(StoreError) in _ = try store.claim(by: term, limit: 9) }
            try refused(.fenced, "its numbers") { () throws(StoreError) in
                _ = try store.reserve(plans: 1, nodes: 1, by: term)
            }
            try store.leave(term)
            let again = try Writer(joining: store)
            try demand(again.epoch > quick.epoch, "a term that begins later has the epoch \(again.epoch)")
        },
        Check("a lab has one holder, and who is asked for has it") { subject in
            let store = try subject.make()
            var first = try Writer(joining: store)
            let second = try Writer(joining: try subject.join(store))
            try equal(store.claim(by: first.term, limit: 9).labs, [], "labs of an empty state")
            try first.commit {
                $0.plans = [Sample.plan(1, lab: "b"), Sample.plan(2, lab: "done", state: .stopped)]
                $0.newSpecs = [PlanID(1): Sample.spec(lab: "b"), PlanID(2): Sample.spec(lab: "done")]
                $0.nodes = [Sample.node(1, lab: "c"), Sample.node(2, state: .gone, lab: "gone")]
            }
            _ = try store.submit(.submit(token: "t", spec: Sample.spec(lab: "a")), at: Sample.at)
            _ = try store.submit(.cancel(PlanID(99)), at: Sample.at)
            try equal(store.requests(after: 0).map(\.lab), ["a", nil], "whose owners are asked")
            _ = try store.submit(.cancel(PlanID(1)), at: Sample.at)
            try equal(store.requests(after: 0).last?.lab, "b", "the lab of a plan")
            try equal(store.claim(by: first.term, limit: 2).labs, ["a", "b"], "two of three")
            try equal(store.claim(by: first.term, limit: 0).labs, ["a", "b"], "what it holds, asked again")
            try equal(store.claim(by: second.term, limit: 9).labs, ["c"], "what is left")
            try equal(store.claim(by: first.term, limit: 9).labs, ["a", "b"], "nothing that is held")
            try equal(store.plan(PlanID(1))?.epoch, first.epoch, "the epoch of a claimed plan")
            try equal(store.plan(PlanID(2))?.epoch, 1, "that of one that has stopped")
            let snapshot = try store.load(["b"], for: first.term.conductor)
            try equal(snapshot.plans.map(\.row.id.rawValue), [1], "the plans of one lab")
            try equal(snapshot.nodes, [], "the nodes of another")
            try equal(store.load(["c"], for: second.term.conductor).nodes.map(\.id.rawValue), [1], "its nodes")
        },
        Check("a lab whose work belongs to another host is left to it") { subject in
            let store = try subject.make()
            var here = try Writer(joining: store)
            let there = try Writer(joining: store, host: "there")
            var plan = Sample.plan(1, lab: "b")
            plan.host = "there"
            let row = plan
            try here.commit { $0.plans = [row, Sample.plan(2, lab: "a")] }
            try equal(store.claim(by: here.term, limit: 9).labs, ["a"], "what is left to this host")
            try equal(store.claim(by: there.term, limit: 9).labs, ["b"], "what is left to the other")
        },
        Check("what a lost conductor held is taken under a higher epoch") { subject in
            let clock = Clock()
            let store = try subject.make(clock)
            let early = try Writer(joining: store)
            var lost = try Writer(joining: try subject.join(store))
            try lost.commit { $0.plans = [Sample.plan(1, lab: "a"), Sample.plan(2, lab: "b")] }
            try equal(store.claim(by: lost.term, limit: 9).labs, ["a", "b"], "its labs")
            clock.pass(lease + margin + .milliseconds(1))
            try equal(store.declareLost(by: early.term, margin: margin), [lost.term.conductor], "who is lost")
            let claim = try store.claim(by: early.term, limit: 1)
            try equal(claim.labs, ["a"], "the first of them")
            try demand(claim.term.epoch > lost.epoch, "epoch \(claim.term.epoch) is not above \(lost.epoch)")
            try equal(store.plan(PlanID(1))?.epoch, claim.term.epoch, "the plan's epoch")
            try refused(.fenced, "a turn under the epoch before") { () throws(StoreError) in
                var old = early
                try old.commit { _ in }
            }
            var taker = early
            taker.term = claim.term
            let events = taker.events([.planResumed])
            try equal(events.map(\.number), [1], "the numbers of the new epoch")
            try taker.commit { $0.events = events }
            let second = try store.claim(by: claim.term, limit: 9)
            try equal(second.labs, ["a", "b"], "both")
            try equal(second.term, claim.term, "its term, which is high enough")
        },
        Check("who leaves frees what it held at once") { subject in
            let store = try subject.make()
            var first = try Writer(joining: store)
            let second = try Writer(joining: store)
            try first.commit { $0.plans = [Sample.plan(1, lab: "a")] }
            _ = try store.claim(by: first.term, limit: 9)
            try store.leave(first.term)
            try store.leave(first.term)
            try equal(store.claim(by: second.term, limit: 9).labs, ["a"], "what it held")
            try refused(.fenced, "a turn after it left") { () throws(StoreError) in try first.commit { _ in } }
        },
        Check("a conductor that has the state to itself ends the terms of all others, and the other way round") {
            subject in
            let store = try subject.make()
            var shared = try Writer(joining: store)
            try shared.commit { $0.plans = [Sample.plan(1, lab: "a")] }
            _ = try store.claim(by: shared.term, limit: 9)
            var sole = try Writer(store)
            try demand(sole.epoch > shared.epoch, "epoch \(sole.epoch) is not above \(shared.epoch)")
            try refused(.fenced, "a turn of one of several") { () throws(StoreError) in try shared.commit { _ in } }
            try sole.commit { $0.plans = [Sample.plan(2)] }
            let next = try Writer(joining: store)
            try refused(.fenced, "a turn of the sole one") { () throws(StoreError) in try sole.commit { _ in } }
            try equal(store.claim(by: next.term, limit: 9).labs, ["a", "shop"], "what is free")
        },
        Check("numbers are given out once") { subject in
            let store = try subject.make()
            var first = try Writer(joining: store)
            let second = try Writer(joining: try subject.join(store))
            try first.commit {
                $0.plans = [Sample.plan(7)]
                $0.newSpecs = [PlanID(7): Sample.spec()]
                $0.nodes = [Sample.node(3, createdBy: 7)]
            }
            let one = try store.reserve(plans: 4, nodes: 2, by: first.term)
            try equal(one, NumberBlock(plans: 8...11, nodes: 4...5), "after those in use")
            let two = try store.reserve(plans: 1, nodes: 0, by: second.term)
            try equal(two, NumberBlock(plans: 12...12, nodes: nil), "after those set aside")
            try equal(store.load().lastPlan, 7, "the highest in use")
        },
    ]
}
