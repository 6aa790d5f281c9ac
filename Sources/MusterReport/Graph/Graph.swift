package import MusterCore

/// What a picture of a graph shows: boxes, and arrows from what is needed to what needs it.
package struct Graph: Sendable {
    /// The colour of a box; its words say the same.
    package enum Tone: String, Sendable, CaseIterable {
        case idle, working, good, bad, blocked, gone
    }

    package struct Box: Sendable {
        package var title: String
        /// `ready 3/8`
        package var state: String
        /// Why, or how long; one line, cut where it is long.
        package var detail: String
        package var tone: Tone
        /// Whether it is drawn with round ends: tests, and points where others meet.
        package var isRound: Bool

        package init(title: String, state: String, detail: String = "", tone: Tone, isRound: Bool = false) {
            self.title = title
            self.state = state
            self.detail = detail
            self.tone = tone
            self.isRound = isRound
        }
    }

    package struct Arrow: Hashable, Sendable {
        /// Places in `boxes`.
        package var from: Int
        package var to: Int
        /// `2 ready`: what of the first is needed; nil for all of it.
        package var label: String?

        package init(from: Int, to: Int, label: String? = nil) {
            self.from = from
            self.to = to
            self.label = label
        }
    }

    package var title: String
    package private(set) var boxes: [Box]
    package private(set) var arrows: [Arrow]
    /// For each box the longest way to it from one that needs nothing.
    package private(set) var levels: [Int]

    /// - Parameters:
    ///   - boxes: each after all it needs.
    ///   - arrows: those that do not lead onward in `boxes` are left out.
    package init(title: String, boxes: [Box], arrows: [Arrow]) {
        self.title = title
        self.boxes = boxes
        self.arrows = arrows.filter {
            boxes.indices.contains($0.from) && boxes.indices.contains($0.to) && $0.from < $0.to
        }
        levels = Array(repeating: 0, count: boxes.count)
        // In the order of the boxes each is final before it is passed on.
        for arrow in self.arrows.sorted(by: { $0.from < $1.from }) {
            levels[arrow.to] = max(levels[arrow.to], levels[arrow.from] + 1)
        }
    }
}

extension GroupState {
    package var tone: Graph.Tone {
        switch self {
        case .waiting: .idle
        case .working, .tearingDown: .working
        case .ready: .good
        case .failed: .bad
        case .blocked: .blocked
        case .gone: .gone
        }
    }
}

extension GroupReport {
    /// The box of this group; what it says of time only where that is known.
    package var box: Graph.Box {
        let time = took.map { TimeText.short($0) } ?? ""
        return Graph.Box(
            title: name,
            state: count == 0 ? state.rawValue : "\(state.rawValue) \(ready)/\(count)",
            detail: reason ?? (time.isEmpty ? "" : "in \(time)"),
            tone: state.tone,
            isRound: count == 0
        )
    }
}

extension Graph {
    /// The groups of a lab, and the suites of tests that run on them.
    ///
    /// - Parameter groups: each after all it needs.
    package init(title: String, groups: [GroupReport], suites: [(name: String, group: String, tests: Int)]) {
        var places: [String: Int] = [:]
        var boxes: [Box] = []
        var arrows: [Arrow] = []
        for group in groups {
            places[group.name] = boxes.count
            for need in group.needs {
                guard let from = places[need.group] else { continue }
                arrows.append(Arrow(from: from, to: boxes.count, label: need.ready.map { "\($0) ready" }))
            }
            boxes.append(group.box)
        }
        for suite in suites {
            guard let from = places[suite.group] else { continue }
            arrows.append(Arrow(from: from, to: boxes.count))
            boxes.append(
                Box(
                    title: suite.name,
                    state: RunSummary.counted(suite.tests, "test"),
                    tone: .idle,
                    isRound: true
                )
            )
        }
        self.init(title: title, boxes: boxes, arrows: arrows)
    }
}
