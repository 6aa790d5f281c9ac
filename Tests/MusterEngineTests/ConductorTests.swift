import Foundation
import Logging
import MusterCore
import MusterDrivers
import MusterEngine
import MusterStore
import MusterTestKit
import NIOPosix
import Synchronization
import Testing

private func lab(verb: Verb = .test) -> RunSpec {
    var spec = RunSpec(verb: verb, lab: "shop", labDirectory: "/lab")
    var db = GroupSpec(name: "db")
    db.steps = [ProvisionStep(.process(run: nil)), ProvisionStep(.run(Template("./seed")))]
    db.steps[1].undo = Template("./unseed")
    var app = GroupSpec(name: "app", count: 3)
    app.needs = [Need(group: "db")]
    app.steps = [ProvisionStep(.process(run: nil))]
    spec.groups = [db, app]
    var suite = SuiteSpec(name: "api", group: "app")
    suite.reruns = 1
    suite.tests = ["good", "flaky", "bad"].map { TestSpec(name: $0, command: .run(Template("test-\($0)"))) }
    spec.suites = [suite]
    return spec
}

@Sendable private func outcomes(_ command: String, _ time: Int) -> ProcessExit {
    switch command {
    case "test-flaky": ScriptedDriver.exit(time == 0 ? 1 : 0)
    case "test-bad": ScriptedDriver.exit(3)
    default: ScriptedDriver.exit(0)
    }
}

private let expected = [
    "bad 1 fail", "bad 2 fail", "flaky 1 fail", "flaky 2 pass", "good 1 pass",
]

private func attempts(_ store: any Store, _ row: PlanRow) throws -> [String] {
    try store.attempts(of: row.id).map { "\($0.test) \($0.number) \($0.outcome.rawValue)" }.sorted()
}

@Suite struct ConductorTests {
    @Test func aRunBringsUpTestsAndTakesDown() async throws {
        let bench = try EngineBench(script: outcomes)
        let store = MemoryStore()
        _ = try store.submit(.submit(token: "t", spec: lab()), at: Timestamp(rawValue: 1))
        let row = try await bench.finish("t", store, with: bench.conductor(store))
        #expect(row.state == .stopped)
        #expect(try attempts(store, row) == expected)
        #expect(bench.driver.nodes == [])
        #expect(bench.driver.log.first == "create db/0")
        let log = bench.driver.log
        let undone = try #require(log.firstIndex { $0.contains("unseed") })
        for index in 0..<3 { #expect(try #require(log.firstIndex(of: "destroy app/\(index)")) < undone) }
        #expect(log.last == "destroy db/0")
    }

    /// Before it, after it, or written with its answer lost: whatever happens to one commit, the run ends the same.
    @Test(arguments: [FaultyStore.Fault.beforeCommit, .afterCommit, .answerLost])
    func aFailedCommitChangesNothing(fault: FaultyStore.Fault) async throws {
        for number in 1...24 {
            let bench = try EngineBench(script: outcomes)
            let store = FaultyStore(MemoryStore(), script: [number: fault])
            _ = try store.submit(.submit(token: "t", spec: lab()), at: Timestamp(rawValue: 1))
            let row = try await bench.finish("t", store, with: bench.conductor(store))
            #expect(try attempts(store, row) == expected, "commit \(number) failed: \(fault)")
            #expect(bench.driver.nodes == [], "commit \(number) failed: \(fault)")
            #expect(bench.driver.startedTwice == [], "commit \(number) failed: \(fault)")
        }
    }

    /// One token is one run: asked for in one turn, in a later one, and again after the run has ended.
    @Test func whatIsAskedForTwiceIsDoneOnce() async throws {
        let bench = try EngineBench(script: outcomes)
        let store = MemoryStore()
        let core = { () throws -> ConductorCore in
            try ConductorCore(
                store: store,
                identity: ConductorCore.Identity(host: "here", pid: 1, seed: 7),
                time: HostTime()
            )
        }
        var first = try core()
        for _ in 0..<2 { _ = try store.submit(.submit(token: "t", spec: lab()), at: Timestamp(rawValue: 1)) }
        #expect(try first.takeTurn([.requestsArrived]).isEmpty == false)
        #expect(try store.requests(after: 0) == [])
        _ = try store.submit(.submit(token: "t", spec: lab()), at: Timestamp(rawValue: 1))
        _ = try first.takeTurn([.requestsArrived])
        #expect(try store.requests(after: 0) == [])
        #expect(try store.plans(lab: nil, limit: 9).count == 1)
        let row = try #require(try store.plan(request: "t"))
        _ = try store.submit(.resume(row.id), at: Timestamp(rawValue: 2))
        #expect(try await bench.finish("t", store, with: bench.conductor(store)).state == .stopped)
        _ = try store.submit(.submit(token: "t", spec: lab()), at: Timestamp(rawValue: 3))
        var last = try core()
        #expect(try last.takeTurn([.requestsArrived]).isEmpty)
        #expect(try store.requests(after: 0) == [])
        #expect(try store.plans(lab: nil, limit: 9).count == 1)
    }

    /// A request that is taken back just when the conductor has read it is not done, and what came with it is.
    @Test func aRequestThatIsTakenBackIsNotDone() throws {
        let base = MemoryStore()
        let store = FaultyStore(base, script: [:])
        var core = try ConductorCore(
            store: store,
            identity: ConductorCore.Identity(host: "here", pid: 1, seed: 7),
            time: HostTime()
        )
        let taken = try store.submit(.submit(token: "a", spec: lab()), at: Timestamp(rawValue: 1))
        _ = try store.submit(.submit(token: "b", spec: lab()), at: Timestamp(rawValue: 1))
        store.beforeCommit.withLock { $0 = { _ = try? base.withdraw(request: taken) } }
        #expect(try core.takeTurn([.requestsArrived]).isEmpty == false)
        #expect(try store.plan(request: "a") == nil)
        #expect(try store.plan(request: "b")?.state == .running)
        #expect(try store.requests(after: 0) == [])
    }

    @Test func aFullDiskEndsTheConductorAndLosesNothing() async throws {
        let bench = try EngineBench(script: outcomes)
        let path = bench.folder + "/muster.db"
        let small = try SQLiteStore(path: path, options: SQLiteStore.Options(pagesMax: 54))
        var spec = lab()
        spec.suites[0].tests = (0..<400).map { TestSpec(name: "t\($0)", command: .run(Template("test-\($0)"))) }
        _ = try small.submit(.submit(token: "t", spec: spec), at: Timestamp(rawValue: 1))
        let conductor = try bench.conductor(small)
        await #expect { try await conductor.run(group: MultiThreadedEventLoopGroup.singleton) } throws: { error in
            (error as? StoreError)?.code == .full
        }
        let large = try SQLiteStore(path: path)
        let row = try await bench.finish("t", large, with: bench.conductor(large))
        #expect(row.state == .stopped)
        #expect(try large.attempts(of: row.id).count == 400)
        #expect(bench.driver.startedTwice == [])
    }

