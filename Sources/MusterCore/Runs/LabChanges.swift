/// What bringing a lab up would change of what it has up already: group by group, what is kept, made, made anew and
/// taken away.
package struct LabChanges: Sendable {
    package struct Group: Sendable {
        package var name: String
        /// Nodes that stay as they are.
        package var kept = 0
        /// Nodes that are not there.
        package var added = 0
        /// Nodes that are there and not ready: they make way for others, as with every run.
        package var repaired = 0
        /// Nodes that are ready, and were made otherwise than the lab says now.
        package var remade: [NodeRow] = []
        /// Nodes that the lab does not have any more.
        package var removed: [NodeRow] = []
        /// Why nodes are made anew or taken away.
        package var reason: String?

        package var isAsBefore: Bool { added + repaired == 0 && remade.isEmpty && removed.isEmpty }
    }

    /// In the order of the lab; groups that it does not have any more stand at the end.
    package private(set) var groups: [Group] = []
    /// Groups that are up and need a group that is made anew, and that are not brought up with it.
    package private(set) var leftOut: [(group: String, needs: String)] = []
    /// Nodes that are ready and made as the lab says, by group.
    private var keptRows: [String: [NodeRow]] = [:]

    /// - Parameters:
    ///   - spec: the run that is about to be asked for.
    ///   - declared: all groups of the lab; nil when only some of them are to be brought up: then those that are up
    ///     and not in the lab are left alone.
    ///   - nodes: those of the lab that are not gone.
    ///   - made: the request of a run that has made nodes.
    package init(
        bringingUp spec: RunSpec,
        declared: Set<String>?,
        nodes: [NodeRow],
        made: (PlanID) -> RunSpec?
    ) {
        var byGroup: [String: [NodeRow]] = [:]
        // Only the newest of a name counts; what is left over of others is no part of the lab any more.
        var newest: [NodeName: NodeID] = [:]
        for node in nodes where node.state != .gone { newest[node.name] = max(newest[node.name] ?? node.id, node.id) }
        for node in nodes where newest[node.name] == node.id { byGroup[node.name.group, default: []].append(node) }
        var makers: [PlanID: RunSpec] = [:]
        for id in Set(nodes.map(\.createdBy)) { makers[id] = made(id) }
        var places: [String: Int] = [:]
        for group in spec.groups {
            places[group.name] = groups.count
            let present = byGroup.removeValue(forKey: group.name) ?? []
            compare(group, with: present) { makers[$0] }
        }
        remakeDependents(of: spec, places)
        findLeftOut(StandingGroups(nodes) { makers[$0] }, places)
        guard let declared else { return }
        for (name, present) in byGroup.sorted(by: { $0.key < $1.key }) where !declared.contains(name) {
            var gone = Group(name: name)
            gone.removed = present
            gone.reason = "the lab does not have it any more"
            groups.append(gone)
        }
    }

    private mutating func compare(_ group: GroupSpec, with present: [NodeRow], _ made: (PlanID) -> RunSpec?) {
        var result = Group(name: group.name)
        let count = group.hasNodes ? group.count : 0
        var filled: Set<Int> = []
        for node in present {
            guard node.name.index < count else {
                result.removed.append(node)
                result.reason = result.reason ?? (count == 0 ? "it has no machines any more" : "count is \(count) now")
                continue
            }
            filled.insert(node.name.index)
            guard node.state == .ready else {
                result.repaired += 1
                continue
            }
            let old = made(node.createdBy)?.groups.first { $0.name == group.name }
            if let change = old.flatMap({ $0.change(to: group) }) {
                result.remade.append(node)
                result.reason = change
            } else {
                result.kept += 1
                keptRows[group.name, default: []].append(node)
            }
        }
        result.added = max(0, count - filled.count)
        groups.append(result)
    }

    /// What needs a node that is made anew was set up for the one before it.
    private mutating func remakeDependents(of spec: RunSpec, _ places: [String: Int]) {
        // A point without machines passes on what it waits for.
        var source: [String: String] = [:]
        for group in spec.groups {
            guard let place = places[group.name] else { continue }
            let cause = group.needs.lazy.compactMap { source[$0.group] }.first
            if let cause, group.hasNodes { remake(place, because: "'\(cause)' is made anew, which it needs") }
            if !groups[place].remade.isEmpty {
                source[group.name] = group.name
            } else if let cause, !group.hasNodes {
                source[group.name] = cause
            }
        }
    }

    private mutating func remake(_ place: Int, because reason: String) {
        groups[place].remade += keptRows[groups[place].name] ?? []
        groups[place].kept = 0
        guard !groups[place].remade.isEmpty else { return }
        groups[place].reason = groups[place].reason.map { "\($0); \(reason)" } ?? reason
    }

    private mutating func findLeftOut(_ standing: StandingGroups, _ places: [String: Int]) {
        for group in groups where !group.remade.isEmpty {
            for dependent in standing.dependents(on: [group.name]) where places[dependent.group] == nil {
                leftOut.append((dependent.group, group.name))
            }
        }
    }

    /// What the run is to take away; nil when that is nothing.
    package var changes: RunChanges? {
        let changes = RunChanges(
            remade: groups.flatMap(\.remade).map(\.id).sorted(),
            removed: groups.flatMap(\.removed).map(\.id).sorted()
        )
        return changes.all.isEmpty ? nil : changes
    }

    /// Whether everything is there, as the lab says.
    package var isNothing: Bool { groups.allSatisfy(\.isAsBefore) }
}

extension GroupSpec {
    /// How a node of this group was made otherwise than one of another version of it is; nil when it was not.
    ///
    /// Only what is done to make a node counts: how long a step may take, or how often it is tried, changes no node
    /// that is up.
    package func change(to new: GroupSpec) -> String? {
        for place in 0..<max(steps.count, new.steps.count) {
            guard steps.indices.contains(place) else {
                return "step \(place + 1) (\(new.steps[place].title)) is new"
            }
            guard new.steps.indices.contains(place) else {
                return "step \(place + 1) (\(steps[place].title)) is not in the lab any more"
            }
            if !steps[place].kind.makesTheSame(as: new.steps[place].kind) {
                return "step \(place + 1) (\(new.steps[place].title)) has changed"
            }
        }
        return nil
    }
}

extension ProvisionStep.Kind {
    fileprivate func makesTheSame(as other: Self) -> Bool {
        switch (self, other) {
        // A host that is in use stays what it is when others come or go.
        case (.machine(.ssh, let run), .machine(.ssh, let otherRun)): run == otherRun
        default: self == other
        }
    }
}
