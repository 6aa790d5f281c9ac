import MusterCore
import MusterDrivers

/// A test on several nodes, as one of its members sees it.
struct TestTeam {
    struct Partner {
        let member: TestMember
        /// nil when it is gone.
        let node: NodeRow?
    }

    /// All, in the order of the test.
    let partners: [Partner]
    /// Which of them this one is.
    let own: Int
    /// The folder of the team in the node's folder.
    let folder: String
}

// What tests on several nodes find: who plays which role and where, and the way to wait for each other.

extension CommandBuilder {
    private static let programs = "team-bin"

    private static let kit = NodeKit.files([
        FileContent(source: .bytes(Array(GuestScripts.barrier.utf8)), to: "\(programs)/muster-barrier", mode: 0o700)
    ])

    /// Makes a command that of one member.
    func join(_ team: TestTeam, _ command: inout Command) {
        let own = team.partners[team.own].member
        if own.isIdle {
            // Its node is held until the others have ended.
            command = Command(.shell(":"), environment: command.environment, timeout: command.timeout, leftovers: .end)
            return
        }
        var values = [
            "MUSTER_ROLE": own.role, "MUSTER_ROLE_INDEX": "\(own.index)", "MUSTER_MEMBER": own.title,
            "MUSTER_MEMBERS": team.partners.map(\.member.title).joined(separator: " "),
            "MUSTER_TEAM": "\(home)/\(team.folder)",
        ]
        var roles: [String: [String]] = [:]
        for partner in team.partners {
            let title = Self.variableName(partner.member.title)
            let address = partner.node?.facts["address"] ?? ""
            values["MUSTER_MEMBER_\(title)_ADDRESS"] = address
            values["MUSTER_MEMBER_\(title)_NODE"] = partner.node?.name.description ?? ""
            roles[partner.member.role, default: []].append(address)
        }
        for (role, addresses) in roles {
            values["MUSTER_ROLE_\(Self.variableName(role))_ADDRESSES"] = addresses.joined(separator: " ")
        }
        command.kits.append(Self.kit)
        let topology = TeamTopology(team)
        let folder = "\(team.folder).topology"
        command.files += [
            FileContent(source: .bytes(Array(topology.bash.utf8)), to: "\(folder)/topology.sh", mode: 0o600),
            FileContent(source: .bytes(Array(topology.yaml.utf8)), to: "\(folder)/topology.yaml", mode: 0o600),
        ]
        values["TMT_TOPOLOGY_BASH"] = "\(home)/\(folder)/topology.sh"
        values["TMT_TOPOLOGY_YAML"] = "\(home)/\(folder)/topology.yaml"
        command.environment.merge(values) { $1 }
        let words: [String] =
            switch command.program {
            case .shell(let text): ["/bin/sh", "-c", text]
            case .arguments(let words): words
            }
        command.program = .arguments(TeamProgram.arguments(programs: "\(home)/\(Self.programs)", words: words))
    }
}

/// Who plays which role, as tmt tells tests: <https://tmt.readthedocs.io/en/stable/spec/plans.html#multihost>.
struct TeamTopology {
    private let names: [String]
    private let roles: [String]
    private let hosts: [String]
    private let own: Int

    init(_ team: TestTeam) {
        names = team.partners.map(\.member.title)
        roles = team.partners.map(\.member.role)
        hosts = team.partners.map { $0.node?.facts["address"] ?? "" }
        own = team.own
    }

    private var roleNames: [String] { roles.indices.filter { roles.firstIndex(of: roles[$0]) == $0 }.map { roles[$0] } }
    private func names(of role: String) -> [String] { names.indices.filter { roles[$0] == role }.map { names[$0] } }

    /// For `. "$TMT_TOPOLOGY_BASH"`.
    var bash: String {
        var text = "declare -A TMT_GUEST\n"
        for (key, value) in [("name", names[own]), ("role", roles[own]), ("hostname", hosts[own])] {
            text += "TMT_GUEST[\(key)]=\(Template.shellQuoted(value))\n"
        }
        text += "TMT_GUEST_NAMES=\(Template.shellQuoted(names.joined(separator: " ")))\ndeclare -A TMT_GUESTS\n"
        for index in names.indices {
            for (key, value) in [("name", names[index]), ("role", roles[index]), ("hostname", hosts[index])] {
                text += "TMT_GUESTS[\(names[index]).\(key)]=\(Template.shellQuoted(value))\n"
            }
        }
        text += "TMT_ROLE_NAMES=\(Template.shellQuoted(roleNames.joined(separator: " ")))\ndeclare -A TMT_ROLES\n"
        for role in roleNames {
            text += "TMT_ROLES[\(role)]=\(Template.shellQuoted(names(of: role).joined(separator: " ")))\n"
        }
        return text
    }

    /// A text as YAML takes it, whatever it looks like.
    private func quoted(_ text: String) -> String { "'\(text.replacing("'", with: "''"))'" }

    var yaml: String {
        func guest(_ index: Int, _ margin: String) -> String {
            "\(margin)name: \(quoted(names[index]))\n\(margin)role: \(quoted(roles[index]))\n"
                + "\(margin)hostname: \(quoted(hosts[index]))\n"
        }
        var text =
            "guest:\n\(guest(own, "  "))guest-names:\n" + names.map { "- \(quoted($0))\n" }.joined() + "guests:\n"
        for index in names.indices { text += "  \(quoted(names[index])):\n\(guest(index, "    "))" }
        text += "role-names:\n" + roleNames.map { "- \(quoted($0))\n" }.joined() + "roles:\n"
        for role in roleNames {
            text += "  \(quoted(role)):\n" + names(of: role).map { "  - \(quoted($0))\n" }.joined()
        }
        return text
    }
}

extension Performer {
    /// The team in which an act runs a test; nil for all others.
    func team(of act: Act, _ spec: RunSpec, with director: borrowing Director) -> TestTeam? {
        let (suite, test) = (Int(act.spec.a), Int(act.spec.b))
        guard let own = act.spec.memberIndex, spec.suites.indices.contains(suite),
            spec.suites[suite].tests.indices.contains(test), spec.suites[suite].tests[test].roles != nil,
            let plan = director.run(act.step.plan)?.plan
        else { return nil }
        let lead = act.spec.lead(at: act.step.index)
        let members = spec.suites[suite].tests[test].members
        guard members.indices.contains(own) else { return nil }
        let partners = members.enumerated().map { place, member in
            let node = plan.node(of: lead + StepIndex(place)).flatMap { director.node($0) }
            return TestTeam.Partner(member: member, node: node)
        }
        let folder = TeamDesk.folder(of: StepID(plan: act.step.plan, index: lead))
        return TestTeam(partners: partners, own: own, folder: folder)
    }

    /// The place of an act among the members of its test; nil for all others.
    func seat(of act: Act, _ node: NodeHandle, with director: borrowing Director) -> TeamDesk.Seat? {
        guard let spec = director.spec(act.step.plan), let team = team(of: act, spec, with: director) else {
            return nil
        }
        return seat(team, of: act, spec, node)
    }

    func seat(_ team: TestTeam, of act: Act, _ spec: RunSpec, _ node: NodeHandle) -> TeamDesk.Seat {
        TeamDesk.Seat(
            team: StepID(plan: act.step.plan, index: act.spec.lead(at: act.step.index)),
            member: team.own,
            titles: team.partners.map(\.member.title),
            idle: Set(team.partners.indices.filter { team.partners[$0].member.isIdle }),
            frame: spec.suites[Int(act.spec.a)].tests[Int(act.spec.b)].frame,
            node: node,
            driver: drivers.of(node)
        )
    }
}
