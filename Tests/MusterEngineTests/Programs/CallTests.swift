import MusterCore
import MusterEngine
import MusterStore
import MusterTestKit
import Testing

/// Plans and steps, their states and results, retries and timeouts.
@Suite struct CallTests {
    @Test func planGoesFromPlannedToStopped() throws {
        var world = try ProgramHarness()
        let id = try world.start(program("a"), [.call(0)])
        #expect(try world.row(id).state == .running)
        #expect(try world.states(id) == [.running])
        try world.run()
        #expect(try world.row(id).state == .stopped)
        #expect(try world.row(id).result == .success)
        #expect(try world.row(id).endedAt != nil)
    }

    @Test func planWithoutStepsStopsAtOnce() throws {
        var world = try ProgramHarness()
        let id = try world.start(program("a"))
        #expect(try world.row(id).state == .stopped)
        #expect(try world.row(id).result == .success)
    }

    @Test func failureOfOneBranchLetsTheOtherEnd() throws {
        var world = try ProgramHarness()
        world.scripts["bad"] = { _ in .fails() }
        let id = try world.start(
            program("bad", "good"),
            [.call(0), .call(0, uses: [0]), .call(1), .call(1, uses: [2])]
        )
        try world.run()
        #expect(try world.states(id) == [.error, .pending, .success, .success])
        #expect(try world.row(id).state == .paused)
        #expect(try world.row(id).result == .error)
        #expect(try world.row(id).reason?.contains("bad failed: broken") == true)
    }

    @Test func stepRunsAsSoonAsWhatItUsesIsDone() throws {
        // e uses a and b, f uses a alone: f does not wait for b or e.
        var world = try ProgramHarness()
        world.scripts["b"] = { _ in nil }
        let id = try world.start(
            program("a", "b", "e", "f"),
            [.call(0), .call(1), .call(2, uses: [0, 1]), .call(3, uses: [0])]
        )
        try world.run()
        #expect(try world.states(id) == [.success, .running, .pending, .success])
    }

