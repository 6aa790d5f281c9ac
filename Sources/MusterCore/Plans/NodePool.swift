import DequeModule
import HeapModule

/// Which node a step that waits for one may get.
package enum NodeRule: Hashable, Sendable {
    /// This one.
    case only(NodeID)
    /// None of these.
    case not([NodeID])

    func allows(_ node: NodeID) -> Bool {
        switch self {
        case .only(let wanted): node == wanted
        case .not(let refused): !refused.contains(node)
        }
    }
}

/// The nodes of several groups that steps get together, or none of them.
package struct NodeTeam: Hashable, Sendable {
    /// The roles that nodes have by their places, in turn.
    package struct Rounds: Hashable, Sendable {
        package var roles: [Int32]
        /// For the number of each group where in a round its first node stands.
        package var starts: [Int32: Int]

        package init(roles: [Int32], starts: [Int32: Int]) {
            self.roles = roles
            self.starts = starts
        }
    }

    /// For each node the number of the group that it is of; `any` where that is of no matter. With rounds the number of
    /// the role that it has.
    package var seats: [Int32]
    /// nil when any node plays any role.
    package var rounds: Rounds?

    package static let any: Int32 = -1
    static let one = NodeTeam(seats: [any])

    package init(seats: [Int32], rounds: Rounds? = nil) {
        self.seats = seats
        self.rounds = rounds
    }

    /// What seats name of a node at this place of a group; nil for none of them.
    func key(of seat: NodeSeat) -> Int32? {
        guard let rounds else { return seat.group }
        return rounds.starts[seat.group].map { rounds.roles[($0 + seat.place) % rounds.roles.count] }
    }
}

/// Where a node stands: the number of its group, and its place in it.
package struct NodeSeat: Hashable, Sendable {
    package var group: Int32
    package var place: Int

    package init(group: Int32, place: Int) {
        self.group = group
        self.place = place
    }
}

/// The nodes of some groups that are free for work, and the steps that wait for one.
///
/// The node that was free longest goes first; of the steps the one with the highest priority, then the earliest. Steps
/// with a rule stand beside the others: each takes its turn among them as soon as a node that it may have is free.
/// So do those that want several nodes at once: who goes next among them is the plan's to decide, as nodes may be in
/// several pools.
struct NodePool: Sendable {
    struct Waiter: Comparable, Sendable {
        let priority: Int64
        let step: StepIndex

        /// The heap gives its greatest first: the higher priority, then the lower index.
        static func < (a: Waiter, b: Waiter) -> Bool {
            a.priority != b.priority ? a.priority < b.priority : a.step > b.step
        }
    }

    private struct Place: Sendable {
        let node: NodeID
        let ticket: Int
    }

    /// Steps that want the same nodes: of them only the first need be looked at.
    private struct Line: Sendable {
        let team: NodeTeam
        var waiters: Heap<Waiter>
    }

    /// Which of those who wait.
    enum Stand: Sendable {
        case plain
        case ruled(Int)
        case team(Int)
    }

    /// How many of its nodes may be at work at once; nil for all of them.
    var limit: Int?
    /// How many of its steps run.
    var running = 0
    /// In the order of becoming free. Nodes that were removed since are still in it, with a ticket of before.
    private var queue: Deque<Place> = []
    private var free: [NodeID: Int] = [:]
    private var lastTicket = 0
    /// Those that only stand in for others.
    private var spares: Set<NodeID> = []
    private var waiters: Heap<Waiter> = []
    private var ruled: [(waiter: Waiter, rule: NodeRule)] = []
    private var lines: [Line] = []
    /// Of those that wait, whose kind of work goes best where such work was done last: they stand among the others too.
    private var kin: [Int32: Heap<Waiter>] = [:]
    private var kinOf: [StepIndex: Int32] = [:]
    /// Those that were taken before their turn, and still stand among the others.
    private var early: Set<StepIndex> = []
    private var lastKin: [NodeID: Int32] = [:]
    /// Where each node stands, if that was told.
    private var places: [NodeID: NodeSeat] = [:]

    var freeCount: Int { free.count }
    /// How many stand in the queue, with those that were taken since.
    var queueLength: Int { queue.count }
    /// How many nodes are waited for.
    var waitingCount: Int {
        waiters.count - early.count + ruled.count + lines.reduce(0) { $0 + $1.waiters.count * $1.team.seats.count }
    }
    var hasRules: Bool { !ruled.isEmpty }
    /// Those who wait for any node but some.
    var exclusions: [(step: StepIndex, rule: NodeRule)] {
        ruled.compactMap { if case .not = $0.rule { ($0.waiter.step, $0.rule) } else { nil } }
    }
    var hasTeams: Bool { !lines.isEmpty }
    var canStart: Bool { next != nil }

