import MusterCore

/// A run as lines that stay: for logs of CI jobs, files, and whatever else is no terminal.
///
/// A line for every change that matters, and one when nothing was said for a while.
struct LineLog: Sendable {
    private let style: TerminalStyle
    private var progress: RunProgress?
    private var lastLineAt: Timestamp?
    /// How often each step was seen to begin.
    private var starts: [StepIndex: Int] = [:]
    private var isTakingDown = false

    /// After this long without a line a heartbeat is due.
    static let silenceMax: Duration = .seconds(30)

    init(style: TerminalStyle = .plain) { self.style = style }

    // MARK: Changes

    /// The lines for what has happened.
    ///
    /// - Parameters:
    ///   - events: those since the call before, in order.
    ///   - progress: the run as it is after them.
    mutating func lines(for events: [EventRow], progress: RunProgress, now: Timestamp) -> [String] {
        self.progress = progress
        if lastLineAt == nil { lastLineAt = progress.startedAt ?? now }
        let batch = Batch(events, progress)
        var lines: [String] = []
        for (index, event) in events.enumerated() {
            guard let plan = event.plan, plan == progress.plan?.id else { continue }
            for text in texts(for: event, at: index, in: batch, progress) { lines.append(line(text, at: event.at)) }
        }
        if !lines.isEmpty { lastLineAt = now }
        return lines
    }

    /// What belongs together although it is several events.
    private struct Batch {
        /// The nodes whose replacement is told with the failure of a step.
        var replaced: Set<NodeID> = []
        var failed: Set<NodeID> = []
        /// Tests that ended without having run, by the event that tells of all of them.
        var unrun: [Int: (attempt: AttemptRow, count: Int)] = [:]

        init(_ events: [EventRow], _ progress: RunProgress) {
            var first: [String: Int] = [:]
            for (index, event) in events.enumerated() {
                if event.kind == .nodeReplaced, let node = event.node { replaced.insert(node) }
                guard event.kind == .stepFailed || event.kind == .stepCancelled else { continue }
                if event.kind == .stepFailed, let node = event.node { failed.insert(node) }
                guard let step = event.step, let attempt = progress.attempt(of: step), attempt.startedAt == nil else {
                    continue
                }
                let key = "\(attempt.suite) \(attempt.isCancelled) \(attempt.note ?? "")"
                let told = first[key] ?? index
                first[key] = told
                unrun[told] = (attempt, (unrun[told]?.count ?? 0) + 1)
            }
            replaced.formIntersection(failed)
        }
    }

    // MARK: Silence

    /// When the next heartbeat is due; nil when the run has ended, or waits for a person.
    var heartbeatDue: Timestamp? {
        guard let progress, progress.plan != nil, !progress.isOver, !progress.isPaused else { return nil }
        return lastLineAt.map { $0 + Self.silenceMax }
    }

    /// A line that says what goes on, when nothing was said for 30 seconds.
    mutating func heartbeat(now: Timestamp) -> String? {
        guard let due = heartbeatDue, now >= due, var progress else { return nil }
        lastLineAt = now
        progress.now = now
        return line(ScreenLine(style, "... " + pulse(progress)), at: now)
    }

    /// `4 of 6 ready; app/2 run: ./setup.sh 11s of 2m`.
    private func pulse(_ progress: RunProgress) -> String {
        var parts: [String] = []
        let now = progress.now
        if progress.isTakingDown {
            parts.append("taking down, \(counted(progress.nodesDone, "node")) left")
        } else if progress.nodesDone < progress.nodesTotal {
            parts.append("\(progress.nodesDone) of \(progress.nodesTotal) ready")
        }
        if progress.testsTotal > 0, !progress.isTakingDown {
            parts.append("\(progress.testsDone) of \(counted(progress.testsTotal, "test"))")
        }
        let work =
            progress.allWork().map { ($0.since ?? now, $0.text(now: now)) }
            + progress.running.map { ($0.since ?? now, $0.text(now: now)) }
        let longest = work.enumerated().sorted { ($0.element.0, $0.offset) < ($1.element.0, $1.offset) }
        parts += longest.prefix(3).map(\.element.1)
        if work.count > 3 { parts.append("\(work.count - 3) more running") }
        if work.isEmpty, let plan = progress.plan, plan.state == .pending {
            parts.append("waits for other runs on these machines to end")
        } else if work.isEmpty {
            parts += progress.groups.filter { $0.state == .waiting || $0.state == .blocked }.prefix(2).map { group in
                "\(group.name) " + (group.reason ?? group.state.rawValue)
            }
        }
        return parts.isEmpty ? "going on" : parts.joined(separator: "; ")
    }

    private func line(_ text: ScreenLine, at time: Timestamp) -> String {
        let since = progress?.startedAt.map { max(.zero, time - $0) } ?? .zero
        return SpanText.stamp(since) + " " + text.text(columns: .max)
    }

    // MARK: Words

