// Steps that take a node from a pool, and the nodes that are free for them.

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
    /// - Parameter isSpare: it is taken only when no other is free.
    package mutating func addNode(_ node: NodeID, toPools indices: [Int32], isSpare: Bool = false) {
        for pool in indices { pools[Int(pool)].add(node, isSpare: isSpare) }
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

    /// What a pool has to do, and with how many nodes.
    package func standing(ofPool pool: Int32) -> (free: Int, waiting: Int, running: Int) {
        let pool = pools[Int(pool)]
        return (pool.freeCount, pool.waitingCount, pool.running)
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
