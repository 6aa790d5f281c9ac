/// A picture that browsers, wikis and documents show: one element without outside resources, light or dark as its
/// reader has it.
package struct GraphSVG {
    /// More boxes than that make no picture that anybody can read.
    package static let boxesMax = 600
    /// Nor more places that arrows pass through, one for each level that an arrow passes.
    private static let passesMax = 10_000
    private static let titleWidth = 22
    private static let lineWidth = 30

    private let graph: Graph
    private let layout: GraphLayout
    private var lines: [String] = []

    /// The whole file. Nil when the graph has more than `boxesMax` boxes, or none.
    package static func render(_ graph: Graph) -> String? {
        svg(graph, attributes: "xmlns=\"http://www.w3.org/2000/svg\" ").map { $0 + "\n" }
    }

    /// The element, as it also stands in a page. Nil as with `render`.
    static func svg(_ graph: Graph, attributes: String = "") -> String? {
        guard !graph.boxes.isEmpty, graph.boxes.count <= boxesMax else { return nil }
        let passes = graph.arrows.reduce(0) { $0 + graph.levels[$1.to] - graph.levels[$1.from] }
        guard passes <= passesMax else { return nil }
        var picture = GraphSVG(graph)
        picture.draw(attributes)
        return picture.lines.joined(separator: "\n")
    }

    private init(_ graph: Graph) {
        self.graph = graph
        layout = GraphLayout(graph)
    }

    private mutating func draw(_ attributes: String) {
        let (width, height) = (Self.text(layout.width), Self.text(layout.height))
        let title = Self.visible(graph.title.bounded(to: 200))
        lines.append(
            "<svg \(attributes)class=\"muster-graph\" role=\"img\" width=\"\(width)\""
                + " height=\"\(height)\" viewBox=\"0 0 \(width) \(height)\">"
        )
        lines.append("<title>\(title)</title>")
        lines.append("<style>\(Self.style)</style>")
        lines.append(
            "<defs><marker id=\"mg-tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\""
                + " orient=\"auto\"><path class=\"tip\" d=\"M0 0 8 4 0 8z\"/></marker></defs>"
        )
        for (arrow, way) in zip(graph.arrows, layout.ways) { draw(arrow, way) }
        for (box, corner) in zip(graph.boxes, layout.corners) { draw(box, corner) }
        lines.append("</svg>")
    }

    private mutating func draw(_ arrow: Graph.Arrow, _ way: [GraphLayout.Point]) {
        guard let first = way.first, let last = way.last else { return }
        var path = "M\(Self.text(first))"
        for (place, (from, to)) in zip(way, way.dropFirst()).enumerated() {
            if place % 2 == 1 {
                // Past the boxes of a column it goes straight on.
                path += "L\(Self.text(to))"
                continue
            }
            let middle = Self.text((from.x + to.x) / 2)
            path += "C\(middle) \(Self.text(from.y)) \(middle) \(Self.text(to.y)) \(Self.text(to))"
        }
        let tone = graph.boxes[arrow.from].tone
        lines.append("<path class=\"way \(tone == .good ? "open" : "")\" d=\"\(path)\" marker-end=\"url(#mg-tip)\"/>")
        if let label = arrow.label {
            lines.append(
                "<text class=\"label\" x=\"\(Self.text(last.x - 12))\" y=\"\(Self.text(last.y - 7))\""
                    + " text-anchor=\"end\">\(Self.line(label, 10))</text>"
            )
        }
    }

    private mutating func draw(_ box: Graph.Box, _ corner: GraphLayout.Point) {
        let (x, y) = (corner.x, corner.y)
        lines.append("<g class=\"box \(box.tone.rawValue)\">")
        lines.append("<title>\(Self.visible(box.lines.joined(separator: " · ").bounded(to: 2_000)))</title>")
        lines.append(
            "<rect x=\"\(Self.text(x))\" y=\"\(Self.text(y))\" width=\"\(Self.text(GraphLayout.boxWidth))\""
                + " height=\"\(Self.text(GraphLayout.boxHeight))\" rx=\"\(box.isRound ? 31 : 9)\"/>"
        )
        let left = Self.text(x + (box.isRound ? 26 : 14))
        let below = box.detail.isEmpty ? 7.0 : 0.0
        lines.append(
            "<text class=\"name\" x=\"\(left)\" y=\"\(Self.text(y + 20 + below))\">"
                + "\(Self.line(box.title, Self.titleWidth))</text>"
        )
        lines.append(
            "<text class=\"state\" x=\"\(left)\" y=\"\(Self.text(y + 36 + below))\">"
                + "\(Self.line(box.state, Self.lineWidth))</text>"
        )
        if !box.detail.isEmpty {
            lines.append(
                "<text class=\"detail\" x=\"\(left)\" y=\"\(Self.text(y + 51))\">"
                    + "\(Self.line(box.detail, Self.lineWidth - (box.isRound ? 3 : 0)))</text>"
            )
        }
        lines.append("</g>")
    }

    /// One line of at most so many columns.
    private static func line(_ text: String, _ width: Int) -> String {
        let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
        return visible(DisplayWidth.shortened(line, to: width, ellipsis: "…"))
    }

    private static func visible(_ text: String) -> String {
        var visible = ""
        for scalar in text.unicodeScalars { visible.unicodeScalars.append(scalar.madeVisible) }
        return XMLText.content(visible)
    }

    private static func text(_ point: GraphLayout.Point) -> String { "\(text(point.x)) \(text(point.y))" }

    /// Whole numbers where they are whole, else tenths.
    private static func text(_ number: Double) -> String {
        let tenths = Int((number * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10).\(abs(tenths) % 10)"
    }

    private static let style = """
        .muster-graph{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif}
        .muster-graph text{font-family:inherit}
        .muster-graph .way{fill:none;stroke:#a0a8b1;stroke-width:1.6}.muster-graph .way.open{stroke:#1c7c3c}
        .muster-graph .tip{fill:#8b95a1}.muster-graph .label{font-size:10.5px;fill:#59636e}
        .muster-graph .box rect{fill:#fff;stroke-width:1.6}
        .muster-graph .name{font-size:14px;font-weight:650;fill:#1c2128}
        .muster-graph .detail{font-size:11px;fill:#59636e}.muster-graph .state{font-size:12px;font-weight:600}
        \(tones(dark: false))
        @media (prefers-color-scheme:dark){
        .muster-graph .box rect{fill:#171b22}.muster-graph .name{fill:#e8ebef}
        .muster-graph .detail,.muster-graph .label{fill:#9aa4af}.muster-graph .way{stroke:#59636e}
        .muster-graph .way.open{stroke:#56c271}
        \(tones(dark: true))
        }
        """

    private static func tones(dark: Bool) -> String {
        Graph.Tone.allCases.map { tone in
            let ink = dark ? tone.inkOnDark : tone.ink
            let fill = dark ? "#171b22" : tone.fill
            let name = ".muster-graph .\(tone.rawValue)"
            let dash = tone == .gone || tone == .idle ? ";stroke-dasharray:5 4" : ""
            return "\(name) rect{stroke:\(ink);fill:\(fill)\(dash)}\(name) .state{fill:\(ink)}"
        }.joined(separator: "\n")
    }
}

extension Graph.Tone {
    fileprivate var inkOnDark: String {
        switch self {
        case .idle: "#8b95a1"
        case .working: "#74b0ff"
        case .good: "#56c271"
        case .bad: "#ff6b68"
        case .blocked: "#e3ad3f"
        case .gone: "#59636e"
        }
    }
}
