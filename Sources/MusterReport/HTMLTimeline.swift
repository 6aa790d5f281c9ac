import MusterCore

/// The attempts of a run by node and time, as rows of bars.
///
/// It is bounded: beyond `rowsMax` nodes the ones with trouble are shown first, and beyond `attemptsMax` attempts
/// each row is cut into slices that show the worst outcome in them.
struct HTMLTimeline {
    static let rowsMax = 60
    static let attemptsMax = 2_000
    static let slices = 200

    struct Bar: Hashable {
        /// Parts of the whole length, 0 … 1.
        var start: Double
        var end: Double
        var status: TestStatus
        var title: String
        /// The anchor of its test; nil for a slice with several.
        var test: String?
    }
    struct Row {
        var node: String
        var bars: [Bar]
        var isTrouble: Bool { bars.contains { $0.status != .passed && $0.status != .skipped } }
    }

    private(set) var rows: [Row] = []
    private(set) var rowsLeftOut = 0
    private(set) var isSliced = false
    /// Places of the labels on the axis.
    private(set) var ticks: [(at: Double, text: String)] = []

    init(_ report: RunReport, tests: [(id: String, test: TestReport)]) {
        let origin = report.startedAt
        let length = Double(max(1, report.took.microseconds))
        var byNode: [String: [Bar]] = [:]
        var count = 0
        for (id, test) in tests {
            for attempt in test.attempts {
                guard let node = attempt.node, let startedAt = attempt.startedAt else { continue }
                let start = Double((startedAt - origin).microseconds) / length
                let end = start + Double(max(0, attempt.duration.microseconds)) / length
                let number = test.attempts.count > 1 ? "#\(attempt.number)" : ""
                let title =
                    "\(test.fullName.bounded(to: 200))\(number): \(attempt.outcomeWord)"
                    + " in \(TimeText.short(attempt.duration)) on \(node)"
                let status = attempt.status
                byNode[node, default: []].append(
                    Bar(start: min(max(start, 0), 1), end: min(max(end, 0), 1), status: status, title: title, test: id)
                )
                count += 1
            }
        }
        isSliced = count > Self.attemptsMax
        rows = byNode.map { Row(node: $0.key, bars: $0.value.sorted { $0.start < $1.start }) }
        if rows.count > Self.rowsMax {
            rows.sort { $0.isTrouble == $1.isTrouble ? Self.order($0.node) < Self.order($1.node) : $0.isTrouble }
            rowsLeftOut = rows.count - Self.rowsMax
            rows.removeLast(rowsLeftOut)
        }
        rows.sort { Self.order($0.node) < Self.order($1.node) }
        if isSliced { for index in rows.indices { rows[index].bars = Self.sliced(rows[index].bars) } }
        ticks = Self.ticks(report.took)
    }

    /// `app/2` before `app/10`.
    private static func order(_ node: String) -> (String, Int) {
        guard let name = NodeName(node) else { return (node, -1) }
        return (name.group, name.index)
    }

    /// Each slice shows the worst outcome of the attempts in it; equal neighbours are one bar.
    private static func sliced(_ bars: [Bar]) -> [Bar] {
        var worst: [TestStatus?] = Array(repeating: nil, count: slices)
        var counts = Array(repeating: 0, count: slices)
        let rank = Dictionary(uniqueKeysWithValues: TestStatus.allCases.enumerated().map { ($0.element, $0.offset) })
        for bar in bars {
            let first = min(slices - 1, Int(bar.start * Double(slices)))
            let last = max(first, min(slices - 1, Int((bar.end * Double(slices)).rounded(.up)) - 1))
            counts[first] += 1
            for slice in first...last where worst[slice].map({ rank[bar.status]! < rank[$0]! }) ?? true {
                worst[slice] = bar.status
            }
        }
        var merged: [Bar] = []
        var attempts = 0
        for (slice, status) in worst.enumerated() {
            guard let status else { continue }
            let start = Double(slice) / Double(slices)
            let end = Double(slice + 1) / Double(slices)
            if let last = merged.last, last.status == status, last.end == start {
                merged[merged.count - 1].end = end
                attempts += counts[slice]
            } else {
                attempts = counts[slice]
                merged.append(Bar(start: start, end: end, status: status, title: "", test: nil))
            }
            let worstWord = status == .passed ? "all passed" : "worst \(status.rawValue)"
            merged[merged.count - 1].title = "\(RunSummary.counted(attempts, "attempt")) began here, \(worstWord)"
        }
        return merged
    }

