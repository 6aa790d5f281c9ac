import Testing

@testable import MusterCore

/// A plan driven by hand: every step is a `noop` or a barrier, and what runs is known by index.
struct PlanDriver {
    var plan: PlanMachine
    var turn = Turn(now: Timestamp(rawValue: 1), epoch: 1)
    private(set) var running: Set<StepIndex> = []
    private(set) var starts: [StepIndex] = []

    init(slots: Int = 64) {
        let row = PlanRow(
            id: PlanID(1),
            request: "t",
            verb: .up,
            lab: "lab",
            host: "here",
            epoch: 1,
            createdAt: Timestamp(rawValue: 1)
        )
        plan = PlanMachine(row: row, slots: slots)
        plan.gateIsOpen = true
    }

    @discardableResult
    mutating func add(
        needs: [StepIndex] = [],
        barrier: Bool = false,
        threshold: Int32? = nil,
        startsAfterFailure: Bool = false,
        pool: Int32 = -1,
        priority: Int64 = 0
    ) -> StepIndex {
        plan.append(
            StepSpec(
                barrier ? .barrier : .noop,
                pool: pool,
                priority: priority,
                threshold: threshold,
                startsAfterFailure: startsAfterFailure
            ),
            needs: needs
        )
    }

    /// Starts what may start; barriers succeed at once. Returns what was started, in order.
    @discardableResult
    mutating func start() -> [StepIndex] {
        let begun = turn.directives.count
        while let barrier = plan.startNext(into: &turn) { plan.finish(barrier, .success, into: &turn) }
        let new = turn.directives[begun...].compactMap {
            if case .perform(let act) = $0 { act.step.index } else { nil }
        }
        for step in new { #expect(running.insert(step).inserted, "step \(step) runs twice at once") }
        starts += new
        return new
    }

    @discardableResult
    mutating func finish(_ step: StepIndex, _ state: StepState = .success) -> [StepIndex] {
        #expect(running.remove(step) != nil, "step \(step) does not run")
        plan.finish(step, state, error: state == .error ? StepError(.exited, "exit 1") : nil, into: &turn)
        return start()
    }

    mutating func retry(_ step: StepIndex) {
        #expect(running.remove(step) != nil)
        plan.retry(step, after: StepError(.exited, "exit 1"), at: Timestamp(rawValue: 5), into: &turn)
    }

    mutating func retryIsDue(_ step: StepIndex) -> [StepIndex] {
        plan.retryIsDue(step, into: &turn)
        return start()
    }

    /// Runs everything to its end, the last started first; only counts.
    mutating func drain() {
        var waiting: [StepIndex] = []
        repeat {
            turn = Turn(now: turn.now, epoch: 1)
            if let step = waiting.popLast() { plan.finish(step, .success, into: &turn) }
            while let barrier = plan.startNext(into: &turn) { plan.finish(barrier, .success, into: &turn) }
            for case .perform(let act) in turn.directives { waiting.append(act.step.index) }
        } while !waiting.isEmpty
    }

    mutating func rows() -> [StepRow] {
        plan.fillRows(into: &turn)
        defer { turn = Turn(now: turn.now, epoch: 1) }
        return turn.steps
    }
}

@Suite struct PlanMachineTests {
    @Test func aStepStartsWhenAllItNeedsHasSucceeded() {
        var driver = PlanDriver()
        let a = driver.add()
        let b = driver.add()
        let c = driver.add(needs: [a, b])
        let d = driver.add(needs: [c])
        #expect(driver.start() == [a, b])
        #expect(driver.finish(b) == [])
        #expect(driver.finish(a) == [c])
        #expect(driver.finish(c) == [d])
        #expect(driver.finish(d) == [])
        #expect(driver.plan.isDrained)
        #expect(driver.plan.result == .success)
    }

    @Test func aFailedStepBlocksOnlyWhatNeedsIt() {
        var driver = PlanDriver()
        let a = driver.add()
        let b = driver.add()
        let onA = driver.add(needs: [a])
        let onB = driver.add(needs: [b])
        driver.start()
        #expect(driver.finish(a, .error) == [])
        #expect(driver.finish(b) == [onB])
        driver.finish(onB)
        #expect(driver.plan.isDrained)
        #expect(driver.plan.state(of: onA) == .pending)
        #expect(driver.plan.result == .error)
    }

