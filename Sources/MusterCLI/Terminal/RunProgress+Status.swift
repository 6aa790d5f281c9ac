import MusterCore

extension RunProgress {
    /// What is ready, what is being worked on, and what waits for what: the answer to SIGUSR2.
    func statusLines(style: TerminalStyle = .plain) -> [String] {
        var lines: [ScreenLine] = []
        var head = "run \(run?.description ?? "(not begun)") \(spec.verb.rawValue) \(spec.lab)"
        if let plan {
            head += ", \(plan.state.rawValue) for \(SpanText.elapsed(elapsed))"
            if isTakingDown, spec.verb != .down { head += ", taking down" }
        }
        lines.append(ScreenLine(style, head))
        func add(_ label: String, _ texts: [String]) {
            for (index, text) in texts.enumerated() {
                var line = ScreenLine(style)
                line.add(index == 0 ? label : "", columns: Self.labelColumns)
                line.add(text)
                lines.append(line)
            }
        }
        if let reason = plan?.reason { add(plan?.state.rawValue ?? "", [reason]) }
        let done = groups.filter { $0.state == .ready || $0.state == .gone }
        for state in [GroupState.ready, .gone] {
            let names = done.filter { $0.state == state }.map {
                $0.total > 0 ? "\($0.name) \($0.done)/\($0.total)" : $0.name
            }
            if !names.isEmpty { add(state.rawValue, [names.joined(separator: ", ")]) }
        }
        add("failed", problems.map(\.text))
        add("working", allWork().map { $0.text(now: now) })
        for state in [GroupState.waiting, .blocked] {
            add(
                state.rawValue,
                groups.filter { $0.state == state }.map { group in
                    group.name + (group.reason.map { ": \($0)" } ?? "")
                }
            )
        }
        for suite in suites {
            add("tests", [suite.statusText])
        }
        add("running", running.map { $0.text(now: now) })
        add("failed", failures.map { "\($0.name): \($0.verdict)" })
        add("not run", unrun.map { "\($0.count) of \($0.suite): \($0.note)" })
        return lines.map { $0.text(columns: .max) }
    }

    private static let labelColumns = 9

    /// Everything that is being done to machines now, by node.
    func allWork() -> [StepWork] {
        steps.filter { step in
            switch step.spec.action {
            case .provision, .ready, .undo, .destroy: step.state == .running || isBetweenTries(step)
            case .call, .finalize, .revert: step.state == .running || step.state == .suspended
            case .command, .capability, .pause: step.state == .running
            case .barrier, .noop, .before, .after, .attempt, .member, .exec: false
            }
        }.map { work($0) }
    }
}

extension SuiteProgress {
    /// How many tests ended how, failures first; `pass` is always there.
    var tally: [(word: String, count: Int, ink: Ink?)] {
        var entries: [(String, Int, Ink?)] = [
            ("fail", counts[.fail, default: 0], .red),
            ("error", counts[.error, default: 0], .red),
            ("infra", counts[.infra, default: 0], .purple),
            ("flaky", flaky, .yellow),
            ("pass", counts[.pass, default: 0], .green),
            ("warn", counts[.warn, default: 0], .yellow),
            ("info", counts[.info, default: 0], nil),
            ("skip", counts[.skip, default: 0], .dim),
            ("cancelled", cancelled, .dim),
        ]
        entries.removeAll { $0.1 == 0 && $0.0 != "pass" }
        return entries
    }

    /// `api 5 of 14: fail 1, pass 4; 3 running`.
    var statusText: String {
        var text = "\(name) \(done) of \(total): " + tally.map { "\($0.word) \($0.count)" }.joined(separator: ", ")
        if running > 0 { text += "; \(running) running" }
        if infraRetried > 0 { text += "; \(infraRetried) infra, repeated" }
        if let reason { text += "; \(reason)" }
        return text
    }
}

extension RunningWork {
    /// `app/1 api//login 00:41 of 30m, rerun 1 of 2`.
    func text(now: Timestamp) -> String {
        var text = node.isEmpty ? name : "\(node) \(name)"
        if let since { text += " " + SpanText.whole(now - since, of: timeout) }
        if let note { text += ", \(note)" }
        return text
    }
}

extension FailedTest {
    /// `exit 1; 2 attempts; runs again on app/2`.
    var verdict: String {
        var parts = [note ?? outcome.rawValue]
        if attempts > 1 { parts.append("\(attempts) attempts") }
        switch next {
        case .nothing: break
        case .waitsForRerun: parts.append("runs again")
        case .runsAgain(let node): parts.append("running again on \(node)")
        }
        return parts.joined(separator: "; ")
    }
}
