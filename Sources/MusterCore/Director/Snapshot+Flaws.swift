extension Snapshot.Plan {
    /// What is wrong with its rows, when they do not fit its request or each other; nil when they can be gone on
    /// with.
    package var flaw: String? {
        if let flaw = flawOfRequest { return flaw }
        let pools = spec.poolGroups.count
        for (position, step) in steps.enumerated() {
            guard Int(step.index) == position else { return "step \(position) is missing" }
            guard step.needs.allSatisfy({ $0 >= 0 && $0 < step.index }) else {
                return "step \(position) needs a step that does not come before it"
            }
            guard fits(step.spec, pools: pools) else { return "step \(position) does not fit the request" }
            if step.spec.runsTest, let flaw = flawOfTeam(at: position) { return flaw }
            let triesMin: Int32 = step.state == .running ? 1 : 0
            guard step.tries >= triesMin, step.tries <= Self.countMax else {
                return "step \(position) is \(step.state.rawValue) and was tried \(step.tries) times"
            }
            if let threshold = step.spec.threshold, threshold < 0 {
                return "step \(position) waits for \(threshold) others"
            }
        }
        for timer in timers where !steps.indices.contains(Int(timer.step.index)) {
            return "a timer is set for step \(timer.step.index), which is missing"
        }
        for signal in signals where !steps.indices.contains(Int(signal.step.index)) {
            return "something was sent to step \(signal.step.index), which is missing"
        }
        // The plan itself asks as step -1.
        for permit in permits where permit.step.index < -1 || Int(permit.step.index) >= steps.count {
            return "a permit is for step \(permit.step.index), which is missing"
        }
        for attempt in attempts {
            guard steps.indices.contains(Int(attempt.step)), steps[Int(attempt.step)].spec.action == .attempt else {
                return "an attempt of \(attempt.suite)//\(attempt.test) belongs to no step"
            }
            for count in [attempt.number, attempt.rerunsSpent, attempt.infraSpent]
            where !(0...Int(Self.countMax)).contains(count) {
                return "an attempt of \(attempt.suite)//\(attempt.test) counts \(count)"
            }
        }
        return nil
    }

    /// Numbers that are counted on from may not come near the end of their range.
    private static let countMax: Int32 = 1_000_000_000
    private static let slotsMax = 10_000_000

    private var flawOfRequest: String? {
        for group in spec.groups {
            guard (0...Self.slotsMax).contains(group.count), (0...Self.slotsMax).contains(group.spares ?? 0) else {
                return "its request has \(group.count) nodes in '\(group.name)'"
            }
            for need in group.needs where !(0...Self.slotsMax).contains(need.ready ?? 0) {
                return "its request needs \(need.ready ?? 0) nodes of '\(need.group)'"
            }
        }
        for suite in spec.suites {
            for test in suite.tests {
                guard let flaw = test.flawOfRoles(groups: suite.groups) else { continue }
                return "its request has the test \(suite.name)//\(test.name): \(flaw)"
            }
        }
        return nil
    }

    /// What is wrong with a step of a test and the others of its attempt; nil when all are there, begin and end
    /// together, and each that runs has a node of its own.
    private func flawOfTeam(at position: Int) -> String? {
        let step = steps[position]
        let count = spec.suites[Int(step.spec.a)].tests[Int(step.spec.b)].memberCount
        let lead = Int(step.lead)
        guard lead >= 0, lead <= position, steps[lead].spec.action == .attempt,
            steps[lead].spec.hasTest(of: step.spec)
        else { return "step \(position) is a member of no attempt" }
        guard count > 0, lead == position else { return nil }
        guard lead + count <= steps.count else { return "step \(position) is without its members" }
        let team = steps[lead..<lead + count]
        for (place, member) in team.enumerated().dropFirst() {
            guard member.spec.action == .member, member.spec.priority == Int64(place),
                member.spec.hasTest(of: step.spec)
            else { return "step \(position) is without its member \(place)" }
        }
        let areTogether = team.allSatisfy { member in
            member.state == step.state || member.state.hasEnded && step.state.hasEnded
        }
        guard areTogether else { return "step \(position) is \(step.state.rawValue), and its members are not" }
        if step.state == .running, Set(team.compactMap(\.resource)).count != count {
            return "step \(position) and its members run on less than \(count) nodes"
        }
        return nil
    }

    private func fits(_ step: StepSpec, pools: Int) -> Bool {
        let (a, b, c) = (Int(step.a), Int(step.b), Int(step.c))
        guard step.pool >= -1, step.pool < Int32(pools) else { return false }
        switch step.action {
        case .provision, .ready:
            guard spec.groups.indices.contains(a) else { return false }
            let group = spec.groups[a]
            guard group.hasNodes, c >= 0, c < group.places, step.node != nil else { return false }
            return step.action == .ready || group.steps.indices.contains(b)
        case .barrier: return b != 1 || spec.groups.indices.contains(a)
        case .before, .after: return spec.suites.indices.contains(a)
        case .attempt:
            return spec.suites.indices.contains(a) && spec.suites[a].tests.indices.contains(b)
                && (1...Self.countMax).contains(step.c)
        case .member:
            // Its attempt's step is looked at with it.
            return spec.suites.indices.contains(a) && spec.suites[a].tests.indices.contains(b)
                && (1..<Int64(max(1, spec.suites[a].tests[b].memberCount))).contains(step.priority)
        case .undo, .destroy: return step.node != nil
        case .exec, .noop: return true
        case .command: return step.node != nil && spec.order?.targets.indices.contains(a) == true
        case .capability:
            return step.node != nil && spec.order?.targets.indices.contains(a) == true
                && (b == -1 || Capability(number: step.b) != nil)
        case .pause: return spec.order != nil
        case .call:
            return step.pool == -1 && c >= 0 && spec.program?.actions.indices.contains(a) == true
        case .finalize, .revert: return steps.indices.contains(b) && steps[b].spec.action == .call
        }
    }

    /// What is wrong with its steps, given the nodes they are for: what is done on a node stands in the request of the
    /// plan that made it.
    func flaw(among context: RunContext) -> String? {
        for step in steps {
            guard let node = step.spec.node.flatMap({ context.nodes[$0] }) else { continue }
            let creator = node.createdBy == row.id ? spec : context.specs[node.createdBy]
            let groups = creator?.groups ?? spec.groups
            let (a, b) = (Int(step.spec.a), Int(step.spec.b))
            switch step.spec.action {
            case .provision, .ready:
                guard node.createdBy == row.id else {
                    return "step \(step.index) makes \(node.name), which another run has made"
                }
            case .undo:
                guard groups.indices.contains(a), groups[a].steps.indices.contains(b) else {
                    return "step \(step.index) undoes what the request that made \(node.name) does not have"
                }
            case .destroy:
                guard a >= -1, a < groups.count else {
                    return "step \(step.index) destroys \(node.name) of a group that is in no request"
                }
            case .barrier, .noop, .before, .after, .attempt, .member, .exec, .call, .finalize, .revert, .command,
                .pause, .capability:
                break
            }
        }
        return nil
    }
}

extension StepSpec {
    /// Whether it belongs to the same attempt of the same test.
    fileprivate func hasTest(of other: StepSpec) -> Bool {
        a == other.a && b == other.b && c == other.c && pool == other.pool
    }
}
