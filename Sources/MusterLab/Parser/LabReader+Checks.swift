internal import MusterCore

// What can be checked only when everything is read: names that must exist, counts, and cycles.

extension LabReader {
    mutating func checkAll() {
        for index in groups.indices { checkNeeds(ofGroup: index) }
        for index in suites.indices { checkSuite(index) }
        for reference in references { check(reference) }
        checkCycles()
    }

    private mutating func checkNeeds(ofGroup index: Int) {
        let name = groups[index].spec.name
        for (need, span) in zip(groups[index].spec.needs, groups[index].needSpans) {
            if need.group == name {
                sink.add(span, "group '\(name)' needs itself")
            } else {
                check(need, span)
            }
        }
    }

    private mutating func check(_ need: Need, _ span: Span) {
        guard let index = group(need.group, span) else { return }
        guard let threshold = need.ready else { return }
        let group = groups[index]
        if group.stepsAreKnown, !group.spec.hasNodes {
            sink.add(span, "group '\(need.group)' has no nodes, so \(threshold) can never be ready")
        } else if group.countIsKnown, threshold > group.spec.count {
            let has = group.spec.count == 1 ? "1 node" : "\(group.spec.count) nodes"
            sink.add(
                span,
                "group '\(need.group)' has \(has); \(threshold) can never be ready",
                notes: [("the group", group.nameSpan)]
            )
        }
    }

    /// The index of a group that must exist.
    private mutating func group(_ name: String, _ span: Span) -> Int? {
        if let index = groupIndex[name] { return index }
        let shown = groups.prefix(12).map(\.spec.name).joined(separator: ", ") + (groups.count > 12 ? " …" : "")
        let known = groups.isEmpty ? "no groups are declared" : "the groups are \(shown)"
        let near = sink.nearest(to: name, among: groups.lazy.map(\.spec.name))
        sink.add(span, "unknown group '\(name)'", hint: near.map { "did you mean '\($0)'?" } ?? known)
        return nil
    }

    private mutating func checkSuite(_ index: Int) {
        let suite = suites[index]
        for (name, span) in zip(suite.spec.groups, suite.whereSpans) {
            guard let group = group(name, span), groups[group].stepsAreKnown, !groups[group].spec.hasNodes else {
                continue
            }
            sink.add(
                span,
                "group '\(name)' has no nodes to run tests on",
                hint: "begin its 'provision' with a step that creates them, such as 'process: {}'",
                notes: [("the group", groups[group].nameSpan)]
            )
        }
        for (need, span) in zip(suite.spec.needs, suite.needSpans) { check(need, span) }
        checkRoles(suite)
    }

    /// Whether a suite's groups have the nodes that each of its tests asks for at once.
    private mutating func checkRoles(_ suite: SuiteDraft) {
        let own = suite.spec.groups.compactMap { groupIndex[$0] }
        // Of others it has been said what is wrong with them.
        guard own.count == suite.spec.groups.count, own.allSatisfy({ groups[$0].countIsKnown }) else { return }
        let rounds = NodeRounds(suite.spec) { name in groupIndex[name].map { groups[$0].spec.count } ?? 0 }
        for test in suite.spec.tests {
            let flaw =
                test.flawOfRoles(groups: suite.spec.groups)
                ?? test.shortage(groups: suite.spec.groups, rounds) { name, counts in
                    let count = (groupIndex[name].map { groups[$0].spec.count } ?? 0) + suite.spec.rules.spares
                    return (0..<count).count(where: counts)
                }
            guard let flaw else { continue }
            sink.add(
                suite.nameSpan,
                "'\(test.name)' of suite '\(suite.spec.name)' cannot run: \(flaw)",
                hint: "raise the 'count' of a group, or ask for fewer in 'roles'"
            )
            return
        }
    }

