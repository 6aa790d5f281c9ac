// Steps that take a node from a pool, and the nodes that are free for them.

import DequeModule

extension PlanMachine {
    /// - Parameter limit: how many of its nodes may be at work at once; nil for all.
    package mutating func makePool(limit: Int? = nil) -> Int32 {
        var pool = NodePool()
        pool.limit = limit
        pools.append(pool)
        return Int32(pools.count - 1)
    }

    /// A node is free for the steps of these pools; the first that takes it has it.
    ///
    /// - Parameters:
    ///   - seat: where it stands, as teams name it; nil when none asks for that.
    ///   - isSpare: it is taken only when no other is free.
    package mutating func addNode(
        _ node: NodeID,
        toPools indices: [Int32],
        at seat: NodeSeat? = nil,
        isSpare: Bool = false
    ) {
        for pool in indices { pools[Int(pool)].add(node, at: seat, isSpare: isSpare) }
    }

    package mutating func removeNode(_ node: NodeID, fromPools indices: [Int32]) {
        for pool in indices { pools[Int(pool)].remove(node) }
    }

    /// Steps that wait for this node alone get any other: it will not be free again.
    package mutating func relaxRules(waitingFor node: NodeID) {
        for i in pools.indices where pools[i].hasRules { pools[i].relax(waitingFor: node) }
    }

    /// Steps get any node, whatever their rules say; says whether there were such steps.
    package mutating func relaxRules() -> Bool {
        var found = false
        for i in pools.indices where pools[i].hasRules {
            pools[i].relax()
            found = true
        }
        return found
    }

    /// What a pool has to do, and with how many nodes: those that are free, that are waited for, and that are at work.
    package func standing(ofPool pool: Int32) -> (free: Int, waiting: Int, running: Int) {
        let pool = pools[Int(pool)]
        return (pool.freeCount, pool.waitingCount, pool.running)
    }

    /// Notes what kind of work was done on a node last.
    mutating func note(_ kin: Int32, on node: NodeID, inPool pool: Int32) { pools[Int(pool)].note(kin, on: node) }

    /// Which nodes of a pool the steps that wait must not get, for each that must not get just any.
    func exclusions(inPool pool: Int32) -> [NodeRule] {
        pools[Int(pool)].exclusions.filter { !state(of: $0.step).hasEnded }.map(\.rule)
    }

    /// Whether some step waits for several nodes of a pool at once.
    func hasTeams(inPool pool: Int32) -> Bool {
        pools[Int(pool)].waitingTeams.contains { !state(of: $0.step).hasEnded }
    }

    /// Whether some step may be waiting for this very node by its rule.
    package func isAwaited(_ node: NodeID, inPools indices: [Int32]) -> Bool {
        indices.contains { pools[Int($0)].awaits(node) }
    }

    /// Puts back a running step whose act has ended by going away: it waits for the node it had, and begins as its next
    /// try.
    mutating func waitAgain(_ step: StepIndex, on node: NodeID, into turn: inout Turn) {
        precondition(state(of: step) == .running, "only a running step waits again, not one that is \(state(of: step))")
        running -= 1
        set(step, .pending)
        turn.emit(.stepReturned, plan: row.id, step: step, node: node)
        rules[step] = .only(node)
        enqueue(step)
    }
}

// MARK: What starts next

extension PlanMachine {
    /// The next step that may start now, with the node it gets from its pool, and those of its members. Barriers come
    /// first and cost no slot.
    mutating func nextReady() -> (step: StepIndex, node: NodeID?, others: [NodeID])? {
        guard gateIsOpen else { return nil }
        // Taken out to be looked at: the first of a queue asks for memory each time, where code is not optimized.
        while let step = ready.popFirst() {
            guard running < slots || spec(of: step).action == .barrier || !mayStart(step) else {
                ready.prepend(step)
                break
            }
            cells[Int(step)].isQueued = false
            if mayStart(step) { return (step, nil, []) }
        }
        guard running < slots else { return nil }
        return pools.contains(where: \.hasTeams) ? nextAmongTeams() : nextOfPools()
    }