    /// - Parameters:
    ///   - seat: where it stands; nil when no step asks for that.
    ///   - isSpare: it is taken only when no other is free.
    mutating func add(_ node: NodeID, at seat: NodeSeat? = nil, isSpare: Bool = false) {
        guard free[node] == nil else { return }
        if isSpare { spares.insert(node) }
        if let seat { places[node] = seat }
        lastTicket += 1
        free[node] = lastTicket
        queue.append(Place(node: node, ticket: lastTicket))
    }

    /// Returns a node that was taken and not used: it stays the first.
    mutating func putBack(_ node: NodeID) {
        guard free[node] == nil else { return }
        lastTicket += 1
        free[node] = lastTicket
        queue.prepend(Place(node: node, ticket: lastTicket))
    }

    mutating func remove(_ node: NodeID) { free[node] = nil }

    /// - Parameter kin: what kind of work it is; of those that are equal otherwise it goes where such was done last.
    mutating func wait(_ step: StepIndex, priority: Int64, rule: NodeRule?, kin: Int32? = nil) {
        let waiter = Waiter(priority: priority, step: step)
        if let rule {
            ruled.append((waiter, rule))
            return
        }
        if early.remove(step) == nil { waiters.insert(waiter) }
        guard let kin else { return }
        self.kin[kin, default: []].insert(waiter)
        kinOf[step] = kin
    }

    /// What kind of work was done on a node last.
    mutating func note(_ kin: Int32?, on node: NodeID) { lastKin[node] = kin }

    /// The step that goes next, when a node is free for it.
    var next: Waiter? {
        guard !free.isEmpty, limit.map({ running < $0 }) ?? true else { return nil }
        return [waiters.max, nextRuled.map { ruled[$0].waiter }].compactMap(\.self).max()
    }

    func isBehind(_ other: NodePool) -> Bool {
        guard let next, let others = other.next else { return next == nil }
        return next < others
    }

    private var nextRuled: Int? {
        ruled.indices.filter { index in free.keys.contains { ruled[index].rule.allows($0) } }
            .max { ruled[$0].waiter < ruled[$1].waiter }
    }

    /// The next step with the node it gets; nil when nobody waits or no node is free for anybody.
    mutating func take() -> (step: StepIndex, node: NodeID)? {
        guard let next else { return nil }
        if waiters.max == next {
            return takeOfKin(next) ?? firstFree { _ in true }.map { (leave(next), $0) }
        }
        guard let index = nextRuled else { return nil }
        let rule = ruled.remove(at: index).rule
        return firstFree(rule.allows).map { (next.step, $0) }
    }

    /// Takes who does the kind of work that was done last on some free node; otherwise leaves such nodes to others.
    private mutating func takeOfKin(_ first: Waiter) -> (step: StepIndex, node: NodeID)? {
        guard !kinOf.isEmpty else { return nil }
        for place in queue where free[place.node] == place.ticket && !spares.contains(place.node) {
            guard let kind = lastKin[place.node], let waiter = kin[kind]?.max, waiter.priority == first.priority else {
                continue
            }
            free[place.node] = nil
            prune()
            return (leave(waiter, to: place.node), place.node)
        }
        let node =
            firstFree { [lastKin, spares] in lastKin[$0] == nil && !spares.contains($0) } ?? firstFree { _ in true }
        return node.map { (leave(first, to: $0), $0) }
    }

    /// Takes one out who waits for any node, and notes the kind of its work where it goes.
    @discardableResult
    private mutating func leave(_ waiter: Waiter, to node: NodeID? = nil) -> StepIndex {
        if waiters.max == waiter { waiters.removeMax() } else { early.insert(waiter.step) }
        let kind = kinOf.removeValue(forKey: waiter.step)
        if let kind {
            kin[kind]?.removeMax()
            if kin[kind]?.isEmpty == true { kin[kind] = nil }
        }
        if let node { lastKin[node] = kind }
        while !early.isEmpty, let first = waiters.max, early.contains(first.step) {
            waiters.removeMax()
            early.remove(first.step)
        }
        return waiter.step
    }

    /// What was taken stays behind in the queue: never more than there is.
    private mutating func prune() {
        if queue.count > 2 * free.count + 16 { queue.removeAll { free[$0.node] != $0.ticket } }
    }

    private mutating func firstFree(_ isWanted: (NodeID) -> Bool) -> NodeID? {
        while let first = queue.first, free[first.node] != first.ticket { queue.removeFirst() }
        var found: Int?
        for index in queue.indices where free[queue[index].node] == queue[index].ticket && isWanted(queue[index].node) {
            guard spares.contains(queue[index].node) else {
                found = index
                break
            }
            if found == nil { found = index }
        }
        guard let found else { return nil }
        let node = queue.remove(at: found).node
        free[node] = nil
        return node
    }

