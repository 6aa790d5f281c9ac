import MusterCore

/// The live screen of a run: one headline, then groups, what went wrong, and tests, each row where it was before.
enum Screen {
    /// One screen. Every line fits into `width` columns, and there are at most `height` lines.
    static func frame(_ progress: RunProgress, width: Int, height: Int, style: TerminalStyle) -> [String] {
        guard width > 0, height > 0 else { return [] }
        let drawing = Drawing(progress, width: width, style: style)
        let parts: [(rank: Int, part: ScreenPart)] = [
            (0, drawing.headline()),
            (1, drawing.banner()),
            (6, drawing.groups()),
            (2, drawing.problems()),
            (3, drawing.suites()),
            (4, drawing.failures()),
            (5, drawing.running()),
            (7, drawing.replacements()),
        ]
        return ScreenPart.stacked(parts, height: height, style: style).map { $0.text(columns: width) }
    }

    /// What one screen is drawn with: the columns are the same for all its rows.
    struct Drawing {
        let progress: RunProgress
        let width: Int
        let style: TerminalStyle
        let nameColumns: Int
        /// 0 where there is no room for bars.
        let barColumns: Int
        let countColumns: Int

        let stateColumns: Int

        static let elapsedColumns = 7  // "1:02:03"

        var now: Timestamp { progress.now }
        var hasDetail: Bool { width >= 90 }

        init(_ progress: RunProgress, width: Int, style: TerminalStyle) {
            self.progress = progress
            self.width = width
            self.style = style
            stateColumns = (progress.isTakingDown ? GroupState.tearingDown : .working).rawValue.utf8.count
            barColumns = width >= 80 ? 18 : width >= 60 ? 10 : 0
            let counts =
                progress.groups.map { Self.count($0.done, $0.total) }
                + progress.suites.map { Self.count($0.total, $0.total) }
            countColumns = counts.map(\.utf8.count).max() ?? 0
            let names = progress.groups.map(\.name) + progress.suites.map(\.name)
            let longest = names.map { TerminalText.width(TerminalText.clean($0, ascii: style.isASCII)) }.max() ?? 0
            let others =
                2 + 2 + (barColumns > 0 ? barColumns + 2 : 0) + countColumns + 2 + stateColumns + 2
                + Self.elapsedColumns
            nameColumns = min(longest, max(4, width - others))
        }

        static func count(_ done: Int, _ total: Int) -> String { total == 0 ? "" : "\(done)/\(total)" }

        func line(_ text: String = "", _ ink: Ink? = nil) -> ScreenLine { ScreenLine(style, text, ink) }

        // MARK: Top

        func headline() -> ScreenPart {
            var words: [String] = []
            if let run = progress.run { words.append("run \(run)") }
            if progress.spec.verb != .test, progress.spec.verb != .up { words.append(progress.spec.verb.rawValue) }
            if progress.nodesTotal > 0 {
                words.append(
                    counted(progress.nodesTotal, "node") + " in " + counted(progress.groupsWithNodes, "group")
                )
            }
            if progress.testsTotal > 0 { words.append(counted(progress.testsTotal, "test")) }
            if progress.plan != nil { words.append(SpanText.clock(progress.elapsed)) }
            var line = self.line(progress.spec.lab, .bold)
            // What does not fit is left out whole; the clock says more than a part of it.
            for word in words where line.width + 3 + word.utf8.count <= width { line.add(" \(style.dot) \(word)") }
            return ScreenPart([line], style: style)
        }

        /// What holds for the whole run: it is paused, ends, or waits for others.
        func banner() -> ScreenPart {
            guard let plan = progress.plan else { return ScreenPart([], style: style) }
            let run = RunName(plan.id)
            var rows: [ScreenLine] = []
            switch plan.state {
            case .paused:
                rows.append(line("  \(style.pause) paused: \(plan.reason ?? "it needs a person")", .yellow))
                rows += [("resume", "try again what failed"), ("halt", "give up; machines stay")].map { verb, meaning in
                    var row = line()
                    row.add("    muster \(verb) \(run)", columns: 4 + 14 + run.description.utf8.count + 3)
                    row.add(meaning, .dim)
                    return row
                }
            case .pending, .scheduled, .planning, .planned:
                rows.append(line("  waits for other runs on these machines to end", .yellow))
            case .running where plan.isCancelling && plan.phase == .main:
                rows.append(
                    line("  \(style.stop) cancelling: nothing new starts, running attempts are ended", .yellow)
                )
            case .stopped:
                if let reason = plan.reason { rows.append(line("  \(style.stop) \(reason)", .yellow)) }
            case .running: break
            }
            return ScreenPart(rows, style: style, minimum: 1, comfort: 3)
        }

        // MARK: Groups

        func groups() -> ScreenPart {
            let groups = progress.groups
            return ScreenPart(count: groups.count, minimum: 3, comfort: 12) { room in
                guard groups.count > room else { return groups.map(row) }
                // Where not all fit, those stay in sight in which something happens. None moves before another.
                let chosen = Set(
                    groups.indices.sorted { (Self.rank(groups[$0].state), $0) < (Self.rank(groups[$1].state), $1) }
                        .prefix(max(0, room - 1))
                )
                let hidden = groups.indices.filter { !chosen.contains($0) }.map { groups[$0].state }
                let states = GroupState.allCases.compactMap { state -> String? in
                    let count = hidden.count { $0 == state }
                    return count == 0 ? nil : "\(count) \(state.rawValue)"
                }
                return groups.indices.filter { chosen.contains($0) }.map { row(groups[$0]) }
                    + [ScreenPart.more(hidden.count, "more groups: " + states.joined(separator: ", "), style)]
            }
        }

        private static func rank(_ state: GroupState) -> Int {
            switch state {
            case .failed: 0
            case .working, .tearingDown: 1
            case .blocked: 2
            case .waiting: 3
            case .ready: 4
            case .gone: 5
            }
        }

        private func row(_ group: GroupProgress) -> ScreenLine {
            let ink = Self.ink(group.state)
            var line = start(group.name, done: group.done, total: group.total, ink)
            line.add(Self.count(group.done, group.total), columns: countColumns, atEnd: true)
            line.add("  ")
            line.add(group.state.rawValue, ink, columns: stateColumns)
            line.add("  ")
            let elapsed = group.elapsed(now: now).map(SpanText.elapsed) ?? ""
            line.add(elapsed, columns: Self.elapsedColumns, atEnd: true)
            if hasDetail, let detail = group.detail(now: now) {
                line.add("  ")
                line.add(detail, group.state == .failed ? .red : group.work == nil ? .dim : nil)
            }
            return line
        }

        private static func ink(_ state: GroupState) -> Ink {
            switch state {
            case .ready: .green
            case .working, .tearingDown: .cyan
            case .failed: .red
            case .blocked: .yellow
            case .waiting, .gone: .dim
            }
        }

        /// The columns that groups and suites have in common: name and bar.
        func start(_ name: String, done: Int, total: Int, _ ink: Ink) -> ScreenLine {
            var line = self.line("  ")
            line.add(name, columns: nameColumns)
            line.add("  ")
            guard barColumns > 0 else { return line }
            // The bar is full when everything is done, and never empty when something is.
            var full = total > 0 ? done * barColumns / total : 0
            if done > 0, full == 0 { full = 1 }
            line.add(String(repeating: total == 0 ? " " : style.barFull, count: full), ink)
            line.add(String(repeating: total == 0 ? " " : style.barEmpty, count: barColumns - full), .dim)
            line.add("  ")
            return line
        }
    }
}
