// Tests on several nodes at once: how their members go on, end, and are judged together.
//
// All members are steps of their own that begin in one turn and end in one turn: when the last of them is known to have
// ended. That one has ended before is not stored. After a crash all that had begun are inquired, and their nodes say
// again what came of them; no node is given to others before all have ended, as what runs there may still be of use to
// the partners.

/// How the act of one member has ended, while others of its attempt still run.
struct MemberEnd: Sendable {
    let outcome: ActOutcome
    /// Why its node was lost.
    let lost: String?

    /// Whether it did not come to an end of its own, so that its partners would wait for it in vain.
    var breaksUp: Bool {
        guard lost == nil else { return true }
        return outcome.failure.map { $0.code != .cancelled } ?? false
    }

    var isLoss: Bool { lost != nil || outcome.failure?.code == .lost }

    /// Whether it was ended by Muster.
    var isOnRequest: Bool {
        switch outcome {
        case .exited(let exit): exit.interrupted
        case .failed(let error): error.code == .cancelled
        case .succeeded: false
        }
    }

    /// Whether it said that it goes away and is to be started again.
    var isAway: Bool { if case .exited(let exit) = outcome { exit.findings?.restarts == true } else { false } }
}

/// How a member begins that was to begin while its run was held.
enum MemberStart: Sendable {
    /// It was recorded as begun, and never was.
    case asRecorded
    /// It went away.
    case again
}

extension RunMachine {
    /// The steps of the attempt that a step belongs to, the attempt's own first; nil unless it is one on several nodes.
    func team(of step: StepIndex) -> Range<StepIndex>? {
        let stepSpec = plan.spec(of: step)
        guard stepSpec.runsTest else { return nil }
        let count = spec.suites[Int(stepSpec.a)].tests[Int(stepSpec.b)].memberCount
        guard count > 0 else { return nil }
        let lead = stepSpec.lead(at: step)
        return lead..<lead + StepIndex(count)
    }

    /// The nodes that a test asks for at once; nil for an ordinary test.
    func seats(of test: Int, in suite: Int) -> NodeTeam? {
        let members = spec.suites[suite].tests[test].members
        guard !members.isEmpty else { return nil }
        if let rounds = spec.rounds(of: spec.suites[suite]) {
            func number(_ role: String) -> Int32 { Int32(rounds.roles.firstIndex(of: role) ?? rounds.roles.count) }
            var starts: [Int32: Int] = [:]
            for name in spec.suites[suite].groups {
                guard let group = groupIndex(of: name), let start = rounds.start(of: name) else { continue }
                starts[Int32(group)] = start
            }
            let bound = NodeTeam.Rounds(roles: rounds.roles.map(number), starts: starts)
            return NodeTeam(seats: members.map { number($0.role) }, rounds: bound)
        }
        return NodeTeam(seats: members.map { $0.on.flatMap(groupIndex(of:)).map { Int32($0) } ?? NodeTeam.any })
    }

    // MARK: Ends

    mutating func memberEnded(
        _ step: StepIndex,
        _ outcome: ActOutcome,
        lost: String?,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        guard let team = team(of: step) else { return }
        if lost == nil, !isBroken(team), startsAgain(step, outcome, test(of: step).frame, in: &context, into: &turn) {
            return
        }
        let end = MemberEnd(outcome: outcome, lost: lost)
        memberEnds[step] = end
        if let node = plan.node(of: step) {
            busy[node] = step
            if end.isLoss, context.nodes[node]?.state == .ready {
                context.nodes.move(node, to: .lost, reason: outcome.failure?.message, plan: id, into: &turn)
            }
        }
        if end.breaksUp { endPartners(of: step, team, into: &turn) }
        if team.allSatisfy({ memberEnds[$0] != nil }) { concludeTeam(team, in: &context, into: &turn) }
    }

    /// A node is lost on which a member has ended before its partners, or was still to begin.
    mutating func memberLost(_ step: StepIndex, reason: String, in context: inout RunContext, into turn: inout Turn) {
        memberStarts[step] = nil
        memberEnded(step, .failed(StepError(.lost, reason)), lost: reason, in: &context, into: &turn)
    }