    @Test func aThresholdNeedsThatManyAndSkippedNodesDoNotCount() {
        var driver = PlanDriver()
        let nodes = (0..<4).map { _ in driver.add() }
        let two = driver.add(needs: nodes, barrier: true, threshold: 2)
        let all = driver.add(needs: nodes, barrier: true)
        let onTwo = driver.add(needs: [two])
        let onAll = driver.add(needs: [all])
        driver.start()
        #expect(driver.finish(nodes[0]) == [])
        driver.plan.finish(nodes[1], .skipped, countsForThresholds: false, into: &driver.turn)
        #expect(driver.start() == [])
        driver.plan.finish(nodes[2], .skipped, countsForThresholds: true, into: &driver.turn)
        #expect(driver.start() == [onTwo], "a step that was made up for counts")
        #expect(driver.finish(nodes[3]) == [onAll], "and a barrier is reached once")
        _ = onAll
    }

    @Test func aThresholdOfZeroIsReachedAtOnce() {
        var driver = PlanDriver()
        let node = driver.add()
        let gate = driver.add(needs: [node], barrier: true, threshold: 0)
        let next = driver.add(needs: [gate])
        #expect(Set(driver.start()) == [node, next])
    }

    @Test func whatStartsAfterFailureStartsHoweverItsNeedsEnd() {
        for ends in [[StepState.success, .error], [.error, .error], [.cancelled, .skipped], [.success, .success]] {
            var driver = PlanDriver()
            let undo = [driver.add(), driver.add()]
            let destroy = driver.add(needs: undo, startsAfterFailure: true)
            driver.start()
            #expect(driver.finish(undo[0], ends[0]) == [])
            #expect(driver.finish(undo[1], ends[1]) == [destroy])
        }
    }

    @Test func aReopenedStepIsWaitedForAgain() {
        var driver = PlanDriver()
        let a = driver.add()
        let b = driver.add()
        let after = driver.add(needs: [a, b], startsAfterFailure: true)
        driver.start()
        driver.finish(a, .error)
        driver.plan.reopen(a, into: &driver.turn)
        #expect(driver.start() == [a])
        #expect(driver.finish(a, .error) == [], "the other one has not ended")
        #expect(driver.finish(b) == [after])
    }

    @Test func aReopenedStepKeepsBackWhatStoodInTheQueue() {
        var driver = PlanDriver()
        let a = driver.add()
        let after = driver.add(needs: [a], startsAfterFailure: true)
        driver.start()
        driver.plan.gateIsOpen = false
        driver.finish(a, .error)
        driver.plan.reopen(a, into: &driver.turn)
        driver.plan.gateIsOpen = true
        #expect(driver.start() == [a])
        #expect(driver.finish(a) == [after])
    }

    @Test func whatIsSkippedInTheQueueNeverStarts() {
        var driver = PlanDriver()
        let chain = [driver.add()]
        let next = driver.add(needs: chain)
        let last = driver.add(needs: [next])
        let onChain = driver.add(needs: [last])
        driver.start()
        driver.plan.finish(chain[0], .skipped, into: &driver.turn)
        driver.plan.finish(next, .skipped, into: &driver.turn)
        driver.plan.finish(last, .skipped, into: &driver.turn)
        #expect(driver.start() == [onChain])
        #expect(driver.plan.result == .warning || driver.plan.result == .pending)
    }

    @Test func onlySoManySlotsRunAtOnce() {
        var driver = PlanDriver(slots: 2)
        let steps = (0..<5).map { _ in driver.add() }
        #expect(driver.start() == Array(steps[0..<2]))
        #expect(driver.finish(steps[1]) == [steps[2]])
        #expect(driver.plan.running == 2)
        #expect(!driver.plan.isDrained)
    }

    @Test func aClosedGateStartsNothing() {
        var driver = PlanDriver()
        driver.plan.gateIsOpen = false
        let a = driver.add()
        #expect(driver.start() == [])
        driver.plan.gateIsOpen = true
        #expect(driver.start() == [a])
    }

    @Test func aRetryWaitsForItsTimeAndKeepsItsFirstStart() {
        var driver = PlanDriver()
        let a = driver.add()
        let b = driver.add(needs: [a])
        driver.start()
        driver.retry(a)
        #expect(
            driver.turn.timersSet == [TimerRow(step: StepID(plan: PlanID(1), index: a), dueAt: Timestamp(rawValue: 5))]
        )
        #expect(driver.start() == [])
        #expect(!driver.plan.isDrained)
        driver.plan.retryIsDue(a, into: &driver.turn)
        driver.plan.retryIsDue(a, into: &driver.turn)
        #expect(driver.start() == [a])
        #expect(driver.plan.tries(of: a) == 2)
        #expect(driver.finish(a) == [b])
        #expect(driver.plan.error(of: a) == nil)
    }

