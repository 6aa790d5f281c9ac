import MusterCore
import MusterEngine
import MusterStore
import MusterTestKit
import Testing

/// What becomes of a plan whose actions fail: skip, pause, fail, revert; finalize; what persons do.
@Suite struct RescueTests {
    private func failing(_ strategies: [RescueStrategy], handlesSkip: Bool = false) -> ProgramSpec {
        var spec = program("root")
        spec.actions = strategies.enumerated().map { place, strategy in
            var action = ActionSpec(name: "bad\(place)")
            action.rescue = strategy
            action.handlesSkip = handlesSkip
            return action
        }
        spec.actions.append(ActionSpec(name: "good"))
        return spec
    }

    private func world(bad: Int) throws -> ProgramHarness {
        var world = try ProgramHarness()
        for place in 0..<bad {
            world.scripts["bad\(place)"] = { $0.kind.word == "skip" ? .done : .fails() }
        }
        return world
    }

    @Test func skippedStepTakesWhatUsesItsOutputWithIt() throws {
        var world = try world(bad: 1)
        // 1 uses 0, 2 uses 1, 3 only comes after 0.
        let id = try world.start(
            failing([.skip]),
            [.call(0), .call(1, uses: [0]), .call(1, uses: [1]), .call(1, after: [0])]
        )
        try world.run()
        #expect(try world.states(id) == [.skipped, .skipped, .skipped, .success])
        #expect(try world.row(id).state == .stopped)
        #expect(try world.row(id).result == .warning)
    }

    @Test func skipHandlerIsToldTheError() throws {
        var world = try world(bad: 1)
        let id = try world.start(failing([.skip], handlesSkip: true), [.call(0)])
        try world.run()
        #expect(world.story == ["bad0 run", "bad0 skip"])
        #expect(try world.states(id) == [.skipped])
    }

    @Test func skipHandlerThatFailsIsNotRescuedAgain() throws {
        var world = try ProgramHarness()
        world.scripts["bad0"] = { _ in .fails() }
        let id = try world.start(failing([.skip], handlesSkip: true), [.call(0)])
        try world.run()
        #expect(world.story == ["bad0 run", "bad0 skip"])
        #expect(try world.row(id).state == .paused)
        #expect(try world.states(id) == [.error])
        // Also after a restart: what was rescued is stored.
        try world.restart()
        try world.run()
        #expect(world.story.count == 2)
    }

    @Test(arguments: [
        ([RescueStrategy.skip, .skip], PlanState.stopped, PlanResult.warning),
        ([.skip, .fail], .paused, .error),
        ([.fail, .fail], .stopped, .error),
        ([.skip, .pause], .paused, .error),
        ([.pause, .fail], .paused, .error),
    ])
    func strategiesAreCombined(_ strategies: [RescueStrategy], _ state: PlanState, _ result: PlanResult) throws {
        var world = try world(bad: 2)
        let id = try world.start(failing(strategies), [.call(0), .call(1)])
        try world.run()
        #expect(try world.row(id).state == state)
        #expect(try world.row(id).result == result)
    }

    @Test func withoutRescueEveryFailurePauses() throws {
        var world = try world(bad: 1)
        var spec = failing([.skip])
        spec.rescuesByItself = false
        let id = try world.start(spec, [.call(0)])
        try world.run()
        #expect(try world.row(id).state == .paused)
    }

    @Test func failureThatFailsLeavesTheRestUndone() throws {
        var world = try world(bad: 1)
        let id = try world.start(failing([.fail]), [.call(0), .call(1, after: [0])])
        try world.run()
        #expect(try world.states(id) == [.error, .pending])
        #expect(try world.row(id).state == .stopped)
        #expect(try !world.events(id).contains("plan.paused"))
    }

    @Test func revertUndoesInReverseOrderOfDependency() throws {
        var world = try ProgramHarness()
        world.scripts["c"] = { $0.kind.word == "run" ? .fails() : .done }
        let spec = program("a", "b", "c") {
            $0.reverts = true
            $0.rescue = .revert
        }
        let id = try world.start(spec, [.call(0), .call(1, uses: [0]), .call(2, uses: [1]), .call(0, uses: [2])])
        try world.run()
        #expect(world.story == ["a run", "b run", "c run", "c revert", "b revert", "a revert"])
        #expect(try world.row(id).state == .stopped)
        #expect(try world.row(id).result == .error)
    }

