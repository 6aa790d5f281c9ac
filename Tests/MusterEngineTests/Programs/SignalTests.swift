import MusterCore
import MusterEngine
import MusterStore
import MusterTestKit
import Testing

/// Suspended steps, what is sent to them, sub-plans, delayed and chained plans, and all of it after a restart.
@Suite struct SignalTests {
    private func send(_ payload: String, to id: PlanID, step: StepIndex = 0, isOptional: Bool = false) -> Request {
        .signal(StepID(plan: id, index: step), payload: payload, isOptional: isOptional, token: "t\(payload)")
    }

    private func sleeper() throws -> ProgramHarness {
        var world = try ProgramHarness()
        world.scripts["a"] = { call in
            switch call.kind {
            case .event(payload: "end"): .done
            default: .asleep
            }
        }
        return world
    }

    @Test func eventsAreDeliveredInOrderAndNeverWhileTheStepRuns() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in nil }
        let id = try world.start(program("a"), [.call(0)])
        for payload in ["1", "2", "end"] { try world.request(send(payload, to: id)) }
        #expect(world.underWay.map(\.kind.word) == ["run"])
        try world.end("a", .asleep)
        #expect(world.underWay.map(\.kind.word) == ["event 1"])
        try world.end("a", .asleep)
        #expect(world.underWay.map(\.kind.word) == ["event 2"])
        try world.end("a", .asleep)
        try world.end("a", .done)
        #expect(try world.row(id).result == .success)
        #expect(try world.store.signals(of: id).isEmpty)
    }

    @Test func eventsForAStepThatHasEndedAreRejectedUnlessOptional() throws {
        var world = try ProgramHarness()
        world.scripts["b"] = { _ in nil }
        let id = try world.start(program("a", "b"), [.call(0), .call(1)])
        try world.run()
        try world.request(send("1", to: id))
        try world.request(send("2", to: id, isOptional: true))
        let rejected = try world.store.events(after: 0, plan: id, limit: .max).filter { $0.kind == .signalRejected }
        #expect(rejected.map(\.detail) == ["t1 a has ended (success)"])
    }

    @Test func eventsThatWaitWhenTheStepEndsAreRejected() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in nil }
        let id = try world.start(program("a"), [.call(0)])
        try world.request(send("1", to: id))
        try world.end("a", .done)
        #expect(try world.events(id).contains("signal.rejected"))
    }

    @Test func ownEventsComeInTimeAndSurviveARestart() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { call in
            switch call.kind {
            case .run:
                CallEnd(.suspended, wakes: [.init(payload: "end", delay: .seconds(60))])
            default: .done
            }
        }
        let id = try world.start(program("a"), [.call(0)])
        try world.run()
        try world.pass(.seconds(30))
        try world.restart()
        #expect(try world.states(id) == [.suspended])
        try world.pass(.seconds(29))
        #expect(try world.states(id) == [.suspended])
        try world.pass(.seconds(2))
        #expect(try world.row(id).result == .success)
    }

    @Test func ownEventWithTheSameKeyIsReplaced() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { call in
            switch call.kind {
            case .run:
                CallEnd(
                    .suspended,
                    wakes: [
                        .init(payload: "1", delay: .seconds(10), key: "k"),
                        .init(payload: "2", delay: .seconds(20), key: "k"),
                    ]
                )
            default: .done
            }
        }
        let id = try world.start(program("a"), [.call(0)])
        try world.run()
        try world.pass(.seconds(15))
        #expect(try world.states(id) == [.suspended])
        try world.pass(.seconds(10))
        #expect(world.story == ["a run", "a event 2"])
    }

    @Test func eventBeingDeliveredIsDeliveredAgainAfterACrash() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { $0.kind == .run ? .asleep : nil }
        let id = try world.start(program("a"), [.call(0)])
        try world.run()
        try world.request(send("7", to: id))
        #expect(world.underWay.map(\.kind.word) == ["event 7"])
        try world.restart()
        #expect(world.underWay.map(\.kind.word) == ["event 7"])
        try world.end("a", .done)
        #expect(try world.row(id).result == .success)
    }

    @Test func timeoutEndsASuspendedStep() throws {
        var world = try sleeper()
        let id = try world.start(program("a") { $0.timeout = .seconds(5) }, [.call(0)])
        try world.run()
        try world.pass(.seconds(6))
        #expect(try world.states(id) == [.error])
    }

    // MARK: Crashes

    @Test func interruptedCallIsMadeAgainUnderTheSameTry() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in nil }
        let id = try world.start(program("a"), [.call(0)])
        try world.restart()
        #expect(world.story == ["a run", "a run"])
        #expect(try world.store.steps(of: id)[0].tries == 1)
        try world.end("a", .done)
        #expect(try world.row(id).result == .success)
    }

    @Test func interruptedCallThatMayNotBeRepeatedWaitsForAPerson() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in nil }
        let id = try world.start(program("a") { $0.recovery = .never }, [.call(0)])
        try world.restart()
        #expect(world.story == ["a run"])
        #expect(try world.row(id).state == .paused)
        #expect(try world.error(id, 0)?.contains("nobody can tell") == true)
    }

    @Test func interruptedCallFindsOutWhatBecameOfIt() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in nil }
        let id = try world.start(program("a") { $0.recovery = .reconcile }, [.call(0)])
        try world.restart()
        #expect(world.underWay.map(\.kind.word) == ["reconcile"])
        try world.end("a", CallEnd(.neverStarted))
        #expect(world.underWay.map(\.kind.word) == ["run"])
        try world.end("a", .done)
        #expect(try world.row(id).result == .success)
    }

    @Test func whatOnlyTheConductorForgotGoesOnOnce() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in nil }
        let id = try world.start(program("a"), [.call(0)])
        try world.restart(keepsCalls: true)
        #expect(world.story == ["a run"])
        try world.end("a", .done)
        #expect(try world.row(id).result == .success)
    }

    // MARK: Sub-plans

    private func parent(total: Int, limit: Int?, child: @escaping (Int) -> CallEnd?) throws -> ProgramHarness {
        var world = try ProgramHarness()
        world.scripts["parent"] = { call in
            switch call.kind {
            case .run: CallEnd(.spawned(total: total, limit: limit))
            case .children(let from, let to):
                CallEnd(
                    .children(
                        (from..<to).map { ChildPlan(program: program("child"), steps: [.call(0, input: "\($0)")]) }
                    )
                )
            case .childrenEnded(let counts) where counts.failed + counts.paused > 0:
                CallEnd(.failed(StepError(.children, "\(counts.failed + counts.paused) failed"), isFinal: true))
            default: CallEnd(.succeeded, output: "{}")
            }
        }
        world.scripts["child"] = { call in child(Int(call.input ?? "") ?? -1) }
        return world
    }

    @Test func parentWaitsForAllOfItsSubPlans() throws {
        var world = try parent(total: 250, limit: nil) { _ in .done }
        let id = try world.start(program("parent"), [.call(0)])
        try world.run()
        #expect(try world.row(id).result == .success)
        #expect(
            try world.store.children(of: StepID(plan: id, index: 0)) == ChildCounts(planned: 250, succeeded: 250)
        )
    }

    @Test func noMoreSubPlansThanTheLimitGoAtOnce() throws {
        var world = try parent(total: 10, limit: 4) { _ in nil }
        let id = try world.start(program("parent"), [.call(0)])
        try world.run()
        for _ in 0..<10 {
            #expect(world.underWay.filter { $0.action == "child" }.count <= 4)
            try world.end("child", .done)
            try world.run()
        }
        #expect(try world.row(id).result == .success)
    }

    @Test func failedSubPlanFailsItsParentWhichGoesOnWithItWhenResumed() throws {
        var isBroken = true
        var world = try parent(total: 3, limit: nil) { $0 == 1 ? nil : .done }
        let id = try world.start(program("parent"), [.call(0)])
        try world.run()
        try world.end("child", .fails())
        try world.run()
        #expect(try world.row(id).state == .paused)
        #expect(try world.error(id, 0) == "1 failed")
        isBroken = false
        world.scripts["child"] = { _ in isBroken ? nil : .done }
        try world.request(.resume(id))
        try world.run()
        #expect(try world.row(id).result == .success)
    }

    @Test func subPlansAreCountedAgainAfterARestart() throws {
        var world = try parent(total: 6, limit: 2) { _ in nil }
        let id = try world.start(program("parent"), [.call(0)])
        try world.run()
        try world.end("child", .done)
        try world.run()
        try world.restart()
        try world.run()
        for _ in 0..<5 {
            try world.end("child", .done)
            try world.run()
        }
        #expect(try world.row(id).result == .success)
        #expect(try world.store.children(of: StepID(plan: id, index: 0)).planned == 6)
    }

    @Test func cancelReachesSubPlans() throws {
        var world = try parent(total: 3, limit: nil) { _ in nil }
        let id = try world.start(program("parent"), [.call(0)])
        try world.run()
        try world.request(.cancel(id))
        for _ in 0..<3 { try world.end("child", CallEnd(.failed(StepError(.cancelled, "cancelled"), isFinal: true))) }
        try world.run()
        #expect(try world.row(id).state == .stopped || world.row(id).state == .running)
        #expect(try world.store.children(of: StepID(plan: id, index: 0)).going == 0)
    }

    // MARK: Delayed and chained

    @Test func delayedPlanBeginsInTime() throws {
        var world = try ProgramHarness()
        let spec = program("a") { _ in
        } plan: {
            $0.startAt = world.time.now() + .seconds(60)
        }
        let id = try world.start(spec, [.call(0)])
        #expect(try world.row(id).state == .scheduled)
        try world.pass(.seconds(59))
        try world.restart()
        #expect(try world.row(id).state == .scheduled)
        try world.pass(.seconds(2))
        #expect(try world.row(id).result == .success)
    }

    @Test func planThatIsTooLateEndsWithTheReason() throws {
        var world = try ProgramHarness()
        let spec = program("a") { _ in
        } plan: {
            $0.isFrozen = true
            $0.startBefore = world.time.now() + .seconds(10)
        }
        let id = try world.start(spec, [.call(0)])
        try world.pass(.seconds(11))
        #expect(try world.row(id).result == .error)
        #expect(try world.row(id).reason?.contains("could not be started before") == true)
    }

    @Test func frozenPlanBeginsWhenLetGo() throws {
        var world = try ProgramHarness()
        let id = try world.start(
            program("a") { _ in
            } plan: {
                $0.isFrozen = true
            },
            [.call(0)]
        )
        try world.pass(.seconds(100))
        #expect(try world.row(id).state == .scheduled)
        try world.request(.freeze(id, false))
        try world.run()
        #expect(try world.row(id).result == .success)
    }

    @Test func chainedPlanWaitsForAll() throws {
        var world = try ProgramHarness()
        world.scripts["slow"] = { _ in nil }
        let first = try world.start(program("a"), [.call(0)])
        let second = try world.start(program("slow"), [.call(0)])
        try world.run()
        let spec = program("a") { _ in
        } plan: {
            $0.prerequisites = [first, second]
        }
        let id = try world.start(spec, [.call(0)])
        try world.run()
        #expect(try world.row(id).state == .scheduled)
        try world.end("slow", .done)
        try world.run()
        #expect(try world.row(id).result == .success)
    }

    @Test(arguments: [PrerequisiteRule.succeeded, .ended])
    func haltedPrerequisiteCountsAsTheRuleSays(_ rule: PrerequisiteRule) throws {
        var world = try ProgramHarness()
        world.scripts["slow"] = { _ in nil }
        let first = try world.start(program("slow"), [.call(0)])
        let spec = program("a") { _ in
        } plan: {
            $0.prerequisites = [first]
            $0.prerequisiteRule = rule
        }
        let id = try world.start(spec, [.call(0)])
        try world.request(.halt(first))
        try world.run()
        #expect(try world.row(id).result == (rule == .ended ? .success : .error))
        if rule == .succeeded { #expect(try world.row(id).reason?.contains("cancelled") == true) }
    }

    @Test func planThatTheEnginePlansIsPlannedOnceAndRun() throws {
        var world = try ProgramHarness()
        world.planner = { _ in .success(ChildPlan(program: program("x"), steps: [.call(0), .call(0, uses: [0])])) }
        var spec = ProgramSpec(name: "root", input: "{}")
        spec.startAt = world.time.now() + .seconds(5)
        let id = try world.start(spec)
        try world.pass(.seconds(6))
        #expect(world.story == ["x run", "x run"])
        #expect(try world.row(id).result == .success)
        #expect(try world.store.spec(of: id)?.program?.actions.map(\.name) == ["x"])
    }

    @Test func planThatCannotBePlannedEndsInErrorWithTheReason() throws {
        var world = try ProgramHarness()
        world.planner = { _ in .failure(StepError(.thrown, "no stock")) }
        let id = try world.start(ProgramSpec(name: "root", input: "{}"))
        #expect(try world.row(id).state == .stopped)
        #expect(try world.row(id).result == .error)
        #expect(try world.error(id, 0) == "no stock")
    }
}
