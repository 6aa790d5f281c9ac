import MusterCore
import MusterStore

/// Limits: who holds them, in which order they are granted, and how often.
extension StoreConformance {
    private static func ask(_ plan: Int64, _ limit: String, _ priority: Int64 = 0) -> PermitRow {
        PermitRow(step: Sample.id(plan, 0), limit: limit, priority: priority)
    }

    /// The plans whose step 0 holds a permit, in the order in which they asked.
    private static func holders(_ store: any Store, _ limit: String) throws -> [Int64] {
        try store.permits(of: nil).rows.filter { $0.limit == limit }.map(\.step.plan.rawValue)
    }

    static let limitChecks: [Check] = [
        Check("a limit is held by so many at once, by priority and then by asking") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            try store.define([LimitRow(name: "db", size: 2)], by: writer.term)
            try writer.commit {
                $0.plans = (1...9).map { Sample.plan($0) }
                $0.asks = [ask(1, "db"), ask(2, "db"), ask(3, "db"), ask(4, "db", 5), ask(5, "db", 5)]
            }
            // All that ask in one turn are looked at together.
            try equal(holders(store, "db"), [4, 5], "those that hold it")
            try writer.commit {
                $0.asks = [ask(6, "db", 9), ask(1, "db", 99)]
                $0.releases = [Sample.id(4, 0)]
            }
            try equal(holders(store, "db"), [5, 6], "after one let go")
            try writer.commit { $0.releases = [Sample.id(5, 0), Sample.id(6, 0)] }
            try equal(holders(store, "db"), [1, 2], "those that have asked first")
            try writer.commit { $0.releases = [Sample.id(3, 0), Sample.id(1, 0)] }
            try equal(holders(store, "db"), [2], "nobody is left")
            try equal(store.permits(of: nil).nextGrantAt, nil, "when another may be granted")
        },
        Check("a limit that nobody has defined is held by one") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            try writer.commit {
                $0.plans = [Sample.plan(1), Sample.plan(2), Sample.plan(3)]
                $0.asks = [ask(2, "key"), ask(1, "key"), ask(3, "other")]
            }
            try equal(holders(store, "key"), [2], "who holds it")
            try equal(holders(store, "other"), [3], "who holds another")
            try store.define([LimitRow(name: "key", size: nil)], by: writer.term)
            try equal(holders(store, "key"), [2, 1], "who holds it when it is defined wider")
            try store.define([LimitRow(name: "key", size: 0)], by: writer.term)
            try writer.commit {
                $0.releases = [Sample.id(2, 0)]
                $0.asks = [ask(3, "key")]
            }
            try equal(holders(store, "key"), [1], "nothing is taken away, nothing is given")
        },
        Check("what a step lets go of and asks for in one turn it asks for anew") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            try writer.commit {
                $0.plans = [Sample.plan(1), Sample.plan(2)]
                $0.asks = [ask(1, "key"), ask(2, "key")]
            }
            try writer.commit {
                $0.releases = [Sample.id(1, 0)]
                $0.asks = [ask(1, "key")]
            }
            try equal(holders(store, "key"), [2], "who holds it")
            try writer.commit { $0.releases = [Sample.id(2, 0)] }
            try equal(holders(store, "key"), [1], "who holds it after that")
        },
        Check("a rate lets so many through as time passes") { subject in
            let clock = Clock()
            let store = try subject.make(clock)
            var writer = try Writer(store)
            let limit = LimitRow(name: "api", size: nil, interval: .seconds(1), burst: 2)
            try store.define([limit], by: writer.term)
            try writer.commit {
                $0.plans = (1...5).map { Sample.plan($0) }
                $0.asks = (1...5).map { ask($0, "api") }
            }
            try equal(holders(store, "api"), [1, 2], "the burst")
            try equal(store.permits(of: nil).nextGrantAt, clock.now + .seconds(1), "when the next goes")
            try writer.commit { $0.releases = [Sample.id(1, 0), Sample.id(2, 0)] }
            try equal(holders(store, "api"), [], "letting go gives nothing back")
            clock.pass(.milliseconds(999))
            try store.grantPermits(by: writer.term)
            try equal(holders(store, "api"), [], "too early")
            clock.pass(.milliseconds(1))
            try store.grantPermits(by: writer.term)
            try equal(holders(store, "api"), [3], "one after a second")
            // Defined again it goes on where it was.
            try store.define([limit], by: writer.term)
            try equal(holders(store, "api"), [3], "one after it was defined again")
            clock.pass(.seconds(60))
            try store.grantPermits(by: writer.term)
            try equal(holders(store, "api"), [3, 4, 5], "all after a minute")
            try equal(store.permits(of: nil).nextGrantAt, nil, "nobody waits")
        },
        Check("a limit with a size and a rate holds back by both") { subject in
            let clock = Clock()
            let store = try subject.make(clock)
            var writer = try Writer(store)
            try store.define([LimitRow(name: "api", size: 1, interval: .seconds(1))], by: writer.term)
            try writer.commit {
                $0.plans = [Sample.plan(1), Sample.plan(2)]
                $0.asks = [ask(1, "api"), ask(2, "api")]
            }
            try equal(store.permits(of: nil).nextGrantAt, nil, "time alone does not help")
            clock.pass(.seconds(9))
            try store.grantPermits(by: writer.term)
            try equal(holders(store, "api"), [1], "who holds it")
            try writer.commit { $0.releases = [Sample.id(1, 0)] }
            try equal(holders(store, "api"), [2], "who holds it after that")
        },
        Check("a limit's line has those who hold it, then those who wait in the order in which they get it") {
            subject in
            let store = try subject.make()
            var writer = try Writer(store)
            try writer.commit {
                $0.plans = (1...5).map { Sample.plan($0) }
                $0.asks = [ask(3, "db"), ask(1, "other")]
            }
            try writer.commit { $0.asks = [ask(1, "db"), ask(2, "db", 5), ask(4, "db", 9), ask(5, "db")] }
            try writer.commit {
                var stopped = Sample.plan(4)
                stopped.state = .stopped
                $0.plans = [stopped]
            }
            let line = try store.line(for: "db")
            try equal(line.map(\.step.plan.rawValue), [3, 2, 1, 5], "the line, without the plan that has stopped")
            try equal(line.map(\.isHeld), [true, false, false, false], "who holds it")
            try equal(store.line(for: "none"), [], "a limit that nobody wants")
        },
        Check("permits are told of the labs that were asked for, and only of unfinished plans") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            try writer.commit {
                $0.plans = [Sample.plan(1), Sample.plan(2, lab: "other"), Sample.plan(3, state: .stopped)]
                $0.asks = [ask(1, "a"), ask(2, "b", 7), ask(3, "c"), ask(1, "b")]
            }
            let mine = PermitRow(step: Sample.id(1, 0), limit: "a", isHeld: true)
            let others = PermitRow(step: Sample.id(2, 0), limit: "b", priority: 7, isHeld: true)
            try equal(store.permits(of: nil).rows, [mine, others], "all")
            try equal(store.permits(of: ["shop"]).rows, [mine], "those of one lab")
            try equal(store.permits(of: []).rows, [], "those of none")
        },
        Check("a limit holds across conductors, and a lost one defines and grants nothing") { subject in
            let store = try subject.make()
            var first = try Writer(joining: store)
            var second = try Writer(joining: try subject.join(store))
            try first.commit {
                $0.plans = [Sample.plan(1)]
                $0.asks = [ask(1, "key")]
            }
            try second.commit {
                $0.plans = [Sample.plan(2, lab: "other")]
                $0.asks = [ask(2, "key")]
            }
            try equal(holders(store, "key"), [1], "who holds it")
            try store.leave(second.term)
            try refused(.fenced, "a grant") { () throws(StoreError) in try store.grantPermits(by: second.term) }
            try refused(.fenced, "a definition") { () throws(StoreError) in
                try store.define([LimitRow(name: "key", size: 9)], by: second.term)
            }
            try first.commit { $0.releases = [Sample.id(1, 0)] }
            try equal(holders(store, "key"), [2], "who holds it when the first lets go")
        },
    ]
}