    @Test func aStoppedConductorIsContinuedByTheNext() async throws {
        let bench = try EngineBench(script: outcomes)
        let store = MemoryStore()
        _ = try store.submit(.submit(token: "t", spec: lab()), at: Timestamp(rawValue: 1))
        let first = try bench.conductor(store)
        let running = Task { try await first.run(group: MultiThreadedEventLoopGroup.singleton) }
        await bench.driver.logged { $0.count > 2 }
        first.stop()
        try await running.value
        let row = try #require(try store.plan(request: "t"))
        if !row.state.isFinal { _ = try store.submit(.resume(row.id), at: Timestamp(rawValue: 2)) }
        let end = try await bench.finish("t", store, with: bench.conductor(store))
        #expect(try attempts(store, end) == expected)
        #expect(bench.driver.nodes == [])
        #expect(bench.driver.startedTwice == [])
    }

    /// A run whose first command is not of the lab's folder.
    private var seeding: RunSpec {
        var spec = lab(verb: .up)
        spec.groups[0].steps[1] = ProvisionStep(.run(Template("seed")))
        return spec
    }

    /// A command of which nobody could tell, and which runs in truth, is ended before it is begun again.
    @Test func aFormerTryIsEndedBeforeTheNext() async throws {
        let bench = try EngineBench(script: outcomes)
        let store = MemoryStore()
        _ = try store.submit(.submit(token: "t", spec: seeding), at: Timestamp(rawValue: 1))
        bench.driver.hold("seed")
        let first = try bench.conductor(store)
        let running = Task { try await first.run(group: MultiThreadedEventLoopGroup.singleton) }
        await bench.driver.logged { $0.contains("run seed on db/0") }
        first.stop()
        try await running.value
        let id = try #require(try store.plan(request: "t")).id
        bench.driver.doubt("seed")
        // What the pause asks for fails, too.
        bench.driver.refuseEnds(100)
        _ = try store.submit(.takeUp(id), at: Timestamp(rawValue: 2))
        let paused = try await bench.finish("t", store, with: bench.conductor(store))
        #expect(paused.state == .paused)
        #expect(!bench.driver.log.contains("end seed on db/0"))
        _ = try store.submit(.takeUp(id), at: Timestamp(rawValue: 3))
        #expect(try await bench.finish("t", store, with: bench.conductor(store)).state == .paused)
        _ = try store.submit(.resume(id), at: Timestamp(rawValue: 4))
        bench.driver.refuseEnds(0)
        let third = try bench.conductor(store)
        let last = Task { try await third.run(group: MultiThreadedEventLoopGroup.singleton) }
        await bench.driver.logged { $0.filter { $0 == "run seed on db/0" }.count == 2 }
        let log = bench.driver.log
        let end = try #require(log.firstIndex(of: "end seed on db/0"))
        #expect(try #require(log.lastIndex(of: "run seed on db/0")) > end)
        bench.driver.release("seed")
        try await bench.until { try store.plan(id)?.state.isFinal == true }
        third.stop()
        try await last.value
        #expect(bench.driver.startedTwice == [])
    }