    @Test func revertGoesOnAfterARestartAndPausesWhenItFails() throws {
        var world = try ProgramHarness()
        world.scripts["b"] = { $0.kind.word == "run" ? .fails() : .done }
        world.scripts["a"] = { $0.kind.word == "run" ? .done : nil }
        let spec = program("a", "b") {
            $0.reverts = true
            $0.rescue = .revert
        }
        let id = try world.start(spec, [.call(0), .call(1, uses: [0])])
        try world.run()
        #expect(world.underWay.map(\.kind.word) == ["revert"])
        try world.restart()
        #expect(world.underWay.map(\.action) == ["a"])
        try world.end("a", .fails("cannot undo"))
        #expect(try world.row(id).state == .paused)
        try world.request(.resume(id))
        try world.end("a", .done)
        #expect(try world.row(id).state == .stopped)
    }

    // MARK: Finalize

    @Test func finalizeRunsInOrderAfterAllHaveSucceeded() throws {
        var world = try ProgramHarness()
        let id = try world.start(program("a", "b") { $0.finalizes = true }, [.call(0), .call(1), .call(0, uses: [1])])
        try world.run()
        #expect(world.story.suffix(3) == ["a finalize", "b finalize", "a finalize"])
        #expect(try world.row(id).result == .success)
        #expect(try world.events(id).contains("plan.finalizing"))
    }

    @Test func nothingIsFinalizedAfterAFailure() throws {
        var world = try ProgramHarness()
        world.scripts["b"] = { _ in .fails() }
        let id = try world.start(program("a", "b") { $0.finalizes = true }, [.call(0), .call(1)])
        try world.run()
        #expect(!world.story.contains { $0.hasSuffix("finalize") })
        #expect(try world.row(id).state == .paused)
    }

    @Test func resumedFinalizePhaseRunsWhole() throws {
        var world = try ProgramHarness()
        var fails = true
        world.scripts["b"] = { call in call.kind == .finalize && fails ? .fails() : .done }
        let id = try world.start(program("a", "b") { $0.finalizes = true }, [.call(0), .call(1)])
        try world.run()
        #expect(try world.row(id).state == .paused)
        fails = false
        world.scripts["b"] = { _ in .done }
        try world.request(.resume(id))
        try world.run()
        #expect(world.story == ["a run", "b run", "a finalize", "b finalize", "a finalize", "b finalize"])
        #expect(try world.row(id).result == .success)
    }

    @Test func skippedCallsAreNotFinalizedAndThatIsSeen() throws {
        var world = try ProgramHarness()
        world.scripts["bad"] = { _ in .fails() }
        let spec = program("bad", "good") {
            $0.finalizes = true
            $0.rescue = .skip
        }
        let id = try world.start(spec, [.call(0), .call(1)])
        try world.run()
        #expect(world.story.suffix(1) == ["good finalize"])
        let last = try world.store.steps(of: id)
        #expect(last.map(\.state) == [.skipped, .success, .skipped, .success])
        #expect(last[2].error?.message.contains("was skipped") == true)
    }

    // MARK: What persons do

    @Test func resumeTriesOnlyWhatFailed() throws {
        var world = try ProgramHarness()
        world.scripts["bad"] = { $0.id.number == 1 ? .fails() : .done }
        let id = try world.start(program("bad", "good"), [.call(0), .call(1), .call(1, uses: [0])])
        try world.run()
        try world.request(.resume(id))
        try world.run()
        #expect(world.story == ["bad run", "good run", "bad run", "good run"])
        #expect(try world.row(id).result == .success)
        #expect(try world.error(id, 0) == nil)
    }