    @Test func outputsReachThoseThatUseThem() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in CallEnd(.succeeded, output: "{\"id\":7}") }
        var seen: [StepIndex: String] = [:]
        let id = try world.start(program("a", "b"), [.call(0), .call(1, uses: [0])])
        world.scripts["b"] = { _ in nil }
        try world.run()
        seen = try #require(world.underWay.first).references
        #expect(seen == [0: "{\"id\":7}"])
        try world.end("b", .done)
        #expect(try world.row(id).result == .success)
    }

    @Test func failedTryIsRepeatedAndItsErrorClearedBySuccess() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { $0.id.number < 3 ? .fails("try \($0.id.number)") : .done }
        let retrying = program("a") { $0.retry = RetryPolicy(times: 2, every: .seconds(1), backoff: 2) }
        let id = try world.start(retrying, [.call(0)])
        try world.run()
        #expect(try world.states(id) == [.pending])
        #expect(try world.error(id, 0) == "try 1")
        try world.pass(.seconds(2))
        #expect(try world.error(id, 0) == "try 2")
        try world.pass(.seconds(3))
        #expect(try world.row(id).result == .success)
        #expect(try world.error(id, 0) == nil)
        #expect(try world.store.steps(of: id)[0].tries == 3)
        #expect(try world.events(id).filter { $0 == "step.retrying" }.count == 2)
    }

    @Test func errorsThatNoRetryHelpsEndAtOnce() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in .fails(isFinal: true) }
        let id = try world.start(program("a") { $0.retry = RetryPolicy(times: 5) }, [.call(0)])
        try world.run()
        #expect(try world.row(id).state == .paused)
        #expect(try world.store.steps(of: id)[0].tries == 1)
    }

    @Test func callThatTakesTooLongFailsAndItsLateEndCountsForNothing() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in nil }
        let id = try world.start(program("a") { $0.timeout = .seconds(5) }, [.call(0)])
        try world.pass(.seconds(4))
        #expect(try world.states(id) == [.running])
        try world.pass(.seconds(2))
        #expect(try world.states(id) == [.error])
        #expect(try world.error(id, 0)?.contains("timed out") == true)
        #expect(world.cancelled.count == 1)
        try world.end("a", .done)
        #expect(try world.states(id) == [.error])
    }

    @Test func timeoutOfOneTryLeavesTheNextItsWholeTime() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in nil }
        let spec = program("a") {
            $0.timeout = .seconds(5)
            $0.retry = RetryPolicy(times: 1, every: .seconds(1))
        }
        let id = try world.start(spec, [.call(0)])
        try world.pass(.seconds(7))
        #expect(try world.store.steps(of: id)[0].tries == 2)
        #expect(try world.states(id) == [.running])
        try world.pass(.seconds(3))
        #expect(try world.states(id) == [.running])
        try world.pass(.seconds(3))
        #expect(try world.states(id) == [.error])
    }

    @Test func unknownActionPausesWhateverItsRescueSays() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in CallEnd(.failed(StepError(.noAction, "no action 'a'"), isFinal: true)) }
        let id = try world.start(program("a") { $0.rescue = .fail }, [.call(0)])
        try world.run()
        #expect(try world.row(id).state == .paused)
    }

    @Test func plansTakeTurnsInAQueue() throws {
        var world = try ProgramHarness(queues: ["default": 1])
        world.scripts["a"] = { _ in nil }
        world.scripts["b"] = { _ in nil }
        try world.start(program("a"), [.call(0), .call(0), .call(0), .call(0)])
        try world.start(program("b"), [.call(0), .call(0)])
        #expect(world.underWay.map(\.action) == ["a"])
        var order: [String] = []
        while let next = world.underWay.first?.action {
            order.append(next)
            try world.end(next, .done)
        }
        #expect(order == ["a", "b", "a", "b", "a", "a"] || order == ["a", "a", "b", "a", "b", "a"])
        #expect(world.busiest == 1)
    }

    @Test func higherPriorityGoesFirst() throws {
        var world = try ProgramHarness(queues: ["default": 1])
        for name in ["first", "low", "high"] { world.scripts[name] = { _ in nil } }
        var spec = program("first", "low", "high")
        spec.actions[1].priority = 1
        spec.actions[2].priority = 9
        try world.start(spec, [.call(0), .call(1), .call(2)])
        // Those that waited at the same moment: the higher first.
        let first = try #require(world.underWay.first?.action)
        #expect(first == "high")
    }

    @Test func queuesAreApart() throws {
        var world = try ProgramHarness(queues: ["slow": 1, "quick": 2])
        world.scripts["s"] = { _ in nil }
        world.scripts["q"] = { _ in nil }
        var spec = program("s", "q")
        spec.actions[0].queue = "slow"
        spec.actions[1].queue = "quick"
        try world.start(spec, [.call(0), .call(0), .call(1), .call(1), .call(1)])
        #expect(world.underWay.map(\.action).sorted() == ["q", "q", "s"])
    }

    @Test func limitsHoldAcrossPlans() throws {
        var world = try ProgramHarness()
        try world.store.define([LimitRow(name: "api", size: 2)], by: Term(conductor: .sole, epoch: world.core.epoch))
        world.scripts["a"] = { _ in nil }
        let spec = program("a") { $0.limits = ["api"] }
        for _ in 0..<3 { try world.start(spec, [.call(0), .call(0)]) }
        #expect(world.underWay.count == 2)
        for _ in 0..<6 {
            #expect(world.underWay.count <= 2)
            try world.end("a", .done)
        }
        #expect(world.underWay.isEmpty)
        #expect(world.busiest == 2)
    }

    @Test func ratesHoldAcrossPlans() throws {
        var world = try ProgramHarness()
        let rate = LimitRow(name: "mail", size: nil, interval: .seconds(10), burst: 2)
        try world.store.define([rate], by: Term(conductor: .sole, epoch: world.core.epoch))
        let spec = program("a") { $0.limits = ["mail"] }
        let id = try world.start(spec, (0..<4).map { _ in .call(0) })
        try world.run()
        #expect(try world.states(id).filter { $0 == .success }.count == 2)
        try world.pass(.seconds(9))
        #expect(try world.states(id).filter { $0 == .success }.count == 2)
        try world.pass(.seconds(2))
        #expect(try world.states(id).filter { $0 == .success }.count == 3)
        try world.pass(.seconds(10))
        #expect(try world.row(id).result == .success)
    }

    @Test func onlyOnePlanHoldsASingleton() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in nil }
        let spec = singleton(waits: false)
        let first = try world.start(spec, [.call(0)])
        let second = try world.start(spec, [.call(0)])
        #expect(try world.row(first).state == .running)
        #expect(try world.row(second).state == .stopped)
        #expect(try world.row(second).result == .error)
        #expect(try world.row(second).reason?.contains("'only'") == true)
        try world.end("a", .done)
        let third = try world.start(spec, [.call(0)])
        #expect(try world.row(third).state == .running)
    }

    @Test func singletonThatWaitsBeginsWhenTheOtherHasPaused() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in nil }
        let spec = singleton(waits: true)
        let first = try world.start(spec, [.call(0)])
        let second = try world.start(spec, [.call(0)])
        #expect(try world.row(second).state == .planned)
        try world.end("a", .fails())
        #expect(try world.row(first).state == .paused)
        #expect(try world.row(second).state == .running)
    }
}

/// Several limits at once, and singletons that are let go of and taken again.
@Suite struct LimitTests {
    @Test func twoStepsWithTheSameLimitsNeverWaitForEachOther() throws {
        var world = try ProgramHarness()
        let term = Term(conductor: .sole, epoch: world.core.epoch)
        try world.store.define([LimitRow(name: "a", size: 1), LimitRow(name: "b", size: 1)], by: term)
        var spec = program("x", "y")
        spec.actions[0].limits = ["a", "b"]
        spec.actions[1].limits = ["b", "a"]
        spec.actions[1].priority = 5
        let id = try world.start(spec, [.call(0), .call(1), .call(0), .call(1)])
        try world.run()
        #expect(try world.row(id).result == .success)
        #expect(world.busiest == 1)
    }

    @Test func resumedPlanTakesItsSingletonAgainOrPauses() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in nil }
        let spec = singleton(waits: false)
        let first = try world.start(spec, [.call(0)])
        try world.end("a", .fails())
        let second = try world.start(spec, [.call(0)])
        try world.request(.resume(first))
        #expect(try world.row(first).state == .paused)
        #expect(try world.row(first).reason?.contains("'only'") == true)
        try world.end("a", .done)
        #expect(try world.row(second).result == .success)
        try world.request(.resume(first))
        try world.end("a", .done)
        #expect(try world.row(first).result == .success)
    }
}

/// A program of which there is one plan at a time.
private func singleton(waits: Bool) -> ProgramSpec {
    var spec = program("a")
    spec.singleton = SingletonSpec(key: "only", waits: waits)
    return spec
}