    private mutating func texts(
        for event: EventRow,
        at index: Int,
        in batch: Batch,
        _ progress: RunProgress
    ) -> [ScreenLine] {
        let step = event.step.flatMap { progress.step($0) }
        let node = event.node.flatMap { progress.nodeName($0) } ?? "node"
        let detail = event.detail ?? ""
        func one(_ text: String, _ ink: Ink? = nil) -> [ScreenLine] { [ScreenLine(style, text, ink)] }
        switch event.kind {
        case .conductorStarted, .requestRefused, .planCreated: return []
        case .planStarted: return one(beginning(progress))
        case .planPaused:
            let run = progress.run?.description ?? ""
            return one("paused: \(detail); go on with: muster resume \(run)", .yellow)
        case .planResumed: return one("resumed: " + beginning(progress))
        case .planCancelling: return one("cancelling: nothing new starts, running attempts are ended", .yellow)
        case .planTeardown:
            isTakingDown = true
            return one("teardown of what this run brought up")
        case .planHalted: return one("halted" + (detail.isEmpty ? "" : ": \(detail)"), .yellow)
        case .planStopped: return one(ending(progress))
        case .stepStarted:
            if let step { starts[step.index, default: 0] += 1 }
            return []
        case .stepRetrying: return step.map { one(retrying($0, detail, progress), .yellow) } ?? []
        case .planScheduled: return one("scheduled")
        case .planFinalizing: return one("finalizing")
        case .planReverting: return one("undoing what was done", .yellow)
        case .signalRejected: return one("an event was not delivered: \(detail)", .yellow)
        case .stepReturned, .stepReopened, .stepSucceeded, .stepSuspended, .stepWoken, .stepSkipping, .stepEdited:
            return []
        case .stepFailed, .stepSkipped, .stepCancelled:
            guard let step else { return [] }
            return stepEnded(step, event, at: index, in: batch, progress)
        case .nodeCreating, .nodeStarting, .nodeStopped, .nodeState, .nodeMode, .nodeTrigger: return []
        case .nodeInvalid, .nodeTimeout, .nodeCommand, .nodeNotified, .nodeActionFailed:
            return one("\(node): \(detail)", .yellow)
        case .nodeReportRefused: return one("\(node), its reports: \(detail)", .yellow)
        case .noticeSent: return []
        case .noticeFailed: return one("nobody could be told: \(detail)", .yellow)
        case .nodeGivenUp: return one("\(node) is given up: \(detail)", .red)
        case .nodeReady: return one("\(node) ready", .green)
        case .nodeLost: return one("\(node) lost: \(detail)", .red)
        case .nodeFailed:
            // The failed step has said so already.
            return event.node.map(batch.failed.contains) == true ? [] : one("\(node) failed: \(detail)", .red)
        case .nodeGone:
            let isEnd = isTakingDown || progress.spec.verb == .down || progress.plan?.phase == .teardown
            return isEnd ? one("\(node) gone") : []
        case .nodeReplaced:
            guard let id = event.node, !batch.replaced.contains(id) else { return [] }
            return one("\(node) is replaced\(replacementNumber(id, progress)): \(detail)", .yellow)
        case .attemptEnded:
            return event.step.flatMap { progress.attempt(of: $0) }.map { [attempt($0, progress)] } ?? []
        }
    }

    private func beginning(_ progress: RunProgress) -> String {
        let spec = progress.spec
        var text = "run \(progress.run?.description ?? "") \(spec.verb.rawValue) \(spec.lab)"
        var counts: [String] = []
        if progress.nodesTotal > 0 {
            counts.append(counted(progress.nodesTotal, "node"))
            counts.append(counted(progress.groupsWithNodes, "group"))
        }
        if progress.testsTotal > 0 { counts.append(counted(progress.testsTotal, "test")) }
        if !counts.isEmpty { text += ": " + counts.joined(separator: ", ") }
        return text
    }

    private func ending(_ progress: RunProgress) -> String {
        let verb = progress.spec.verb
        let result = progress.plan?.result ?? .pending
        let how =
            switch result {
            case .success, .warning: verb == .up || verb == .down ? "" : " ended"
            // What tests found is no failure of the run.
            case .error: verb == .test && progress.problems.isEmpty ? " ended" : " failed"
            case .cancelled: " cancelled"
            case .pending: " ended unfinished"
            }
        var parts: [String] = []
        if verb == .down {
            parts.append("\(counted(progress.nodesTotal - progress.nodesDone, "node")) gone")
        } else if progress.spec.order != nil {
            parts.append("\(progress.nodesDone) of \(counted(progress.nodesTotal, "node"))")
        } else if verb == .up, !isTakingDown {
            parts.append("\(progress.nodesDone) of \(progress.nodesTotal) ready")
        }
        if verb == .test {
            for suite in progress.suites {
                parts.append("\(suite.name) \(suite.done) of \(suite.total): " + suite.tallyText)
            }
        }
        if !progress.replacements.isEmpty { parts.append("\(progress.replacements.count) replaced") }
        if let problem = progress.problems.first(where: { !$0.isTolerated }) {
            let more = progress.problems.count { !$0.isTolerated } - 1
            parts.append(problem.text + (more > 0 ? " and \(more) more" : ""))
        }
        let text = "\(verb.rawValue)\(how) in \(SpanText.elapsed(progress.elapsed))"
        return parts.isEmpty ? text : text + ": " + parts.joined(separator: ", ")
    }

