import MusterCore
import MusterEngine
import MusterStore
import MusterTestKit
import Testing

/// What comes at a bad moment: in the turn of something else, while a plan pauses, in a part that is over, after a
/// crash. Most of it was found by simulated worlds first.
@Suite struct MomentTests {
    @Test func stepThatStoodInLineWhenItsPlanPausedBeginsWhenItGoesOn() throws {
        var world = try ProgramHarness(queues: ["default": 2])
        for name in ["a", "b", "c"] { world.scripts[name] = { _ in nil } }
        let id = try world.start(program("a", "b", "c"), [.call(0), .call(1), .call(2)])
        try world.request(.pause(id))
        // A worker is free for the third while the second still runs.
        try world.end("a", .done)
        try world.end("b", .done)
        #expect(try world.row(id).state == .paused)
        try world.request(.resume(id))
        #expect(world.story == ["a run", "b run", "c run"])
        try world.end("c", .done)
        #expect(try world.row(id).result == .success)
    }

    @Test func whatIsTriedAgainInTheTurnOfItsFailureKeepsItsTimeout() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in nil }
        let id = try world.start(program("a") { $0.timeout = .seconds(10) }, [.call(0)])
        let call = try #require(world.underWay.first)
        _ = try world.store.submit(.resume(id), at: world.time.now())
        try world.turn([.event(.callEnded(call.id, .fails())), .requestsArrived])
        #expect(try world.states(id) == [.running])
        #expect(try world.store.timers(of: id).count == 1)
        try world.pass(.seconds(11))
        #expect(try world.error(id, 0)?.contains("timed out") == true)
    }

    @Test func timerOfARetryIsGoneWhenItWasDue() throws {
        var world = try ProgramHarness(queues: ["default": 1])
        world.scripts["a"] = { _ in .fails() }
        world.scripts["b"] = { _ in nil }
        let spec = program("a", "b") {
            $0.timeout = .seconds(60)
            $0.retry = RetryPolicy(times: 1, every: .seconds(1), backoff: 1)
        }
        let id = try world.start(spec, [.call(0), .call(1)])
        try world.run()
        #expect(try world.store.timers(of: id).count == 2)
        try world.pass(.seconds(5))
        // It waits for the worker, and for no time.
        #expect(try world.states(id) == [.pending, .running])
        #expect(try world.store.timers(of: id).map(\.step.index) == [1])
    }

    @Test func onlyWhatBelongsToThePresentPartIsSkippedOrTriedAgain() throws {
        var world = try ProgramHarness()
        world.scripts["bad"] = { _ in .fails() }
        world.scripts["good"] = { $0.kind == .revert ? .fails() : .done }
        let spec = program("good", "bad") {
            $0.reverts = true
            $0.rescue = .revert
        }
        let id = try world.start(spec, [.call(0), .call(1, uses: [0]), .call(0, after: [1])])
        try world.run()
        #expect(try world.row(id).phase == .revert)
        #expect(try world.row(id).state == .paused)
        let before = try world.states(id)
        try world.request(.skip(StepID(plan: id, index: 1)))
        try world.request(.retry(StepID(plan: id, index: 1), input: nil))
        #expect(try world.states(id) == before)
        #expect(try world.events(id).filter { $0 == "request.refused" }.count == 2)
        // A failed revert is.
        for step in try world.store.steps(of: id) where step.state == .error && step.spec.action == .revert {
            try world.request(.skip(StepID(plan: id, index: step.index)))
        }
        try world.run()
        for step in try world.store.steps(of: id) where step.state == .error && step.spec.action == .revert {
            try world.request(.skip(StepID(plan: id, index: step.index)))
        }
        #expect(try world.row(id).state == .stopped)
    }

    @Test func reachesBackOverWhatWasSkipped() throws {
        var world = try ProgramHarness()
        world.scripts["bad"] = { $0.kind == .run ? .fails() : .done }
        world.scripts["last"] = { $0.kind == .run ? .fails() : .done }
        var spec = program("good", "bad", "last") { $0.reverts = true }
        spec.actions[1].rescue = .skip
        spec.actions[2].rescue = .pause
        // 1 is skipped, and 2 with it, which never began; 3 came after both.
        let id = try world.start(
            spec,
            [.call(0), .call(1, after: [0]), .call(0, uses: [1]), .call(2, after: [2])]
        )
        try world.run()
        #expect(try world.states(id) == [.success, .skipped, .skipped, .error])
        try world.request(.revert(id))
        try world.run()
        #expect(world.story == ["good run", "bad run", "last run", "last revert", "bad revert", "good revert"])
        #expect(try world.row(id).state == .stopped)
    }

    @Test func nothingIsFinalizedThatIsReverted() throws {
        var world = try ProgramHarness()
        world.scripts["b"] = { $0.kind == .finalize ? .fails() : nil }
        let spec = program("a", "b") {
            $0.finalizes = true
            $0.reverts = true
        }
        let id = try world.start(spec, [.call(0), .call(1)])
        try world.run()
        try world.end("b", .done)
        world.scripts["b"] = { _ in nil }
        try world.run()
        #expect(try world.row(id).phase == .finalize)
        try world.end("b", .fails())
        try world.request(.revert(id))
        try world.restart()
        try world.run()
        #expect(world.story.filter { $0.hasSuffix("finalize") }.count == 2)
        #expect(try world.row(id).phase == .revert)
    }

    @Test func haltedPlanThatWasToBeFinalizedIsNoSuccess() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in nil }
        let id = try world.start(program("a") { $0.finalizes = true }, [.call(0)])
        try world.request(.pause(id))
        try world.end("a", .done)
        #expect(try world.row(id).state == .paused)
        try world.request(.halt(id))
        #expect(try world.row(id).result == .cancelled)
        #expect(try world.states(id) == [.success, .cancelled])
    }

    @Test func stepThatWasToBeSkippedIsTriedAgainWhenThatIsWhatIsWantedNow() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { $0.id.number == 1 ? .fails() : .done }
        world.scripts["b"] = { _ in nil }
        let spec = program("a", "b") {
            $0.handlesSkip = true
        } plan: {
            $0.singleton = SingletonSpec(key: "k", waits: false)
        }
        let id = try world.start(spec, [.call(0)])
        try world.run()
        let other = try world.start(spec, [.call(1)])
        // It pauses again, as another has its key.
        try world.request(.skip(StepID(plan: id, index: 0)))
        #expect(try world.row(id).state == .paused)
        try world.end("b", .done)
        try world.request(.resume(id))
        try world.run()
        #expect(world.story == ["a run", "b run", "a run"])
        #expect(try world.row(id).result == .success)
        #expect(try world.row(other).result == .success)
    }

    @Test func skipThatNobodyWasToldOfBeforeACrashIsDecidedAgain() throws {
        var world = try ProgramHarness(queues: ["default": 1])
        world.scripts["a"] = { $0.kind == .run ? nil : .done }
        let spec = program("a", "b") {
            $0.handlesSkip = true
            $0.rescue = .skip
        }
        let id = try world.start(spec, [.call(0)])
        let other = try world.start(spec, [.call(1)])
        // The worker is the other plan's.
        try world.end("a", .fails())
        #expect(world.underWay.map(\.action) == ["b"])
        #expect(try world.states(id) == [.error])
        try world.restart()
        try world.run()
        #expect(try world.states(id) == [.skipped])
        #expect(try world.row(other).result == .success)
    }

    @Test func eventThatComesInTheTurnInWhichItsPlanEndsIsRefused() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in nil }
        let id = try world.start(program("a", "b") { $0.rescue = .fail }, [.call(0), .call(1, uses: [0])])
        let call = try #require(world.underWay.first)
        let signal = Request.signal(StepID(plan: id, index: 1), payload: "1", isOptional: false, token: "t")
        _ = try world.store.submit(signal, at: world.time.now())
        try world.turn([.event(.callEnded(call.id, .fails())), .requestsArrived])
        #expect(try world.row(id).state == .stopped)
        #expect(try world.store.signals(of: id).isEmpty)
        #expect(try world.events(id).contains("request.refused"))
    }

    @Test func planThatHasBegunIsNotFrozen() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in nil }
        let id = try world.start(program("a"), [.call(0)])
        try world.request(.freeze(id, true))
        #expect(try world.row(id).isFrozen == false)
        #expect(try world.events(id).contains("request.refused"))
    }

    @Test func batchOfSubPlansThatWasNotBegunIsPlannedAgain() throws {
        var world = try ProgramHarness()
        world.scripts["parent"] = { call in
            switch call.kind {
            case .run: CallEnd(.spawned(total: 1, limit: nil))
            case .children: nil
            default: .done
            }
        }
        let id = try world.start(program("parent"), [.call(0)])
        try world.run()
        // Its lease had ended by the time at which it was to leave.
        try world.lose("parent")
        #expect(world.underWay.map(\.kind.word) == ["children 0..<1"])
        try world.end("parent", CallEnd(.children([ChildPlan(program: program("child"), steps: [.call(0)])])))
        try world.run()
        #expect(try world.row(id).result == .success)
    }

    @Test func abortIsOneAlsoAfterACrash() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { $0.kind == .run ? .asleep : nil }
        let id = try world.start(program("a"), [.call(0)])
        try world.run()
        try world.request(.signal(StepID(plan: id, index: 0), payload: "1", isOptional: true, token: "t"))
        try world.request(.abort(id))
        #expect(try world.row(id).isAborting)
        try world.restart(keepsCalls: true)
        try world.end("a", .asleep)
        #expect(try world.states(id) == [.cancelled])
        #expect(try world.row(id).result == .cancelled)
    }

    @Test func cancelledParentOfSubPlansThatWereNeverMadeIsCancelled() throws {
        var world = try ProgramHarness()
        world.scripts["parent"] = { call in
            switch call.kind {
            case .run: CallEnd(.spawned(total: 10, limit: 2))
            case .children(let from, let to):
                CallEnd(.children((from..<to).map { _ in ChildPlan(program: program("child"), steps: [.call(0)]) }))
            default: .done
            }
        }
        world.scripts["child"] = { _ in nil }
        let id = try world.start(program("parent"), [.call(0)])
        try world.run()
        try world.request(.cancel(id))
        for _ in 0..<2 { try world.end("child", .done) }
        try world.run()
        #expect(try world.store.children(of: StepID(plan: id, index: 0)) == ChildCounts(planned: 2, succeeded: 2))
        #expect(try world.states(id) == [.cancelled])
        #expect(try world.row(id).result == .cancelled)
    }

    @Test func nothingBeginsWhenTheConductorIsToEndAndWhatEndsIsStored() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in nil }
        let id = try world.start(program("a", "b"), [.call(0), .call(1, uses: [0])])
        world.beginNoCalls()
        try world.end("a", .done)
        #expect(world.underWay.isEmpty)
        #expect(try world.states(id) == [.success, .pending])
        try world.restart()
        try world.run()
        #expect(world.story == ["a run", "b run"])
        #expect(try world.row(id).result == .success)
    }
}
