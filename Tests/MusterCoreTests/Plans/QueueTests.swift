import Testing

@testable import MusterCore

@Suite struct QueueTests {
    private func step(_ index: StepIndex, plan: Int64 = 1) -> StepID { StepID(plan: PlanID(plan), index: index) }
    private func at(_ micros: Int64) -> Timestamp { Timestamp(rawValue: micros) }

    // MARK: Timers

    @Test func timersFireInOrderOfTheirDeadlines() {
        var timers = TimerQueue()
        for (index, due) in [30, 10, 20].enumerated() {
            timers.set(TimerRow(step: step(StepIndex(index)), dueAt: at(Int64(due))))
        }
        #expect(timers.nextDue() == at(10))
        #expect(timers.takeDue(at: at(9)) == nil)
        #expect(timers.takeDue(at: at(20)) == .step(step(1)))
        #expect(timers.takeDue(at: at(20)) == .step(step(2)))
        #expect(timers.takeDue(at: at(20)) == nil)
        #expect(timers.takeDue(at: at(99)) == .step(step(0)))
        #expect(timers.nextDue() == nil)
    }

    @Test func equalDeadlinesFireInTheOrderTheyWereSet() {
        var timers = TimerQueue()
        let order: [StepIndex] = [5, 3, 9, 1]
        for index in order { timers.set(TimerRow(step: step(index), dueAt: at(7))) }
        #expect(order.map { _ in timers.takeDue(at: at(7)) } == order.map { .step(step($0)) })
    }

    @Test func aReplacedOrClearedTimerNeverFires() {
        var timers = TimerQueue()
        timers.set(TimerRow(step: step(1), dueAt: at(10)))
        timers.set(TimerRow(step: step(1), dueAt: at(50)))
        timers.set(TimerRow(step: step(2), dueAt: at(20)))
        timers.set(TimerRow(step: step(3, plan: 2), dueAt: at(30)))
        timers.clear(step(2))
        #expect(timers.nextDue() == at(30))
        timers.clear(plan: PlanID(2))
        #expect(timers.takeDue(at: at(40)) == nil)
        #expect(timers.takeDue(at: at(50)) == .step(step(1)))
        #expect(timers.takeDue(at: at(99)) == nil)
        timers.set(TimerRow(step: step(1), dueAt: at(60)))
        timers.set(TimerRow(step: step(1), dueAt: at(5)))
        #expect(timers.takeDue(at: at(99)) == .step(step(1)))
        #expect(timers.takeDue(at: at(99)) == nil, "an earlier deadline replaces a later one, too")
    }

    // MARK: Pools

    @Test func theHighestPriorityGetsTheNodeThatWasFreeLongest() {
        var pool = NodePool()
        for (index, priority) in [(4, 1), (2, 5), (7, 5), (1, 0)] {
            pool.wait(StepIndex(index), priority: Int64(priority), rule: nil)
        }
        #expect(!pool.canStart)
        for node: Int64 in [8, 6, 9] { pool.add(NodeID(node)) }
        pool.add(NodeID(8))
        pool.remove(NodeID(6))
        #expect(pool.take().map { [$0.step, StepIndex($0.node.rawValue)] } == [2, 8])
        #expect(pool.take().map { [$0.step, StepIndex($0.node.rawValue)] } == [7, 9])
        #expect(pool.take() == nil, "a node is free once, however often it is added")
        #expect(pool.dismissWaiters() == [4, 1])
        #expect(pool.waitingCount == 0)
    }

    @Test func aNodeThatIsPutBackStaysTheFirst() {
        var pool = NodePool()
        for node: Int64 in [1, 2] { pool.add(NodeID(node)) }
        pool.wait(0, priority: 0, rule: nil)
        let taken = pool.take()
        pool.putBack(NodeID(taken?.node.rawValue ?? 0))
        pool.wait(1, priority: 0, rule: nil)
        #expect(pool.take()?.node == NodeID(1))
    }