    /// Where each waits for one node: of several pools the one whose first step would go first in a common one.
    private mutating func nextOfPools() -> (step: StepIndex, node: NodeID?, others: [NodeID])? {
        while let i = pools.indices.filter({ pools[$0].next != nil }).max(by: { pools[$0].isBehind(pools[$1]) }),
            let (step, node) = pools[i].take()
        {
            cells[Int(step)].isQueued = false
            if mayStart(step) {
                for other in pools.indices where other != i { pools[other].remove(node) }
                return (step, node, [])
            }
            pools[i].putBack(node)
        }
        return nil
    }

    private mutating func nextAmongTeams() -> (step: StepIndex, node: NodeID?, others: [NodeID])? {
        dropEndedTeams()
        while let choice = choose() {
            pools[choice.pool].take(choice.stand, choice.nodes)
            cells[Int(choice.step)].isQueued = false
            if mayStart(choice.step) {
                for other in pools.indices where other != choice.pool {
                    for node in choice.nodes { pools[other].remove(node) }
                }
                return (choice.step, choice.nodes.first, Array(choice.nodes.dropFirst()))
            }
            for node in choice.nodes.reversed() { pools[choice.pool].putBack(node) }
        }
        return nil
    }

    /// Forgets those that wait for several nodes and have ended meanwhile: they hold nothing back.
    mutating func dropEndedTeams() {
        for i in pools.indices where pools[i].hasTeams {
            let dropped = pools[i].dropTeams { [cells] step in !cells[Int(step)].mayStart }
            for step in dropped { cells[Int(step)].isQueued = false }
        }
    }

    private struct Choice {
        let step: StepIndex
        let pool: Int
        let stand: NodePool.Stand
        let nodes: [NodeID]
    }

    /// Who goes next where some wait for several nodes at once: the first, by priority and then by place in the plan,
    /// for whom there is enough.
    ///
    /// Whoever waits for more nodes than are free holds those back that it could use, and no others, from all who come
    /// after it; so it is passed by nobody for ever. Nothing is held while nobody asks: those who come before it may
    /// take what it would have had, and no two can wait for each other. One that has its nodes and waits for others to
    /// end, as only so many steps may run, lets nobody begin before it.
    private func choose() -> Choice? {
        var stands: [(waiter: NodePool.Waiter, pool: Int, stand: NodePool.Stand)] = []
        for pool in pools.indices { stands += pools[pool].stands.map { ($0.waiter, pool, $0.stand) } }
        stands.sort { $0.waiter > $1.waiter }
        var held: Set<NodeID> = []
        var full: Set<Int> = []
        for (waiter, pool, stand) in stands where !full.contains(pool) {
            let nodes = pools[pool].nodes(for: stand, except: held)
            let found = nodes.compactMap(\.self)
            let isComplete = found.count == nodes.count
            let hasSlots = running + nodes.count <= slots || running == 0
            if isComplete, hasSlots, pools[pool].hasRoom(for: nodes.count) {
                return Choice(step: waiter.step, pool: pool, stand: stand, nodes: found)
            }
            guard case .team = stand else { continue }
            held.formUnion(found)
            guard isComplete else { continue }
            if !hasSlots { return nil }
            full.insert(pool)
        }
        return nil
    }

    /// Whether some step could get what it waits for from its pool, were all slots free.
    var poolsCanStart: Bool {
        pools.contains(where: \.hasTeams) ? choose() != nil : pools.contains { $0.canStart }
    }

    /// The steps that wait for several nodes at once, in the order in which they would begin.
    var waitingTeams: [StepIndex] { pools.flatMap(\.waitingTeams).sorted { $0 > $1 }.map(\.step) }
}