    /// Whether some step may be waiting for this very node.
    func awaits(_ node: NodeID) -> Bool {
        // Those that want roles want some of every kind: which of them is too many is not looked into.
        ruled.contains { $0.rule.allows(node) } || lines.contains { $0.team.rounds != nil }
    }

    /// Has those with a rule take any node; only those who wait for one node alone, where it is named.
    mutating func relax(waitingFor node: NodeID? = nil) {
        for entry in ruled where node.map({ entry.rule == .only($0) }) ?? true { waiters.insert(entry.waiter) }
        ruled.removeAll { entry in node.map { entry.rule == .only($0) } ?? true }
    }

    /// Forgets everybody who waits and says who it was, in the order they would have had.
    mutating func dismissWaiters() -> [StepIndex] {
        relax()
        for line in lines { waiters.insert(contentsOf: line.waiters.unordered) }
        lines = []
        var dismissed: [StepIndex] = []
        while let waiter = waiters.popMax() { if !early.contains(waiter.step) { dismissed.append(waiter.step) } }
        early = []
        kin = [:]
        kinOf = [:]
        return dismissed
    }
}

// MARK: Several nodes at once

extension NodePool {
    mutating func wait(_ step: StepIndex, priority: Int64, team: NodeTeam) {
        let waiter = Waiter(priority: priority, step: step)
        if let line = lines.firstIndex(where: { $0.team == team }) {
            lines[line].waiters.insert(waiter)
        } else {
            lines.append(Line(team: team, waiters: [waiter]))
        }
    }

    /// Who may be next: of those that want the same, the first. All that are bound by rules, as each wants something
    /// else.
    var stands: [(waiter: Waiter, stand: Stand)] {
        var stands: [(Waiter, Stand)] = []
        if let first = waiters.max { stands.append((first, .plain)) }
        for index in ruled.indices { stands.append((ruled[index].waiter, .ruled(index))) }
        for index in lines.indices { if let first = lines[index].waiters.max { stands.append((first, .team(index))) } }
        return stands
    }

    /// The free nodes that whoever stands there would get, in the order of the seats of a team; nil for each that is
    /// missing.
    func nodes(for stand: Stand, except taken: Set<NodeID>) -> [NodeID?] {
        switch stand {
        case .plain: seat(.one) { !taken.contains($0) }
        case .ruled(let index): seat(.one) { !taken.contains($0) && ruled[index].rule.allows($0) }
        case .team(let index): seat(lines[index].team) { !taken.contains($0) }
        }
    }

    private func seat(_ team: NodeTeam, where isWanted: (NodeID) -> Bool) -> [NodeID?] {
        var seated = [NodeID?](repeating: nil, count: team.seats.count)
        // From behind, so that the first seat is filled first.
        var open: [Int32: [Int]] = [:]
        for seat in team.seats.indices.reversed() { open[team.seats[seat], default: []].append(seat) }
        var anywhere = open.removeValue(forKey: NodeTeam.any) ?? []
        var left: [NodeID] = []
        for wantsSpares in [false, true] {
            for place in queue where free[place.node] == place.ticket && isWanted(place.node) {
                guard spares.contains(place.node) == wantsSpares else { continue }
                if let key = places[place.node].flatMap(team.key), let seat = open[key]?.popLast() {
                    seated[seat] = place.node
                } else if left.count < anywhere.count {
                    left.append(place.node)
                }
                if left.count == anywhere.count, open.values.allSatisfy(\.isEmpty) { break }
            }
        }
        for node in left { if let seat = anywhere.popLast() { seated[seat] = node } }
        return seated
    }

    /// Whether so many more of its nodes may be at work. Whoever wants more than may ever be is let in alone.
    func hasRoom(for count: Int) -> Bool { limit.map { running + count <= $0 || count > 1 && running == 0 } ?? true }

    /// Takes whoever stands there out, with the nodes it gets.
    mutating func take(_ stand: Stand, _ nodes: [NodeID]) {
        switch stand {
        case .plain: if let first = waiters.max { leave(first, to: nodes.first) }
        case .ruled(let index): ruled.remove(at: index)
        case .team(let index): leaveLine(index)
        }
        for node in nodes { free[node] = nil }
        prune()
    }

    /// Takes out the first of each line for as long as it does not wait any more, and says who it was.
    mutating func dropTeams(where isOver: (StepIndex) -> Bool) -> [StepIndex] {
        var dropped: [StepIndex] = []
        for index in lines.indices.reversed() {
            while index < lines.count, let first = lines[index].waiters.max, isOver(first.step) {
                dropped.append(first.step)
                leaveLine(index)
            }
        }
        return dropped
    }

    /// The first of each line.
    var waitingTeams: [Waiter] { lines.compactMap(\.waiters.max) }

    private mutating func leaveLine(_ index: Int) {
        lines[index].waiters.removeMax()
        if lines[index].waiters.isEmpty { lines.remove(at: index) }
    }
}
