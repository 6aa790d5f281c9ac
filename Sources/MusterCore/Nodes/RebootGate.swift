/// Somebody wants nodes rebooted, or another command sent to them.
package struct RebootRequest: Sendable {
    package var nodes: [NodeID]
    package var command: String
    /// Also from states in which a node is better left alone.
    package var isForced: Bool
    /// The rung to begin with, for nodes of which something is known: one that does not answer is not asked.
    package var firstRungs: [NodeID: Rung] = [:]
    /// Who uses a node just now, in words.
    package var users: [NodeID: String] = [:]
    /// Left out: the firewall behind which the others are.
    package var excluded: Set<NodeID> = []
    /// The host of each node that runs on another.
    package var hosts: [NodeID: NodeID] = [:]

    package init(nodes: [NodeID], command: String = "reboot", isForced: Bool = false) {
        self.nodes = nodes
        self.command = command
        self.isForced = isForced
    }
}

/// What becomes of a request, node by node.
package struct RebootAnswer: Hashable, Sendable {
    package enum Verdict: Hashable, Sendable {
        /// Begins with this rung.
        case accepted(Rung)
        /// It goes down with its host, and is not rebooted for itself.
        case withHost(NodeID)
        case excluded
        case refused(String)
    }

    package var node: NodeID
    package var verdict: Verdict

    package init(node: NodeID, verdict: Verdict) {
        self.node = node
        self.verdict = verdict
    }
}

/// The one who lets reboots pass: everything that is asked for goes through here, and each node gets an answer.
package enum RebootGate {
    /// One answer for each node that was named, in that order; a node named twice is answered once.
    package static func decide(
        _ request: RebootRequest,
        table: ModeTable,
        row: (NodeID) -> NodeStateRow?
    ) -> [RebootAnswer] {
        var seen: Set<NodeID> = []
        let nodes = request.nodes.filter { seen.insert($0).inserted }
        guard let command = table.command(request.command) else {
            let reason = "the mode table has no command '\(request.command)'"
            return nodes.map { RebootAnswer(node: $0, verdict: .refused(reason)) }
        }
        var answers = nodes.map { node in
            if request.excluded.contains(node) { return RebootAnswer(node: node, verdict: .excluded) }
            return RebootAnswer(node: node, verdict: verdict(node, command, request, table, row(node)))
        }
        // Only a host that is really rebooted takes its nodes along.
        let accepted = Set(answers.filter { if case .accepted = $0.verdict { true } else { false } }.map(\.node))
        for index in answers.indices {
            var host = request.hosts[answers[index].node]
            var steps = 0
            while let next = host, steps < nodes.count {
                if accepted.contains(next), next != answers[index].node, answers[index].verdict != .excluded {
                    answers[index].verdict = .withHost(next)
                    break
                }
                host = request.hosts[next]
                steps += 1
            }
        }
        return answers
    }

    private static func verdict(
        _ node: NodeID,
        _ command: CommandSpec,
        _ request: RebootRequest,
        _ table: ModeTable,
        _ row: NodeStateRow?
    ) -> RebootAnswer.Verdict {
        guard let row else { return .refused("nothing is known of its state") }
        guard let mode = table.mode(row.mode), let state = table.state(row.state) else {
            return .refused("the mode table has no \(row.mode)/\(row.state)")
        }
        if !request.isForced {
            if let user = request.users[node] { return .refused("\(user); --force does it all the same") }
            if let pending = row.command {
                return .refused("'\(pending.name)' is under way already")
            }
            if command.isOnlyPowerOn, table.isReady(mode, state) { return .refused("it is \(row.state) already") }
            // To be switched on cuts nothing short.
            let mayGo =
                command.isOnlyPowerOn || table.mayReboot(mode, state) || table.isFailed(mode, state)
                || row.flags.contains(.givenUp)
            guard mayGo else { return .refused("it is \(row.state), and that would be cut short; --force does it") }
        }
        if let rung = request.firstRungs[node], command.rungs.contains(where: { $0.rung == rung }) {
            return .accepted(rung)
        }
        guard let place = command.firstRung(from: 0, in: row.state) else {
            return .refused("there is no way to do it in \(row.state)")
        }
        return .accepted(command.rungs[place].rung)
    }
}

extension CommandSpec {
    /// Whether all it does is to switch a node on.
    fileprivate var isOnlyPowerOn: Bool { rungs.allSatisfy { $0.rung == .powerOn } }
}

/// What the failure of a node means for what it is part of.
package enum FailureAction: String, Hashable, Sendable, CaseIterable, Codable {
    case fatal, nonfatal, ignore
}

/// What came of a reboot, counted by the kind of node.
package struct RebootSummary: Sendable {
    package enum End: Hashable, Sendable {
        case up
        case failed(String)
        case refused(String)
        case cancelled
    }

    package struct Outcome: Sendable {
        package var name: String
        /// What nodes are counted by: their group, system or type.
        package var kind: String
        package var onFailure: FailureAction
        package var end: End

        package init(name: String, kind: String, onFailure: FailureAction = .fatal, end: End) {
            self.name = name
            self.kind = kind
            self.onFailure = onFailure
            self.end = end
        }
    }

    package let outcomes: [Outcome]

    package init(_ outcomes: [Outcome]) { self.outcomes = outcomes }

    private static func isBad(_ end: End) -> Bool {
        switch end {
        case .failed, .refused: true
        case .up, .cancelled: false
        }
    }

    /// Whether a failure counts as one of the whole.
    package var isFatal: Bool { outcomes.contains { Self.isBad($0.end) && $0.onFailure == .fatal } }

    /// One line for each kind of which some failed: `2 of 7 linux nodes failed: app/1, app/4 (nonfatal)`. Failures that
    /// are ignored are not in it.
    package var lines: [String] {
        var kinds: [String] = []
        for outcome in outcomes where !kinds.contains(outcome.kind) { kinds.append(outcome.kind) }
        return kinds.compactMap { kind in
            let all = outcomes.filter { $0.kind == kind }
            let failed = all.filter { Self.isBad($0.end) && $0.onFailure != .ignore }
            guard !failed.isEmpty else { return nil }
            let names = failed.map { $0.name + ($0.onFailure == .nonfatal ? " (nonfatal)" : "") }
            let shown = names.prefix(20).joined(separator: ", ") + (names.count > 20 ? " …" : "")
            return "\(failed.count) of \(all.count) \(kind) nodes failed: \(shown)"
        }
    }
}
