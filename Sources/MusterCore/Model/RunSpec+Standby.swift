extension RunSpec {
    /// Leaves places of groups empty at first of which the tests of the run cannot have any use: more of them than
    /// there are tests.
    ///
    /// Left as they are: groups whose machines stay, that other groups or suites need as a whole, and those of tests on
    /// several nodes at once, as well as places that are named somewhere.
    package mutating func leavePlacesEmpty() {
        guard verb == .test, keep == .never else { return }
        let needed = Set(groups.flatMap(\.needs).map(\.group) + suites.flatMap(\.needs).map(\.group))
        let named = namedPlaces
        for place in groups.indices where groups[place].hasNodes && !needed.contains(groups[place].name) {
            let name = groups[place].name
            let users = suites.filter { $0.groups.contains(name) }
            guard !users.isEmpty, !users.contains(where: { $0.tests.contains { $0.roles != nil } }) else { continue }
            let tests = users.reduce(0) { $0 + $1.tests.count }
            // A test that has failed may want another node than the one it had.
            let other = users.contains { $0.reruns > 0 && $0.rules.rerunOn == .other } ? 1 : 0
            let wanted = max(tests + other, named[name] ?? 0, 1)
            guard wanted < groups[place].count else { continue }
            groups[place].standby = groups[place].count - wanted
            groups[place].count = wanted
        }
    }

    /// How many places of each group there must be so that all are there that the request names: `${app.2.address}`.
    private var namedPlaces: [String: Int] {
        var named: [String: Int] = [:]
        func note(_ node: NodeName) { named[node.group] = max(named[node.group] ?? 0, node.index + 1) }
        for template in templates { template.nodes.forEach(note) }
        for group in groups {
            for step in group.steps {
                guard case .template(let file) = step.kind else { continue }
                for reference in file.references { if case .node(let node, _) = reference.segment { note(node) } }
            }
        }
        return named
    }

    /// All texts of the request into which values are put, but those of files.
    private var templates: [Template] {
        var found: [Template?] = []
        for group in groups {
            for step in group.steps {
                found.append(step.undo)
                switch step.kind {
                case .process(let command), .machine(_, let command): found.append(command)
                case .run(let command): found.append(command)
                case .files(let files):
                    for file in files { if case .text(let text) = file.source { found.append(text) } }
                case .script(let script): found += script.arguments + Array(script.environment.values)
                case .ansible(let play): found += play.variables.values.map(\.value)
                case .template: break
                }
            }
            for condition in group.ready { if case .run(let command) = condition.probe { found.append(command) } }
        }
        for suite in suites {
            found += [suite.before, suite.after]
            for test in suite.tests { if case .run(let command) = test.command { found.append(command) } }
        }
        return found.compactMap(\.self)
    }
}
