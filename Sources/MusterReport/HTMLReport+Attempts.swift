import MusterCore

extension HTMLReport {
    /// So many parts are shown of one attempt, bad ones before others, and so many on the page.
    static let partsOfOneMax = 500
    static let partsMax = 20_000

    /// All attempts of a test beside each other, so that one sees what differs.
    mutating func addAttempts(_ test: TestReport) {
        guard !test.attempts.isEmpty else { return }
        add("<ol class=\"tries\">")
        for attempt in test.attempts {
            add("<li class=\"try \(attempt.status.identifier)\">")
            add("<div class=\"what\"><b>#\(attempt.number)</b> \(shape(attempt.status)) \(attempt.outcomeWord)")
            add("<span class=\"num\">\(TimeText.short(attempt.duration))</span></div>")
            let status = attempt.own?.status.map { " · said \(note($0, limit: 80))" } ?? ""
            add("<div class=\"where\">\(nodeText(attempt)) \(startText(attempt))\(status)</div>")
            let files = test.files(of: attempt)
            if let line = firstFailingLine(attempt, files) {
                add("<div class=\"line\"><code>\(HTMLText.escaped(line))</code></div>")
            }
            if let text = attempt.note, !text.isEmpty {
                add("<pre>\(note(text, limit: TextBounds.noteShown))</pre>")
            }
            add("<div class=\"links\">\(links(files))</div>")
            addParts(attempt, of: test)
            add("</li>")
        }
        add("</ol>")
    }

    /// The parts that a test reported, folded.
    mutating func addParts(_ attempt: AttemptReport, of test: TestReport) {
        let parts = attempt.parts
        guard !parts.isEmpty else { return }
        let bad = parts.count(where: \.isBad)
        let said = bad == 0 ? "" : ", \(bad) of them not well"
        let shown = parts.bounded(to: min(Self.partsOfOneMax, partsLeft))
        partsLeft -= shown.count
        guard !shown.isEmpty else {
            add("<p class=\"said\">\(RunSummary.counted(parts.count, "part"))\(said), all in results.jsonl</p>")
            return
        }
        add("<details class=\"parts\"><summary>\(RunSummary.counted(parts.count, "part"))\(said)</summary>")
        add("<table><thead><tr><th scope=\"col\">Part</th><th scope=\"col\">Outcome</th>")
        add("<th scope=\"col\">Files</th></tr></thead><tbody>")
        for part in shown {
            let name = note((part.name ?? "").onOneLine(), limit: TextBounds.noteLine)
            let said = part.note.map { "<div class=\"said\">\(note($0, limit: TextBounds.noteLine))</div>" } ?? ""
            let word = note(part.word.onOneLine(), limit: 80)
            add("<tr><td><bdi class=\"name\">\(name)</bdi>\(said)</td>")
            add("<td>\(shape(part.outcome.status)) \(word)</td>")
            add("<td>\(links(test.files(of: part, in: attempt)))</td></tr>")
        }
        add("</tbody></table>")
        if parts.count > shown.count { add("<p>\(parts.count - shown.count) more, all in results.jsonl</p>") }
        add("</details>")
    }

    /// What the output of an attempt that did not pass says first of it.
    private mutating func firstFailingLine(_ attempt: AttemptReport, _ files: [String]) -> String? {
        switch attempt.status {
        case .failed, .error, .infra: break
        case .flaky, .cancelled, .notRun, .skipped, .passed: return nil
        }
        guard outputLeft > 0, let file = files.first, let ends = outputEnds?(file) else { return nil }
        outputLeft -= ends.head.count + ends.tail.count
        return FirstFailingLine.find(in: ends)?.onOneLine()
    }

    /// How the test went in earlier runs, a shape each: the oldest first.
    func past(_ test: TestReport) -> String {
        let runs = history[test]
        guard !runs.isEmpty else { return "" }
        var groups: [(status: TestStatus, count: Int)] = []
        for run in runs {
            if groups.last?.status == run.status {
                groups[groups.count - 1].count += 1
            } else {
                groups.append((run.status, 1))
            }
        }
        // Runs that went alike share an element: a page of many tests stays small.
        let shapes = groups.map { group in
            let shape = "\(group.status.shape)\u{FE0E}"
            return "<i class=\"\(group.status.identifier)\">\(String(repeating: shape, count: group.count))</i>"
        }
        let words = groups.map { $0.count == 1 ? $0.status.rawValue : "\($0.count) × \($0.status.rawValue)" }
        let title = "\(RunSummary.counted(runs.count, "run")) before this: \(words.joined(separator: ", "))"
        return " <span class=\"past\" role=\"img\" aria-label=\"\(title)\" title=\"\(title)\">\(shapes.joined())</span>"
    }

    // MARK: Pieces

    func nodeText(_ attempt: AttemptReport) -> String {
        attempt.node.map { "<bdi>\(HTMLText.escaped($0))</bdi>" } ?? "<span class=\"none\">no node</span>"
    }

    private func startText(_ attempt: AttemptReport) -> String {
        guard let startedAt = attempt.startedAt else { return "<span class=\"none\">never ran</span>" }
        let offset = TimeText.short(max(.zero, startedAt - report.startedAt))
        let time = TimeText.rfc3339(startedAt)
        return "<time datetime=\"\(time)\" title=\"\(time)\">+\(offset)</time>"
    }

    func links(_ files: [String]) -> String {
        if files.isEmpty { return "<span class=\"none\">no files</span>" }
        let shown = files.prefix(8).map { file in
            let label = file.split(separator: "/").last.map(String.init) ?? file
            return "<a href=\"\(HTMLText.href(file))\">\(HTMLText.escaped(label.bounded(to: 80)))</a>"
        }
        let more = files.count > shown.count ? " and \(files.count - shown.count) more" : ""
        return shown.joined(separator: " ") + more
    }
}