    private mutating func check(_ reference: Reference) {
        let lab = sink.source
        if let source = reference.source { sink.source = source }
        defer { sink.source = lab }
        let node = reference.node
        let span = reference.span
        guard let index = group(node.group, span) else { return }
        let group = groups[index]
        if group.stepsAreKnown, !group.spec.hasNodes {
            sink.add(span, "group '\(node.group)' has no nodes")
            return
        }
        if group.countIsKnown, group.stepsAreKnown, node.index >= group.spec.count {
            let last = group.spec.count - 1
            let hint =
                last == 0
                ? "its only node is \(node.group).0" : "its nodes are \(node.group).0 to \(node.group).\(last)"
            sink.add(span, "group '\(node.group)' has no node \(node.index)", hint: hint)
            return
        }
        let fields = Machine.fieldsOfAll + (group.spec.machine?.fields ?? [])
        let isOpen = group.spec.machine.map { $0.fields == nil } ?? false
        if group.stepsAreKnown, !isOpen, !fields.contains(reference.field) {
            let known = "the fields of a node are \(fields.joined(separator: ", "))"
            let hint = sink.suggestion(for: reference.field, among: fields, otherwise: known)
            sink.add(
                span,
                "'${\(node.group).\(node.index).\(reference.field)}': a node has no field '\(reference.field)'",
                hint: hint
            )
            return
        }
        let need = Need(group: node.group)
        switch reference.user {
        case .group(index, isProvision: true):
            let hint =
                "a node finds its own in $MUSTER_ADDRESS and $MUSTER_NODE; 'undo', 'ready' and tests may use this"
            sink.add(span, "group '\(node.group)' reads its own nodes before they all exist", hint: hint)
        case .group(let user, _) where user != index:
            guard !groups[user].spec.needs.contains(where: { $0.group == node.group }) else { return }
            groups[user].spec.needs.append(need)
            groups[user].needSpans.append(reference.needSpan ?? span)
        case .suite(let user) where !suites[user].spec.groups.contains(node.group):
            guard !suites[user].spec.needs.contains(where: { $0.group == node.group }) else { return }
            suites[user].spec.needs.append(need)
            suites[user].needSpans.append(reference.needSpan ?? span)
        case .group, .suite, .nobody: return
        }
    }

    // MARK: - Order

    /// The needs of each group by index, and where each stands.
    private func edges() -> (graph: GroupGraph, spans: [[Span]]) {
        var needs: [[Int]] = []
        var spans: [[Span]] = []
        for (index, group) in groups.enumerated() {
            let known = zip(group.spec.needs, group.needSpans).compactMap { need, span in
                groupIndex[need.group].flatMap { $0 == index ? nil : ($0, span) }
            }
            needs.append(known.map(\.0))
            spans.append(known.map(\.1))
        }
        return (GroupGraph(needs: needs), spans)
    }

    private mutating func checkCycles() {
        let (graph, spans) = edges()
        for cycle in graph.cycles() {
            var notes: [(String, Span)] = []
            for (position, group) in cycle.enumerated() {
                let need = cycle[(position + 1) % cycle.count]
                guard let edge = graph.needs[group].firstIndex(of: need) else { continue }
                notes.append(("\(groups[group].spec.name) needs \(groups[need].spec.name)", spans[group][edge]))
            }
            // The edge written last is the one that closed the circle.
            guard let last = notes.max(by: { $0.1.start < $1.1.start }) else { continue }
            var names = cycle.map { groups[$0].spec.name }
            if names.count > 12 { names = names.prefix(6) + ["… (\(names.count - 11) more)"] + names.suffix(5) }
            let path = (names + [names[0]]).joined(separator: " -> ")
            sink.add(last.1, "groups depend on each other: \(path)", notes: notes, showsSource: false)
        }
    }

    /// The groups, each after all it needs. Only when there is no error.
    func orderedGroups() -> [GroupSpec] {
        edges().graph.ordered().map { groups[$0].spec }
    }
}
