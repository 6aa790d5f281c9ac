/// A part in a test that runs on several nodes at once: its program is started on each of them, and told its role.
package struct TestRole: Hashable, Sendable, Codable {
    package var name: String
    /// How many nodes play it: at least one.
    package var count: Int
    /// The group whose nodes play it, one of the suite's; nil for any node of the suite.
    package var on: String?
    /// Whether its nodes are only there for the others, and run nothing; nil for no.
    package var isIdle: Bool?

    package init(name: String, count: Int = 1, on group: String? = nil, isIdle: Bool = false) {
        self.name = name
        self.count = count
        on = group
        self.isIdle = isIdle ? true : nil
    }
}

/// One of the nodes that a test runs on at once, as the test knows it.
package struct TestMember: Hashable, Sendable {
    /// The name of its role.
    package var role: String
    /// Its place among those of its role, from 0.
    package var index: Int
    /// What people call it: `server` where its role has one member, otherwise `server-0`.
    package var title: String
    /// The group whose nodes may be it; nil for any of the suite's.
    package var on: String?
    /// Whether it runs nothing: it is there for the others.
    package var isIdle: Bool
}

extension TestSpec {
    /// Most nodes that a test may ask for at once.
    package static let membersMax = 64

    /// How many nodes one attempt runs on at once, by roles; 0 for an ordinary test, which has one node and no role.
    package var memberCount: Int {
        guard let roles else { return 0 }
        // What is stored is not believed: more than there may be is cut off.
        return roles.reduce(0) { min($0 + min(max($1.count, 0), Self.membersMax + 1), Self.membersMax + 1) }
    }

    /// Who takes part in one attempt, in the order of its steps; empty for an ordinary test.
    package var members: [TestMember] {
        var members: [TestMember] = []
        for role in roles ?? [] {
            for index in 0..<min(max(role.count, 0), Self.membersMax) {
                let title = role.count == 1 ? role.name : "\(role.name)-\(index)"
                let isIdle = role.isIdle == true
                members.append(
                    TestMember(role: role.name, index: index, title: title, on: role.on, isIdle: isIdle)
                )
            }
        }
        return members
    }

    /// Why its roles make no sense for a suite on these groups; nil when they do.
    package func flawOfRoles(groups: [String]) -> String? {
        guard let roles else { return nil }
        if roles.isEmpty { return "it has no roles" }
        if let role = roles.first(where: { $0.name.isEmpty }) { return "a role for \(role.count) nodes has no name" }
        if let role = roles.first(where: { $0.count < 1 }) { return "\(role.count) nodes play its role '\(role.name)'" }
        if roles.allSatisfy({ $0.isIdle == true }) { return "none of its roles runs anything" }
        if memberCount > Self.membersMax { return "it wants more than \(Self.membersMax) nodes at once" }
        for role in roles {
            guard let group = role.on, !groups.contains(group) else { continue }
            return
                "its role '\(role.name)' is for '\(group)', and the suite runs on '\(groups.joined(separator: "', '"))'"
        }
        var titles: Set<String> = []
        for member in members where !titles.insert(member.title).inserted {
            return "two of its members are called '\(member.title)'"
        }
        return nil
    }

    /// What of its nodes cannot be had at once; nil when there are enough.
    ///
    /// - Parameters:
    ///   - groups: the suite's.
    ///   - rounds: which of their nodes have which roles; nil when any plays any.
    ///   - word: what stands behind the number of nodes that are there.
    ///   - left: how many nodes of a group there are, of those at places that count.
    package func shortage(
        groups: [String],
        _ rounds: NodeRounds? = nil,
        word: String = "",
        left: (String, _ counts: (Int) -> Bool) -> Int
    ) -> String? {
        let members = members
        for group in groups {
            let wanted = members.count { $0.on == group }
            let there = left(group) { _ in true }
            guard wanted > there else { continue }
            return "it needs \(wanted) \(Self.nodes(wanted)) of '\(group)' at once, and '\(group)' has \(there)\(word)"
        }
        let verb = groups.count == 1 ? "has" : "have"
        let names = groups.joined(separator: "', '")
        let there = groups.reduce(0) { $0 + left($1) { _ in true } }
        guard members.count <= there else {
            let wanted = "\(members.count) \(Self.nodes(members.count)) at once"
            return "it needs \(wanted), and '\(names)' \(verb) \(there)\(word)"
        }
        guard let rounds else { return nil }
        for role in roles ?? [] {
            let there = groups.reduce(0) { sum, group in
                sum + left(group) { rounds.role(of: $0, in: group) == role.name }
            }
            guard role.count > there else { continue }
            let wanted = "\(role.count) \(Self.nodes(role.count)) with the role '\(role.name)' at once"
            return "it needs \(wanted), and '\(names)' \(verb) \(there)\(word)"
        }
        return nil
    }

    private static func nodes(_ count: Int) -> String { count == 1 ? "node" : "nodes" }
}

extension RunSpec {
    /// The member that a step of a test on several nodes is; nil for every other step.
    package func member(of step: StepSpec) -> TestMember? {
        let (suite, test) = (Int(step.a), Int(step.b))
        guard let place = step.memberIndex, suites.indices.contains(suite),
            suites[suite].tests.indices.contains(test)
        else { return nil }
        let members = suites[suite].tests[test].members
        return members.indices.contains(place) ? members[place] : nil
    }

    /// The first test that can never run, because its roles make no sense or ask for more nodes than its groups have
    /// with their spares; nil when there is none.
    package var flawOfRoles: (test: String, flaw: String)? {
        for suite in suites {
            for test in suite.tests where test.roles != nil {
                let flaw =
                    test.flawOfRoles(groups: suite.groups)
                    ?? test.shortage(groups: suite.groups, rounds(of: suite)) { name, counts in
                        (0..<(groups.first { $0.name == name }?.places ?? 0)).count(where: counts)
                    }
                if let flaw { return ("\(suite.name)//\(test.name)", flaw) }
            }
        }
        return nil
    }
}

extension StepSpec {
    /// Which member of a test on several nodes the step is, from 0 for its attempt's own step; nil for steps of other
    /// kinds. An attempt of an ordinary test is 0, too.
    package var memberIndex: Int? {
        switch action {
        case .attempt: 0
        case .member: Int(priority)
        case .barrier, .noop, .provision, .ready, .undo, .destroy, .before, .after, .exec, .command, .pause,
            .capability, .call, .finalize, .revert:
            nil
        }
    }

    /// Whether it runs a test on a node.
    package var runsTest: Bool { memberIndex != nil }

    /// The step of the attempt that a step at this place belongs to: itself, but for members. Of rows that nobody has
    /// checked it may be anywhere.
    package func lead(at step: StepIndex) -> StepIndex {
        action == .member ? step &- StepIndex(truncatingIfNeeded: priority) : step
    }
}

extension StepRow {
    /// The step of the attempt that it belongs to: itself, but for members.
    package var lead: StepIndex { spec.lead(at: index) }
}
