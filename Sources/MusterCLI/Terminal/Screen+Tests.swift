import MusterCore

extension Screen.Drawing {
    // MARK: What went wrong

    func problems() -> ScreenPart {
        var rows = progress.problems.sorted { !$0.isTolerated && $1.isTolerated }.map { problem in
            var line = self.line("  ")
            let shape = problem.isTolerated ? style.warning : style.failure
            line.add("\(shape) \(problem.text)", problem.isTolerated ? .yellow : .red)
            if problem.isTolerated { line.add("; the run goes on without it") }
            return withHint("muster logs \(problem.thing)", after: line)
        }
        if !hasDetail {
            rows += progress.allWork().filter { $0.lastError != nil }.map {
                line("  \(style.again) \($0.text(now: now))", .yellow)
            }
        }
        return ScreenPart(rows, style: style, minimum: 2, comfort: 6, moreWord: "more failed")
    }

    /// What to type, where there is room for all of it.
    private func withHint(_ hint: String, after line: ScreenLine) -> ScreenLine {
        guard hasDetail, line.width + 3 + TerminalText.width(hint) <= width else { return line }
        var line = line
        line.add("   ")
        line.add(hint, .dim)
        return line
    }

    // MARK: Suites

    func suites() -> ScreenPart {
        ScreenPart(progress.suites.map(row), style: style, minimum: 2, comfort: 4, moreWord: "more suites")
    }

    private func row(_ suite: SuiteProgress) -> ScreenLine {
        var line = start(suite.name, done: suite.done, total: suite.total, suite.failed > 0 ? .red : .green)
        line.add(Self.count(suite.done, suite.total), columns: countColumns, atEnd: true)
        if suite.startedAt == nil && suite.done == 0 {
            line.add("  ")
            line.add(suite.reason ?? "waits", .dim)
            return line
        }
        for entry in suite.tally {
            line.add("  ")
            line.add("\(entry.word) \(entry.count)", entry.count > 0 ? entry.ink : .dim)
        }
        if let elapsed = suite.elapsed(now: now) { line.add("  \(SpanText.clock(elapsed))") }
        if suite.infraRetried > 0 {
            let notes = ["  (\(suite.infraRetried) infra, repeated)", "  (\(suite.infraRetried) infra)"]
            line.add(notes.first { line.width + $0.utf8.count <= width } ?? "", .dim)
        }
        return line
    }

    // MARK: Tests

    func failures() -> ScreenPart {
        var rows: [ScreenLine] = []
        for tests in progress.unrun {
            var line = self.line("  ")
            line.add(
                "\(tests.isFailure ? style.failure : style.stop) "
                    + "\(counted(tests.count, "test")) of \(tests.suite) did not run",
                tests.isFailure ? .red : .dim
            )
            line.add(": \(tests.note)")
            rows.append(line)
        }
        let names = progress.failures.map { TerminalText.width(TerminalText.clean($0.name, ascii: style.isASCII)) }
        let columns = min(names.max() ?? 0, max(10, width / 2 - 4))
        for test in progress.failures {
            let ink: Ink = !test.isFinal ? .yellow : test.outcome == .infra ? .purple : .red
            let shape = !test.isFinal ? style.again : test.outcome == .infra ? style.warning : style.failure
            var line = self.line("  ")
            line.add("\(shape) ", ink)
            line.add(test.name, ink, columns: columns)
            line.add("  \(test.verdict)")
            if hasDetail, !test.nodes.isEmpty {
                line.add("  on " + test.nodes.suffix(4).joined(separator: " "), .dim)
            }
            rows.append(withHint("muster logs \(test.thing)", after: line))
        }
        if !rows.isEmpty, !progress.isOver { rows.insert(line("  failed so far", .bold), at: 0) }
        return ScreenPart(rows, style: style, minimum: 3, comfort: 8, moreWord: "more failed")
    }

    func running() -> ScreenPart {
        let work = progress.running
        let nodeColumns = work.map { TerminalText.width(TerminalText.clean($0.node, ascii: style.isASCII)) }.max() ?? 0
        let names = work.map { TerminalText.width(TerminalText.clean($0.name, ascii: style.isASCII)) }
        // "00:41 of 30m" and a note get what they need first.
        let columns = min(
            names.max() ?? 0,
            max(10, width - 2 - min(nodeColumns, 24) - 2 - 2 - 14 - (width < 60 ? 0 : 16))
        )
        let rows = work.map { entry in
            var line = self.line("  ")
            line.add(entry.node, columns: min(nodeColumns, 24))
            line.add("  ")
            line.add(entry.name, columns: columns)
            line.add("  ")
            if let since = entry.since {
                var span = SpanText.clock(now - since)
                if let timeout = entry.timeout { span += " of \(timeout.shortText)" }
                line.add(span)
            }
            if let note = entry.note { line.add("  \(note)", .yellow) }
            return line
        }
        return ScreenPart(rows, style: style, minimum: 2, comfort: 10, moreWord: "more running")
    }

    // MARK: Nodes

    /// The newest first: what lies longer back matters less.
    func replacements() -> ScreenPart {
        let rows = progress.replacements.sorted { ($0.began ?? now) > ($1.began ?? now) }.map { replacement in
            var line = self.line("  \(style.again) \(replacement.node) ", .yellow)
            if let began = replacement.began, let ended = replacement.ended {
                line.add("replaced in \(SpanText.elapsed(ended - began))")
            } else {
                line.add("is being replaced")
            }
            if let number = replacement.number { line.add(" (\(number) of \(Defaults.replacementsMax))") }
            if let reason = replacement.reason { line.add(": \(reason)") }
            return line
        }
        return ScreenPart(rows, style: style, minimum: 1, comfort: 3, moreWord: "more replaced")
    }
}