    /// Whether a member whose act is not under way is told of the loss of its node by nobody else.
    func isBetweenActs(_ step: StepIndex) -> Bool { memberEnds[step] != nil || memberStarts[step] != nil }

    /// Whether some member has gone in a way that nobody waits for the others.
    func isBroken(_ team: Range<StepIndex>) -> Bool { team.contains { memberEnds[$0]?.breaksUp == true } }

    private mutating func endPartners(of step: StepIndex, _ team: Range<StepIndex>, into turn: inout Turn) {
        for partner in team where memberEnds[partner] == nil {
            if memberStarts.removeValue(forKey: partner) != nil {
                memberEnds[partner] = MemberEnd(outcome: .failed(Self.notBegun), lost: nil)
            } else {
                turn.directives.append(.interrupt(plan.act(of: partner)))
            }
        }
    }

    private static let notBegun = StepError(.cancelled, "ended before it was begun")

    private mutating func concludeTeam(
        _ team: Range<StepIndex>,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        let members = test(of: team.lowerBound).members
        let ends = team.compactMap { memberEnds.removeValue(forKey: $0) }
        for node in team.compactMap({ plan.node(of: $0) }) { busy[node] = nil }
        if let place = ends.firstIndex(where: { $0.lost == nil && $0.outcome.error?.code.wantsPerson == true }),
            let error = ends[place].outcome.error
        {
            stopForPerson(team, team.lowerBound + StepIndex(place), error, in: &context, into: &turn)
            return
        }
        let cause = zip(members, ends).first { $1.breaksUp }.map { member, end in
            end.isLoss ? "\(member.title) was lost" : "\(member.title) could not be begun"
        }
        let verdicts = zip(members, ends).map { member, end in
            (member: member, verdict: verdict(on: end, of: team.lowerBound, cause: cause))
        }
        // What ran nothing says nothing, unless its node was lost.
        let counted = verdicts.filter { !$0.member.isIdle || $0.verdict.outcome == .infra || $0.verdict.isCancelled }
        conclude(team, .merged(counted.map { ($0.member.title, $0.verdict) }), in: &context, into: &turn)
    }

    private func verdict(on end: MemberEnd, of lead: StepIndex, cause: String?) -> SuiteMachine.Verdict {
        let isEnded = end.isOnRequest || end.isAway && cause != nil
        if end.lost == nil, isEnded, !plan.row.isCancelling {
            // What ended it was forgotten in a crash, and did not come again.
            guard let cause else { return SuiteMachine.Verdict(outcome: .infra, note: "ended without a cause") }
            return SuiteMachine.Verdict(outcome: .skip, note: "ended, as \(cause)")
        }
        let test = test(of: lead)
        return SuiteMachine.judge(
            end.outcome,
            lost: end.lost,
            isCancelling: plan.row.isCancelling,
            timeout: test.timeout,
            frame: test.frame
        )
    }

    /// One of the members wants something that only a person can give: all wait for it.
    private mutating func stopForPerson(
        _ team: Range<StepIndex>,
        _ step: StepIndex,
        _ error: StepError,
        in context: inout RunContext,
        into turn: inout Turn
    ) {
        let isOver = plan.row.isCancelling && plan.row.phase == .main
        for partner in team where partner != step {
            plan.finish(partner, isOver ? .cancelled : .error, error: error, into: &turn)
        }
        stopForPerson(step, error, in: &context, into: &turn)
        for partner in team where partner != step { giveBack(plan.node(of: partner), in: &context, into: &turn) }
    }

    // MARK: Beginnings

    /// A member went away and is started again on its node. What has begun goes to its end also while the run pauses:
    /// its partners wait for it.
    mutating func memberGoesAway(_ step: StepIndex, on node: NodeID, into turn: inout Turn) {
        busy[node] = step
        if isHeld { memberStarts[step] = .again } else { plan.startAgain(step, into: &turn) }
    }

    /// A member was taken for begun, and never was: it begins on the node it has, whatever the others do.
    mutating func memberNeverStarted(_ act: Act, in context: inout RunContext, into turn: inout Turn) {
        memberStarts[act.step.index] = .asRecorded
        if !isHeld { beginMembers(in: &context, into: &turn) }
    }

