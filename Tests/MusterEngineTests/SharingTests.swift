import MusterCore
import MusterEngine
import MusterStore
import MusterTestKit
import Testing

/// Several conductors over one state, turn by turn, with clocks moved by hand.
@Suite struct SharingTests {
    /// A conductor whose acts are only noted.
    private struct Peer {
        var core: ConductorCore
        let time: ManualTime
        /// What it was told to begin and has not ended.
        var acts: [Act] = []
        /// What it was told to ask after.
        var inquired: [Act] = []
        /// What it was told to watch.
        var watched: [NodeID] = []

        init(_ store: any Store, _ time: ManualTime, seed: UInt64 = 1, labsAtOnce: Int = .max) throws {
            self.time = time
            core = try ConductorCore(
                store: store,
                identity: ConductorCore.Identity(
                    host: "here",
                    pid: 1,
                    seed: seed,
                    lease: Lease(length: .seconds(5), margin: .milliseconds(400)),
                    labsAtOnce: labsAtOnce
                ),
                time: time
            )
        }

        mutating func turn(_ items: [Inbox.Item] = []) throws {
            let timesFenced = core.timesFenced
            let directives = try core.takeTurn(items)
            if core.timesFenced != timesFenced { (acts, inquired) = ([], []) }
            for directive in directives {
                switch directive {
                case .perform(let act): acts.append(act)
                case .inquire(let act): inquired.append(act)
                case .watch(let node): watched.append(node)
                case .interrupt, .survey, .call, .cancelCall, .inquireCall, .plan, .lookUp, .node, .errand: break
                }
            }
        }

        /// Ends the first act that it was told to begin.
        mutating func end() throws {
            let act = acts.removeFirst()
            try turn([.event(.actEnded(act, .succeeded(facts: [:])))])
        }
    }

    private let clock = StoreConformance.Clock()
    private let time = ManualTime()

    private func plan(_ lab: String) -> RunSpec {
        var spec = RunSpec(verb: .up, lab: lab, labDirectory: "/lab")
        var group = GroupSpec(name: "app", count: 2)
        group.steps = [ProvisionStep(.process(run: nil)), ProvisionStep(.run(Template("./setup")))]
        spec.groups = [group]
        return spec
    }

    private func pass(_ length: Duration) {
        clock.pass(length)
        time.advance(by: length)
    }

    private func submit(_ lab: String, to store: any Store) throws {
        _ = try store.submit(.submit(token: lab, spec: plan(lab)), at: time.now())
    }

    @Test func labsAreSharedOutAndEachRunHasOneOwner() throws {
        let store = MemoryStore { [clock] in clock.now }
        for lab in ["a", "b", "c"] { try submit(lab, to: store) }
        var first = try Peer(store, time, labsAtOnce: 1)
        var second = try Peer(store, time, seed: 2)
        try first.turn([.requestsArrived])
        try second.turn([.requestsArrived])
        #expect(first.core.owns("a") && !first.core.owns("b"))
        #expect(second.core.owns("b") && second.core.owns("c") && !second.core.owns("a"))
        #expect(first.acts.count == 2 && second.acts.count == 4)
        #expect(Set((first.acts + second.acts).compactMap(\.node)).count == 6, "nobody shares a number")
        #expect(try store.requests(after: 0).isEmpty)
        while !first.acts.isEmpty { try first.end() }
        while !second.acts.isEmpty { try second.end() }
        #expect(try store.plans(lab: nil, limit: 9).map(\.result) == [.success, .success, .success])
        let ids = try store.plans(lab: nil, limit: 9).map(\.id)
        #expect(Set(ids).count == 3)
    }