    @Test func aRuleHoldsAStepUntilANodeItMayHaveIsFree() {
        var pool = NodePool()
        pool.wait(1, priority: 0, rule: .only(NodeID(5)))
        pool.wait(2, priority: 0, rule: .not([NodeID(3), NodeID(4)]))
        pool.wait(3, priority: 0, rule: .only(NodeID(9)))
        for node: Int64 in [3, 4] { pool.add(NodeID(node)) }
        #expect(!pool.canStart)
        #expect(pool.take() == nil)
        pool.wait(4, priority: 0, rule: nil)
        #expect(pool.take().map { [$0.step, StepIndex($0.node.rawValue)] } == [4, 3], "others pass by")
        pool.add(NodeID(5))
        #expect(pool.take().map { [$0.step, StepIndex($0.node.rawValue)] } == [1, 5])
        pool.add(NodeID(6))
        #expect(pool.take().map { [$0.step, StepIndex($0.node.rawValue)] } == [2, 6])
        #expect(pool.take() == nil)
        pool.relax()
        #expect(pool.take().map { [$0.step, StepIndex($0.node.rawValue)] } == [3, 4])
    }

    @Test func aStepThatWaitsForANodeThatIsGoneTakesAnyOther() {
        var pool = NodePool()
        pool.wait(1, priority: 0, rule: .only(NodeID(5)))
        pool.wait(2, priority: 9, rule: .only(NodeID(6)))
        pool.add(NodeID(4))
        pool.relax(waitingFor: NodeID(5))
        #expect(pool.take()?.step == 1)
        #expect(pool.waitingCount == 1)
    }

    @Test func noMoreNodesThanAllowedAreAtWork() {
        var pool = NodePool()
        pool.limit = 1
        for step: StepIndex in [1, 2] { pool.wait(step, priority: 0, rule: nil) }
        for node: Int64 in [3, 4] { pool.add(NodeID(node)) }
        #expect(pool.take()?.step == 1)
        pool.running = 1
        #expect(pool.take() == nil)
        pool.running = 0
        #expect(pool.take().map { [$0.step, StepIndex($0.node.rawValue)] } == [2, 4])
    }

    @Test func theQueueDoesNotGrowWithTheWorkOfOneKind() {
        var pool = NodePool()
        pool.add(NodeID(1))
        for step in 0..<1000 { pool.wait(StepIndex(step), priority: 0, rule: nil, kin: 1) }
        pool.wait(1000, priority: 0, rule: nil, kin: 2)
        for step in 0..<1000 {
            #expect(pool.take()?.step == StepIndex(step))
            pool.add(NodeID(1))
        }
        #expect(pool.queueLength < 20)
    }

    @Test func aSpareThatDidNothingYetComesAfterANodeThatDidOtherWork() {
        var pool = NodePool()
        pool.add(NodeID(2), isSpare: true)
        pool.add(NodeID(1))
        pool.note(7, on: NodeID(1))
        pool.wait(0, priority: 0, rule: nil, kin: 1)
        #expect(pool.take()?.node == NodeID(1))
    }

    // MARK: Graphs

    @Test func edgesComeInTheOrderTheyWereAdded() {
        var graph = StepGraph()
        for _ in 0..<4 { graph.addStep() }
        for (from, to) in [(0, 1), (1, 3), (0, 2), (0, 3)] { graph.addEdge(from: StepIndex(from), to: StepIndex(to)) }
        func successors(of step: StepIndex) -> [StepIndex] {
            var found: [StepIndex] = []
            var edge = graph.firstEdge(of: step)
            while let current = edge {
                found.append(graph.successor(at: current))
                edge = graph.edge(after: current)
            }
            return found
        }
        #expect((0..<4).map { successors(of: $0) } == [[1, 2, 3], [3], [], []])
        #expect(graph.stepCount == 4)
        #expect(graph.edgeCount == 4)
    }
}