    /// Has those begin that were to while the run was held.
    mutating func beginMembers(in context: inout RunContext, into turn: inout Turn) {
        for step in memberStarts.keys.sorted() {
            guard let team = team(of: step), let start = memberStarts.removeValue(forKey: step) else { continue }
            if plan.row.isCancelling && plan.row.phase == .main || isBroken(team) {
                memberEnded(step, .failed(Self.notBegun), lost: nil, in: &context, into: &turn)
            } else if plan.node(of: step).flatMap({ context.nodes[$0] })?.state != .ready {
                let reason = "the node on which it was to begin is not there any more"
                memberEnded(step, .failed(StepError(.lost, reason)), lost: nil, in: &context, into: &turn)
            } else if start == .again {
                plan.startAgain(step, into: &turn)
            } else {
                plan.perform(step, isInDoubt: false, into: &turn)
            }
        }
    }

    // MARK: Too few nodes

    /// Ends tests that ask for more nodes at once than are left, or are being made; says whether there were any.
    mutating func endShortTeams(nodes: NodeTable, into turn: inout Turn) -> Bool {
        var hasEnded = false
        while let (step, shortage) = firstShortTeam(nodes) {
            endShort(step, shortage, nodes: nodes, into: &turn)
            hasEnded = true
        }
        return hasEnded
    }

    /// Nothing is under way any more, so that nobody can get more than is free now: the first of those that wait for
    /// several nodes holds back what others could use, and ends. Says whether there was one.
    mutating func endBlockedTeam(nodes: NodeTable, into turn: inout Turn) -> Bool {
        plan.dropEndedTeams()
        guard let step = plan.waitingTeams.first else { return false }
        let shortage = shortage(of: step) { name, counts in
            groupIndex(of: name).map { freeNodes(of: $0, nodes, where: counts) } ?? 0
        }
        endShort(step, shortage ?? "too few of its nodes are left", nodes: nodes, into: &turn)
        return true
    }

    private mutating func firstShortTeam(_ nodes: NodeTable) -> (StepIndex, String)? {
        plan.dropEndedTeams()
        for step in plan.waitingTeams {
            let shortage = shortage(of: step) { name, counts in
                groupIndex(of: name).map { nodesLeft(of: $0, nodes, where: counts) } ?? 0
            }
            if let shortage { return (step, shortage) }
        }
        return nil
    }

    private func shortage(of step: StepIndex, left: (String, (Int) -> Bool) -> Int) -> String? {
        let suite = spec.suites[Int(plan.spec(of: step).a)]
        return test(of: step).shortage(groups: suite.groups, spec.rounds(of: suite), word: " left", left: left)
    }

    private func freeNodes(of group: Int, _ nodes: NodeTable, where counts: (Int) -> Bool) -> Int {
        zip(groups[group].slots.indices, groups[group].slots).count { place, slot in
            counts(place) && (slot.node.map { nodes[$0]?.state == .ready && going[$0] == nil } ?? false)
        }
    }

    /// How many nodes of a group work, or may still come to.
    private func nodesLeft(of group: Int, _ nodes: NodeTable, where counts: (Int) -> Bool) -> Int {
        zip(groups[group].slots.indices, groups[group].slots).count { place, slot in
            guard counts(place), let node = slot.node, going[node] == nil, let row = nodes[node] else {
                return false
            }
            // What a test has just now is judged, or made anew, when that ends.
            if row.state == .ready || busy[node] != nil { return true }
            let states = slot.chain.map { plan.state(of: $0) }
            return states.contains { !$0.hasEnded } && !states.contains { $0 == .error || $0 == .cancelled }
        }
    }

    private mutating func endShort(_ step: StepIndex, _ shortage: String, nodes: NodeTable, into turn: inout Turn) {
        let suite = Int(plan.spec(of: step).a)
        let why = missingNode(of: suite, nodes: nodes).map { " (\($0))" } ?? ""
        endUnrun(step, .infra, note: "not run: \(shortage)\(why)", into: &turn)
        appendAfterIfDue(suite)
    }
}

extension ActOutcome {
    /// Why it was not performed, or came to no end of its own; nil for a process that has ended.
    fileprivate var failure: StepError? { if case .failed(let error) = self { error } else { nil } }
}
