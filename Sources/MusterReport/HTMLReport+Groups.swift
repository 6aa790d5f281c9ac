import MusterCore

extension HTMLReport {
    /// So many rows of groups are shown; those that did not come up stand first.
    private static let groupRowsMax = 200

    /// How the groups came up: the graph, where it can be read, and a table.
    mutating func addGroups() {
        guard !report.groups.isEmpty else { return }
        let isTrouble = report.groups.contains { $0.state == .failed || $0.state == .blocked }
        add("<details class=\"group setup\" id=\"groups\"\(isTrouble || report.groups.count <= 40 ? " open" : "")>")
        add("<summary><h2>Groups <small>\(report.groups.count)</small></h2></summary>")
        let suites = report.suites.compactMap { suite in suite.group.map { (suite.name, $0, suite.tests.count) } }
        let graph = Graph(title: "Groups of \(report.lab)", groups: report.groups, suites: suites)
        if let picture = GraphSVG.svg(graph) { add("<div class=\"graph\">\n\(picture)\n</div>") }
        addGroupTable()
        add("</details>")
    }

    private mutating func addGroupTable() {
        let sorted = report.groups.enumerated().sorted { ($0.element.rank, $0.offset) < ($1.element.rank, $1.offset) }
        add("<table class=\"attempts\"><thead><tr><th scope=\"col\">Group</th><th scope=\"col\">State</th>")
        add("<th scope=\"col\">Ready</th><th scope=\"col\">Took</th>")
        add("<th scope=\"col\" class=\"wide\">Slowest step</th><th scope=\"col\" class=\"wide\">Needs</th>")
        add("</tr></thead><tbody>")
        for group in sorted.prefix(Self.groupRowsMax).map(\.element) {
            let hasNote = group.reason?.isEmpty == false
            let needs = group.needs.map(\.group).joined(separator: ", ")
            add("<tr class=\"\(group.tone)\(hasNote ? " noted" : "")\"><td>\(HTMLText.escaped(group.name))</td>")
            add("<td>\(group.state.rawValue)\(HTMLText.escaped(group.extras))</td>")
            add("<td class=\"num\">\(group.count == 0 ? "" : "\(group.ready)/\(group.count)")</td>")
            add("<td class=\"num\">\(group.took.map { TimeText.short($0) } ?? "")</td>")
            add("<td class=\"wide\">\(note(group.slowestText, limit: TextBounds.noteLine))</td>")
            add("<td class=\"wide\">\(note(needs, limit: TextBounds.noteLine))</td></tr>")
            if hasNote, let reason = group.reason {
                add(
                    "<tr class=\"note\"><td colspan=\"6\"><pre>\(note(reason, limit: TextBounds.noteShown))</pre></td></tr>"
                )
            }
        }
        add("</tbody></table>")
        if sorted.count > Self.groupRowsMax { add("<p>\(sorted.count - Self.groupRowsMax) more</p>") }
    }
}

extension GroupReport {
    /// What needs looking at first.
    fileprivate var rank: Int {
        switch state {
        case .failed: 0
        case .blocked: 1
        case .working, .tearingDown: 2
        case .waiting: 3
        case .ready, .gone: 4
        }
    }

    fileprivate var tone: String {
        switch state {
        case .failed: "failed"
        case .blocked: "infra"
        case .working, .tearingDown: "running"
        case .waiting, .gone: "notrun"
        case .ready: "passed"
        }
    }

    /// What it took besides: `, 2 retries, 1 replaced`.
    fileprivate var extras: String {
        (retries > 0 ? ", \(retries == 1 ? "1 retry" : "\(retries) retries")" : "")
            + (replaced > 0 ? ", \(replaced) replaced" : "")
    }

    fileprivate var slowestText: String {
        slowest.map { "\($0.title) on \($0.node), \(TimeText.short($0.took))" } ?? ""
    }
}