    private func retrying(_ step: StepRow, _ error: String, _ progress: RunProgress) -> String {
        let words = progress.words(step)
        // A test is never retried: it has said that it goes away.
        if step.spec.runsTest { return "\(words.owner) \(words.title) goes away, and is started again" }
        let number = starts[step.index] ?? max(1, Int(step.tries))
        let delay = progress.retryDelay(of: step, afterTry: number).map { " in \($0.shortText)" } ?? ""
        return "\(words.owner) step \(words.title) failed: \(error); retrying\(delay)"
    }

    private func stepEnded(
        _ step: StepRow,
        _ event: EventRow,
        at index: Int,
        in batch: Batch,
        _ progress: RunProgress
    ) -> [ScreenLine] {
        if step.spec.runsTest {
            guard let (attempt, count) = batch.unrun[index] else { return [] }
            let note = attempt.note.map { ": \($0)" } ?? ""
            let tests = "\(counted(count, "test")) of \(attempt.suite)"
            return [
                ScreenLine(
                    style,
                    "\(tests) \(attempt.isCancelled ? "given up" : attempt.outcome.rawValue)\(note)",
                    attempt.isCancelled ? nil : .purple
                )
            ]
        }
        // Cancelled steps were asked for; skipped ones without an error follow from another.
        guard event.kind != .stepCancelled, let error = event.detail else { return [] }
        // A successor has made the failure of its predecessor good, which was told when it happened.
        if event.kind == .stepSkipped, progress.nodeIsSuperseded(step.spec.node) { return [] }
        let words = progress.words(step)
        var text =
            words.owner.isEmpty
            ? "\(words.title) failed: \(error)" : "\(words.owner) step \(words.title) failed: \(error)"
        if event.kind == .stepSkipped {
            text += step.spec.action == .undo ? "; passed over" : "; the run goes on without \(words.owner)"
        }
        if let node = event.node, batch.replaced.contains(node) {
            text += "; \(words.owner) is replaced\(replacementNumber(node, progress))"
        }
        if !words.thing.isEmpty, step.spec.action != .barrier { text += "; muster logs \(words.thing)" }
        return [ScreenLine(style, text, .red)]
    }

    /// ` (1 of 3)` when the replacement counts as one of those after failures.
    private func replacementNumber(_ node: NodeID, _ progress: RunProgress) -> String {
        guard let name = progress.nodes[node]?.name, let old = progress.nodes[node]?.replacements else { return "" }
        let next = progress.nodes.values.filter { $0.name == name && $0.id > node }.min { $0.id < $1.id }
        guard let next, next.replacements > old else { return "" }
        return " (\(next.replacements) of \(Defaults.replacementsMax))"
    }

    private func attempt(_ row: AttemptRow, _ progress: RunProgress) -> ScreenLine {
        let name = RunProgress.fullName(suite: row.suite, test: row.test) + (row.number > 1 ? "#\(row.number)" : "")
        var line = ScreenLine(style, "test \(name) ")
        let word = row.isCancelled ? "cancelled" : row.outcome.rawValue
        let isBad = !row.isCancelled && (row.outcome.isFailure || row.outcome == .infra)
        line.add(isBad ? word.uppercased() : word, isBad ? .red : row.outcome == .pass ? .green : nil)
        if let startedAt = row.startedAt { line.add(" \(SpanText.elapsed(row.endedAt - startedAt))") }
        if let node = row.node { line.add(" on \(node)") }
        if let note = row.note { line.add(": \(note)") }
        guard isBad else { return line }
        if progress.isRepeated(row) {
            let reruns = progress.spec.suites.first { $0.name == row.suite }?.reruns ?? 0
            line.add(row.outcome == .infra ? "; runs again, no rerun spent" : "; rerun \(row.rerunsSpent) of \(reruns)")
        } else {
            line.add("; muster logs \(name)")
        }
        return line
    }
}

extension SuiteProgress {
    fileprivate var tallyText: String { tally.map { "\($0.word) \($0.count)" }.joined(separator: " ") }
}

extension RunProgress {
    /// Whether a node has made way for another of its name.
    fileprivate func nodeIsSuperseded(_ node: NodeID?) -> Bool {
        guard let node, let name = nodes[node]?.name else { return false }
        return nodes.values.contains { $0.name == name && $0.id > node }
    }

    /// Whether another attempt was planned after this one.
    fileprivate func isRepeated(_ row: AttemptRow) -> Bool {
        guard let spec = step(row.step)?.spec else { return false }
        return steps.contains {
            $0.spec.action == .attempt && $0.spec.a == spec.a && $0.spec.b == spec.b && $0.spec.c > spec.c
        }
    }
}