    /// At most six labels at round times.
    private static func ticks(_ took: Duration) -> [(at: Double, text: String)] {
        let length = max(1, took.milliseconds)
        var steps: [Int64] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000]
        steps += [60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000, 43_200_000]
        let step = steps.first { length / $0 < 6 } ?? max(1, (length / 5 / 86_400_000 + 1) * 86_400_000)
        var ticks: [(at: Double, text: String)] = []
        var at: Int64 = 0
        while at <= length {
            ticks.append((Double(at) / Double(length), label(at, step: step)))
            at += step
        }
        return ticks
    }

    private static func label(_ ms: Int64, step: Int64) -> String {
        if ms == 0 { return "0" }
        if step < 1_000, ms < 1_000 { return "\(ms)ms" }
        if ms < 60_000 {
            return ms % 1_000 == 0 ? "\(ms / 1_000)s" : "\(TimeText.seconds(.milliseconds(ms)).prefixWithoutZeros)s"
        }
        let minutes = ms / 60_000
        let seconds = ms / 1_000 % 60
        if minutes < 60 { return seconds == 0 ? "\(minutes)m" : "\(minutes)m \(seconds)s" }
        if minutes < 1440 { return minutes % 60 == 0 ? "\(minutes / 60)h" : "\(minutes / 60)h \(minutes % 60)m" }
        return "\(minutes / 1440)d \(minutes / 60 % 24)h"
    }
}

extension String {
    fileprivate var prefixWithoutZeros: String {
        String(reversed().drop { $0 == "0" }.reversed())
    }
}

extension HTMLReport {
    mutating func addTimeline() {
        guard !timeline.rows.isEmpty else { return }
        add("<details class=\"group timeline\" id=\"timeline\" open>")
        add("<summary><h2>Timeline <small>\(RunSummary.counted(timeline.rows.count, "node"))</small></h2></summary>")
        add("<div class=\"gantt\" role=\"img\" aria-label=\"Attempts by node and time; the tables hold the same\">")
        add("<div class=\"axis\"><b></b><div>")
        for (index, tick) in timeline.ticks.enumerated() {
            let edge = index == 0 ? " first" : tick.at > 0.97 ? " last" : ""
            add(
                "<span class=\"tick\(index % 2 == 1 ? " odd" : "")\(edge)\""
                    + " style=\"left:\(percent(tick.at))\">\(tick.text)</span>"
            )
        }
        add("</div></div>")
        for row in timeline.rows {
            add("<div class=\"row\"><b><bdi>\(HTMLText.escaped(row.node))</bdi></b><div>")
            for tick in timeline.ticks.dropFirst() { add("<u style=\"left:\(percent(tick.at))\"></u>") }
            for bar in row.bars { addBar(bar) }
            add("</div></div>")
        }
        add("</div>")
        addTimelineLegend(timeline)
        add("</details>")
    }

    private mutating func addBar(_ bar: HTMLTimeline.Bar) {
        let style = "left:\(percent(bar.start));width:\(percent(bar.end - bar.start))"
        let title = HTMLText.escaped(bar.title.onOneLine())
        // A shape needs room; the colour is never the only sign, since the title and the tables say it too.
        let shape = bar.end - bar.start > 0.015 ? "\(bar.status.shape)\u{FE0E}" : ""
        let element = bar.test.map { "a href=\"#\($0)\" tabindex=\"-1\"" } ?? "span"
        let end = bar.test == nil ? "span" : "a"
        add(
            "<\(element) class=\"bar \(bar.status.identifier)\" style=\"\(style)\" title=\"\(title)\">\(shape)</\(end)>"
        )
    }

    private mutating func addTimelineLegend(_ timeline: HTMLTimeline) {
        var seen: Set<TestStatus> = []
        for row in timeline.rows { for bar in row.bars { seen.insert(bar.status) } }
        let words: [TestStatus: String] = [.failed: "fail", .passed: "pass", .skipped: "skip"]
        let legend = TestStatus.allCases.filter(seen.contains).map { "\(shape($0)) \(words[$0] ?? $0.rawValue)" }
        add("<p class=\"legend\">\(legend.joined(separator: " &nbsp; "))</p>")
        if timeline.isSliced { add("<p class=\"legend\">Many attempts: each slice shows the worst outcome in it.</p>") }
        if timeline.rowsLeftOut > 0 {
            add("<p class=\"legend\">\(RunSummary.counted(timeline.rowsLeftOut, "more node")) not shown.</p>")
        }
    }

    private func percent(_ part: Double) -> String {
        let thousandths = Int((min(max(part, 0), 1) * 100_000).rounded())
        let fraction = String(1_000 + thousandths % 1_000).dropFirst()
        return "\(thousandths / 1_000).\(fraction)%"
    }
}
