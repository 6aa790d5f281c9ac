/// Which groups of a lab have machines, and which of them need which: by the requests of the runs that made the
/// machines, whatever the lab file says by now.
package struct StandingGroups: Sendable {
    /// A group that needs another one, and how far it is.
    package struct Dependent: Hashable, Sendable {
        package var group: String
        package var state: GroupState
        /// The unfinished run that works on it, or will; nil when none does.
        package var run: PlanID?

        package var text: String {
            guard let run else { return "'\(group)' is \(state == .ready ? "up" : state.rawValue)" }
            return "'\(group)' is \(state.rawValue) in run \(RunName(run))"
        }
    }

    private var nodes: [String: [NodeRow]] = [:]
    private var needs: [String: Set<String>] = [:]

    /// - Parameter spec: the request of a run; nil when it is not known any more.
    package init(_ rows: some Sequence<NodeRow>, spec: (PlanID) -> RunSpec?) {
        var makers: [String: Set<PlanID>] = [:]
        for row in rows where row.state != .gone {
            nodes[row.name.group, default: []].append(row)
            makers[row.name.group, default: []].insert(row.createdBy)
        }
        var machines: [PlanID: MachineNeeds] = [:]
        for (group, plans) in makers {
            for plan in plans {
                if machines[plan] == nil { machines[plan] = spec(plan).map { MachineNeeds($0) } ?? MachineNeeds() }
                needs[group, default: []].formUnion(machines[plan]?.needs(of: group) ?? [])
            }
        }
    }

    /// Groups with machines, by name.
    package var names: [String] { nodes.keys.sorted() }

    /// These groups, and all that they need.
    package func needed(by groups: Set<String>) -> Set<String> {
        var found = groups
        var open = Array(groups)
        while let next = open.popLast() {
            for need in needs[next, default: []] where found.insert(need).inserted { open.append(need) }
        }
        return found
    }

    /// Groups with machines that need some of these, by name; also those that need them through others.
    package func dependents(on groups: Set<String>) -> [Dependent] {
        var above: [String: [String]] = [:]
        for (group, needs) in needs { for need in needs { above[need, default: []].append(group) } }
        var found = groups
        var open = Array(groups)
        while let next = open.popLast() {
            for group in above[next, default: []] where found.insert(group).inserted { open.append(group) }
        }
        return found.subtracting(groups).sorted().map(dependent)
    }

    private func dependent(_ group: String) -> Dependent {
        let mine = nodes[group, default: []]
        guard let making = mine.first(where: { $0.heldBy != nil && ($0.state == .creating || $0.state == .starting) })
        else {
            let isWhole = mine.allSatisfy { $0.state == .ready }
            return Dependent(group: group, state: isWhole ? .ready : .failed, run: nil)
        }
        let isBegun = mine.contains { $0.stepsStarted > 0 }
        return Dependent(group: group, state: isBegun ? .working : .waiting, run: making.heldBy)
    }

    /// A `down` as it is meant now: with what needs the groups that go, and with what those need that stay.
    package func settled(_ spec: RunSpec) -> RunSpec {
        guard spec.verb == .down, let options = spec.downOptions else { return spec }
        var spec = spec
        if !options.kept.isEmpty { spec.downOptions?.kept = needed(by: Set(options.kept)).sorted() }
        if options.cascades, !spec.downGroups.isEmpty {
            spec.downGroups += dependents(on: Set(spec.downGroups)).map(\.group)
        }
        return spec
    }
}

/// Which groups with machines each group of a request needs. Groups without only pass on what they wait for.
private struct MachineNeeds {
    private var groups: [String: GroupSpec] = [:]

    init() {}
    init(_ spec: RunSpec) { groups = Dictionary(spec.groups.map { ($0.name, $0) }) { first, _ in first } }

    func needs(of name: String) -> Set<String> {
        var found: Set<String> = []
        var open = [name]
        while let next = open.popLast() {
            for need in groups[next]?.needs ?? [] where found.insert(need.group).inserted {
                if groups[need.group]?.hasNodes == false { open.append(need.group) }
            }
        }
        return found.filter { groups[$0]?.hasNodes != false && $0 != name }
    }
}
