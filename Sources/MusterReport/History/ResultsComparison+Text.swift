import MusterCore

extension ResultsComparison {
    /// For people: what is broken first, at most so many lines of each kind.
    package func lines(width: Int, usesColor: Bool, isASCII: Bool = false, listedMax: Int = 50) -> [String] {
        let ink = TextInk(width: max(40, width), usesColor: usesColor, isASCII: isASCII)
        let counts = Kind.allCases.compactMap { kind in
            let count = self[kind].count
            return count == 0 ? nil : "\(count) \(kind.title)"
        }
        let said = (counts + ["\(same) as before"]).joined(separator: ", ")
        var rows: [TextInk.Row] = []
        var more: [Int: Int] = [:]
        for kind in Kind.allCases {
            let changes = self[kind]
            for change in changes.prefix(listedMax) { rows.append(change.row(ink)) }
            if changes.count > listedMax { more[rows.count] = changes.count - listedMax }
        }
        var lines = ["  \(before) \(isASCII ? "->" : "→") \(after): \(said)"]
        if !rows.isEmpty { lines.append("") }
        for (index, line) in ink.table(rows, main: 1).enumerated() {
            lines.append(line)
            if let count = more[index + 1] { lines.append("  and \(count) more: --json has all") }
        }
        return lines
    }
}

extension ResultsComparison.Change {
    fileprivate func row(_ ink: TextInk) -> TextInk.Row {
        let arrow = ink.isASCII ? " -> " : " → "
        let states = [was, now].compactMap { $0?.rawValue }
        let status: TestStatus =
            switch kind {
            case .newlyFailing, .stillFailing: now ?? .failed
            case .flaky, .slower: .flaky
            case .undecided: .infra
            case .fixed, .new: .passed
            case .gone: .notRun
            }
        let how: String
        switch kind {
        case .slower:
            how = [tookBefore, took].compactMap { $0.map { TimeText.short($0) } }.joined(separator: arrow)
        case .newlyFailing, .stillFailing, .flaky, .undecided, .fixed, .new, .gone:
            how = was == nil || now == nil || was == now ? states.first ?? "" : states.joined(separator: arrow)
        }
        let isSaid =
            switch kind {
            case .newlyFailing, .stillFailing, .undecided: true
            case .flaky, .slower, .fixed, .new, .gone: false
            }
        let note = isSaid ? ink.plain((self.note ?? "").bounded(to: TextBounds.noteLine).firstLine) : ""
        return TextInk.Row(
            ["\(ink.shape(status)) \(kind.title)", ink.plain(test.fullName), how, note],
            ink.color(status)
        )
    }
}

extension ResultsComparison: Encodable {
    private enum Key: String, CodingKey {
        case format, before, after, changes, same
    }

    private struct Shape: Encodable {
        var kind: Kind
        var suite: String
        var test: String
        var was: String?
        var now: String?
        var durationMs: Int64?
        var durationBeforeMs: Int64?
        var note: String?

        enum CodingKeys: String, CodingKey {
            case kind, suite, test, was, now, note
            case durationMs = "duration_ms"
            case durationBeforeMs = "duration_before_ms"
        }
    }

    /// One object for programs (`docs/formats/json.md`).
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(1, forKey: .format)
        try container.encode(before.description, forKey: .before)
        try container.encode(after.description, forKey: .after)
        try container.encode(same, forKey: .same)
        let shapes = changes.map { change in
            Shape(
                kind: change.kind,
                suite: change.test.suite,
                test: change.test.name,
                was: change.was?.rawValue,
                now: change.now?.rawValue,
                durationMs: change.took.map { max(0, $0.milliseconds) },
                durationBeforeMs: change.tookBefore.map { max(0, $0.milliseconds) },
                note: change.note?.bounded(to: TextBounds.noteLine)
            )
        }
        try container.encode(shapes, forKey: .changes)
    }
}