    @Test func aLostConductorsWorkIsTakenWithinTheLeaseAndASecond() throws {
        let store = MemoryStore { [clock] in clock.now }
        try submit("a", to: store)
        var lost = try Peer(store, time)
        var survivor = try Peer(store, time, seed: 2)
        try lost.turn([.requestsArrived])
        try survivor.turn([.requestsArrived])
        try lost.end()
        #expect(survivor.acts.isEmpty)
        let since = clock.now
        while survivor.acts.isEmpty && survivor.inquired.isEmpty && clock.now - since < .seconds(10) {
            let wait = survivor.core.timeToNextTimer()
            pass(try #require(wait))
            try survivor.turn()
        }
        #expect(clock.now - since > .seconds(5), "while its lease lasts it is alive")
        #expect(clock.now - since <= .seconds(6), "taken after \(clock.now - since)")
        #expect(survivor.inquired.count == 2, "nobody knows what the lost one began: \(survivor.acts)")
        // What it had begun runs on; the taker waits for that, and goes on to the end without a person.
        for act in survivor.inquired { try survivor.turn([.event(.actFound(act, .running))]) }
        #expect(survivor.acts.allSatisfy { $0.isInDoubt })
        while !survivor.acts.isEmpty { try survivor.end() }
        #expect(try store.plan(request: "a")?.result == .success)
        #expect(try store.plan(request: "a")?.epoch == survivor.core.epoch)
    }

    @Test func aFencedConductorWritesAndPerformsNothingAndBeginsAnew() throws {
        let store = MemoryStore { [clock] in clock.now }
        let slowTime = ManualTime(time.now())
        try submit("a", to: store)
        var slow = try Peer(store, slowTime)
        try slow.turn([.requestsArrived])
        #expect(slow.acts.count == 2)
        let epoch = slow.core.epoch
        // It stands still, clock and all, while another takes over.
        var other = try Peer(store, time, seed: 2)
        pass(.seconds(6))
        try other.turn()
        #expect(other.inquired.count == 2)
        let position = try store.position()
        let late = slow.acts.removeFirst()
        try slow.turn([.event(.actEnded(late, .succeeded(facts: [:])))])
        #expect(try store.position() == position, "its turn did not land")
        #expect(slow.acts.isEmpty && slow.inquired.isEmpty)
        #expect(slow.core.timesFenced == 1)
        #expect(slow.core.epoch > epoch)
        #expect(!slow.core.owns("a"))
        try slow.turn([.requestsArrived])
        #expect(slow.acts.isEmpty, "the lab has another owner")
        for act in other.inquired { try other.turn([.event(.actFound(act, .neverStarted))]) }
        while !other.acts.isEmpty { try other.end() }
        #expect(try store.plan(request: "a")?.result == .success)
    }

    @Test func actsLeaveOnlyWhileTheLeaseSurelyLasts() throws {
        let store = MemoryStore { [clock] in clock.now }
        var peer = try Peer(store, time)
        #expect(peer.core.mayAct())
        pass(.milliseconds(4_599))
        #expect(peer.core.mayAct())
        pass(.milliseconds(1))
        #expect(!peer.core.mayAct(), "a margin before its end, which others do not wait for")
        try submit("a", to: store)
        try peer.turn([.requestsArrived])
        #expect(peer.core.mayAct(), "the turn has renewed it")
        #expect(peer.core.actsUntil == time.now() + .milliseconds(4_600))
        // An act that was dropped at the end of the lease never started, and is begun by the next turn that lands.
        let dropped = peer.acts.removeFirst()
        pass(.milliseconds(4_700))
        #expect(!peer.core.mayAct())
        try peer.turn([.event(.actFound(dropped, .neverStarted))])
        #expect(peer.acts.contains { $0.step == dropped.step && $0.number == dropped.number })
        #expect(peer.core.mayAct())
    }

    @Test func anIdleConductorKeepsItsLease() throws {
        let store = MemoryStore { [clock] in clock.now }
        var idle = try Peer(store, time)
        var other = try Peer(store, time, seed: 2)
        for _ in 0..<60 {
            let wait = idle.core.timeToNextTimer()
            pass(try #require(wait))
            try idle.turn()
            try other.turn()
            #expect(idle.core.mayAct() && other.core.mayAct())
        }
        #expect(idle.core.timesFenced == 0 && other.core.timesFenced == 0)
    }

    /// A take-over of a taken-over run keeps its order of epochs, also for nodes that stand since before.
    @Test func aRunMayBeTakenOverAgainAndAgain() throws {
        let store = MemoryStore { [clock] in clock.now }
        try submit("a", to: store)
        var epochs: [Epoch] = []
        for number in 1...4 as ClosedRange<UInt64> {
            var peer = try Peer(store, time, seed: number)
            pass(.seconds(6))
            try peer.turn([.requestsArrived])
            for act in peer.inquired { try peer.turn([.event(.actFound(act, .running))]) }
            if !peer.acts.isEmpty { try peer.end() }
            epochs.append(peer.core.epoch)
        }
        #expect(epochs == epochs.sorted() && Set(epochs).count == 4)
        #expect(try store.plan(request: "a")?.result == .success)
        #expect(try store.nodes(lab: "a", includingGone: false).map(\.state) == [.ready, .ready])
    }

    /// A claim raises the epoch, which supervisors of nodes that are held already have not heard of.
    @Test func nodesHeldBeforeAreWatchedAgainUnderARisenTerm() throws {
        let store = MemoryStore { [clock] in clock.now }
        var first = try Peer(store, time)
        try submit("a", to: store)
        try first.turn([.requestsArrived])
        while !first.acts.isEmpty { try first.end() }
        let nodes = try store.nodes(lab: "a", includingGone: false).map(\.id)
        var second = try Peer(store, time, seed: 2)
        try submit("b", to: store)
        try second.turn([.requestsArrived])
        #expect(second.core.owns("b"))
        first.watched = []
        let epoch = first.core.epoch
        for _ in 0..<60 where !first.core.owns("b") {
            pass(.milliseconds(500))
            try first.turn()
        }
        #expect(first.core.owns("b") && first.core.epoch > epoch)
        #expect(Set(first.watched).isSuperset(of: nodes), "\(first.watched)")
        first.watched = []
        pass(.milliseconds(500))
        try first.turn()
        #expect(first.watched == [], "once for each term")
    }

    /// What was lost while nobody decided is replaced by whoever takes the run, which wants a number of its own.
    @Test func aTakenRunReplacesWhatWasLostMeanwhile() throws {
        let store = MemoryStore { [clock] in clock.now }
        var spec = RunSpec(verb: .test, lab: "a", labDirectory: "/lab")
        spec.groups = ["db", "app"].map { name in
            var group = GroupSpec(name: name)
            group.steps = [ProvisionStep(.process(run: nil))]
            return group
        }
        var suite = SuiteSpec(name: "api", group: "app")
        suite.needs = [Need(group: "db")]
        suite.tests = [TestSpec(name: "t", command: .run(Template("t")))]
        spec.suites = [suite]
        _ = try store.submit(.submit(token: "a", spec: spec), at: time.now())
        var first = try Peer(store, time)
        try first.turn([.requestsArrived])
        // The application stands, and waits for the database.
        let app = try #require(try store.nodes(lab: "a", includingGone: false).first { $0.name.group == "app" })
        while let index = first.acts.firstIndex(where: { $0.node == app.id }) {
            try first.turn([.event(.actEnded(first.acts.remove(at: index), .succeeded(facts: [:])))])
        }
        // Somebody looks, hears of the loss, and goes on with nothing.
        let sole = ConductorCore.Identity(host: "here", pid: 2, seed: 2)
        var idle = try ConductorCore(store: store, identity: sole, time: time)
        _ = try idle.takeTurn([.event(.nodeLost(app.id, reason: "gone"))])
        #expect(try store.node(app.id)?.state == .lost)
        var taker = try Peer(store, time, seed: 3)
        try taker.turn()
        #expect(taker.acts.map(\.spec.action) == [.destroy])
        let names = try store.nodes(lab: "a", includingGone: false).filter { $0.id > app.id }.map(\.name)
        #expect(names == [app.name])
    }
}