    /// A halt was committed and its conductor lost before it could end anything: the next one ends what still runs.
    @Test func whatNoStepRunsWithIsEnded() async throws {
        let bench = try EngineBench(script: outcomes)
        let store = MemoryStore()
        _ = try store.submit(.submit(token: "t", spec: seeding), at: Timestamp(rawValue: 1))
        bench.driver.hold("seed")
        let first = try bench.conductor(store)
        let running = Task { try await first.run(group: MultiThreadedEventLoopGroup.singleton) }
        await bench.driver.logged { $0.contains("run seed on db/0") }
        first.stop()
        try await running.value
        let id = try #require(try store.plan(request: "t")).id
        _ = try store.submit(.halt(id), at: Timestamp(rawValue: 2))
        var lost = try ConductorCore(
            store: store,
            identity: ConductorCore.Identity(host: "here", pid: 1, seed: 7),
            time: HostTime()
        )
        _ = try lost.takeTurn([.requestsArrived])
        #expect(try store.plan(id)?.state == .stopped)
        #expect(!bench.driver.log.contains("end seed on db/0"))
        let next = try bench.conductor(store)
        let after = Task { try await next.run(group: MultiThreadedEventLoopGroup.singleton) }
        await bench.driver.logged { $0.contains("end seed on db/0") }
        next.stop()
        try await after.value
    }

    /// A conductor that lacks a secret waits for what still runs with it, and asks a person before it starts more.
    @Test func aTakeOverWithoutASecretHarmsNothingThatRuns() async throws {
        let bench = try EngineBench(script: outcomes)
        let store = MemoryStore()
        var spec = lab()
        spec.groups[0].steps[1] = ProvisionStep(.run(Template(segments: [.literal("seed "), .secret("token")])))
        spec.groups[0].steps.append(ProvisionStep(.run(Template(segments: [.literal("more "), .secret("token")]))))
        _ = try store.submit(.submit(token: "t", spec: spec), at: Timestamp(rawValue: 1))
        let seed = "seed \"$MUSTER_SECRET_TOKEN\""
        bench.driver.hold(seed)
        let first = try bench.conductor(store, secrets: ["token": "x"])
        let running = Task { try await first.run(group: MultiThreadedEventLoopGroup.singleton) }
        await bench.driver.logged { $0.contains("run \(seed) on db/0") }
        first.stop()
        try await running.value
        let id = try #require(try store.plan(request: "t")).id
        _ = try store.submit(.resume(id), at: Timestamp(rawValue: 2))
        let second = try bench.conductor(store)
        let next = Task { try await second.run(group: MultiThreadedEventLoopGroup.singleton) }
        // It has found the command running when it waits for its end; then the command ends.
        try await bench.until {
            try store.events(after: 0, plan: id, limit: 1000).contains { $0.kind == .planResumed }
        }
        bench.driver.release(seed)
        try await bench.until { try store.plan(id)?.state == .paused }
        second.stop()
        try await next.value
        let paused = try #require(try store.plan(id))
        #expect(paused.reason?.contains("MUSTER_SECRET_TOKEN") == true)
        let seeds = try store.steps(of: id).filter { $0.spec.action == .provision && $0.spec.b == 1 }
        #expect(seeds.map(\.state) == [.success])
        _ = try store.submit(.resume(id), at: Timestamp(rawValue: 3))
        let third = try bench.conductor(store, secrets: ["token": "x"])
        let last = Task { try await third.run(group: MultiThreadedEventLoopGroup.singleton) }
        try await bench.until { try store.plan(id)?.state.isFinal == true }
        third.stop()
        try await last.value
        #expect(try attempts(store, try #require(try store.plan(id))) == expected)
        #expect(bench.driver.startedTwice == [])
    }
}