    @Test func retryWithAnotherInput() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { $0.input == "{\"n\":2}" ? .done : .fails() }
        let id = try world.start(program("a"), [.call(0, input: "{\"n\":1}")])
        try world.run()
        try world.request(.retry(StepID(plan: id, index: 0), input: "{\"n\":2}"))
        try world.run()
        #expect(try world.row(id).result == .success)
        #expect(try world.store.steps(of: id)[0].spec.input == "{\"n\":2}")
        #expect(try world.events(id).contains("step.edited"))
    }

    @Test func skipOnRequest() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in .fails() }
        let id = try world.start(program("a", "b"), [.call(0), .call(1, uses: [0]), .call(1, after: [0])])
        try world.run()
        try world.request(.skip(StepID(plan: id, index: 0)))
        try world.run()
        #expect(try world.states(id) == [.skipped, .skipped, .success])
        #expect(try world.row(id).result == .warning)
    }

    @Test func whatIsNotPossibleIsRefusedWithTheReason() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in nil }
        let id = try world.start(program("a"), [.call(0)])
        try world.request(.skip(StepID(plan: id, index: 0)))
        try world.request(.retry(StepID(plan: id, index: 9), input: nil))
        let refusals = try world.store.events(after: 0, plan: id, limit: .max).filter { $0.kind == .requestRefused }
        #expect(refusals.count == 2)
        #expect(refusals.allSatisfy { $0.detail?.contains("not-possible") == true })
    }

    @Test func haltStopsAtOnceAndHaltingAgainIsHarmless() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in nil }
        let id = try world.start(program("a", "b"), [.call(0), .call(1, uses: [0])])
        try world.request(.halt(id))
        #expect(try world.row(id).state == .stopped)
        #expect(try world.row(id).result == .cancelled)
        #expect(world.cancelled.count == 1)
        try world.end("a", .done)
        #expect(world.story == ["a run"])
        try world.request(.halt(id))
        try world.request(.resume(id))
        #expect(try world.row(id).state == .stopped)
    }

    @Test(arguments: ["scheduled", "paused", "suspended", "planning"])
    func haltWorksInEveryState(_ state: String) throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in state == "suspended" ? .asleep : .fails() }
        var spec = program("a")
        if state == "scheduled" { spec.isFrozen = true }
        if state == "planning" {
            spec.input = "{}"
            world.planner = { _ in .success(ChildPlan(program: spec, steps: [])) }
        }
        let id = try world.start(spec, state == "planning" ? [] : [.call(0)])
        try world.run()
        try world.request(.halt(id))
        #expect(try world.row(id).state == .stopped)
    }

    @Test func cancelTellsThoseThatCanBeCancelled() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { call in call.kind.word == "cancel" ? .done : .asleep }
        let spec = program("a", "b") { $0.isCancellable = true }
        let id = try world.start(spec, [.call(0), .call(1, uses: [0])])
        try world.run()
        try world.request(.cancel(id))
        try world.run()
        #expect(world.story == ["a run", "a cancel"])
        #expect(try world.states(id) == [.success, .cancelled])
        #expect(try world.row(id).result == .cancelled)
    }

    @Test func cancelWaitsForWhatCannotBeCancelledAndAbortDoesNot() throws {
        var world = try ProgramHarness()
        world.scripts["a"] = { _ in .asleep }
        let id = try world.start(program("a"), [.call(0)])
        try world.run()
        try world.request(.cancel(id))
        #expect(try world.row(id).state == .running)
        try world.request(.abort(id))
        #expect(try world.row(id).state == .stopped)
        #expect(try world.states(id) == [.cancelled])
    }

    @Test func cancelledPlanThatRevertsUndoesWhatItDid() throws {
        var world = try ProgramHarness()
        world.scripts["b"] = { $0.kind == .run ? nil : .done }
        let spec = program("a", "b") {
            $0.reverts = true
        } plan: {
            $0.revertsWhenCancelled = true
        }
        let id = try world.start(spec, [.call(0), .call(1, uses: [0]), .call(0, uses: [1])])
        try world.run()
        try world.request(.cancel(id))
        try world.end("b", .done)
        try world.run()
        #expect(world.story == ["a run", "b run", "b revert", "a revert"])
        #expect(try world.row(id).state == .stopped)
    }
}