    @Test func aDismissedRetryIsNotForgotten() {
        var driver = PlanDriver()
        let a = driver.add()
        driver.start()
        driver.retry(a)
        driver.plan.gateIsOpen = false
        driver.plan.dismissRetries(into: &driver.turn)
        #expect(driver.turn.timersCleared.map(\.index) == [a])
        driver.plan.gateIsOpen = true
        #expect(driver.start() == [a])
    }

    @Test func poolsGiveOneNodeToOneStep() {
        var driver = PlanDriver()
        let pool = driver.plan.makePool()
        let low = driver.add(pool: pool)
        let high = driver.add(pool: pool, priority: 9)
        #expect(driver.start() == [])
        #expect(driver.plan.isDrained, "nothing will happen by itself without a node")
        driver.plan.addNode(NodeID(4), toPools: [pool])
        #expect(driver.start() == [high])
        #expect(driver.plan.node(of: high) == NodeID(4))
        driver.finish(high)
        driver.plan.addNode(NodeID(4), toPools: [pool])
        #expect(driver.start() == [low])
    }

    @Test func theResultFollowsItsPrecedence() {
        let table: [([StepState], PlanResult)] = [
            ([.success, .success], .success), ([.success, .skipped], .warning), ([.skipped, .error], .error),
            ([.error, .cancelled], .cancelled), ([.success], .success), ([], .success),
        ]
        for (states, result) in table {
            var driver = PlanDriver()
            let steps = states.map { _ in driver.add() }
            driver.start()
            for (step, state) in zip(steps, states) { driver.finish(step, state) }
            #expect(driver.plan.result == result, "\(states)")
        }
    }

    @Test func rowsAreWrittenOnceAndReadBackTheSame() {
        var driver = PlanDriver()
        let a = driver.add()
        let b = driver.add(needs: [a])
        let c = driver.add(needs: [a, b])
        driver.start()
        var stored = driver.rows()
        #expect(stored.map(\.isNew) == [true, true, true])
        #expect(stored.map(\.needs) == [[], [a], [a, b]])
        driver.finish(a)
        let changed = driver.rows()
        #expect(changed.map(\.index) == [a, b])
        #expect(changed.allSatisfy { !$0.isNew })
        for row in changed {
            let needs = stored[Int(row.index)].needs
            stored[Int(row.index)] = row
            stored[Int(row.index)].needs = needs
        }
        #expect(driver.rows() == [])

        var restored = PlanDriver()
        for row in stored { restored.plan.restore(row) }
        restored.plan.restoreReady(timers: [])
        #expect(restored.plan.running == 1)
        #expect(restored.start() == [], "what ran is in doubt and not started anew")
        restored.plan.finish(b, .success, into: &restored.turn)
        #expect(restored.start() == [c])
    }

    @Test func whatWasToldBeforeARestartIsNotToldAgain() {
        var driver = PlanDriver()
        let a = driver.add()
        let b = driver.add()
        let after = driver.add(needs: [a, b], startsAfterFailure: true)
        driver.start()
        driver.finish(a, .error)
        var restored = PlanDriver()
        for row in driver.rows() { restored.plan.restore(row) }
        restored.plan.restoreReady(timers: [])
        restored.plan.reopen(a, into: &restored.turn)
        #expect(restored.start() == [a])
        restored.finish(a, .error)
        #expect(restored.start() == [])
        restored.plan.finish(b, .success, into: &restored.turn)
        #expect(restored.start() == [after])
    }

    // MARK: Linear work

    enum Shape: CaseIterable { case fan, chain, layers }

    private func operations(_ shape: Shape, _ count: Int) -> Int {
        var driver = PlanDriver(slots: 32)
        for index in 0..<count {
            switch shape {
            case .fan: driver.plan.append(StepSpec(.noop), needs: [])
            case .chain: driver.plan.append(StepSpec(.noop), needs: index == 0 ? [] : [StepIndex(index - 1)])
            case .layers:
                // Layers of ten with a barrier between them.
                let gate = index % 11 == 10
                let needs: [StepIndex] =
                    if gate { (1...10).map { StepIndex(index - $0) } } else if index < 11 { [] } else {
                        [StepIndex(index / 11 * 11 - 1)]
                    }
                driver.plan.append(StepSpec(gate ? .barrier : .noop), needs: needs)
            }
        }
        driver.drain()
        #expect(driver.plan.count(of: .success) == count, "\(shape) \(count)")
        return driver.plan.operations
    }

    @Test(arguments: Shape.allCases)
    func workGrowsInProportionToThePlan(_ shape: Shape) {
        let few = operations(shape, 1000)
        let many = operations(shape, 100_000)
        #expect(Double(many) / Double(few) <= 105, "\(few) operations for 1,000 steps, \(many) for 100,000")
        #expect(few >= 1000)
    }
}
