extension Graph {
    /// The language of Graphviz.
    package var dot: String {
        var lines = [
            "digraph \(Self.dotQuoted(title)) {", "  rankdir=LR;",
            "  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\", fillcolor=\"white\"];",
        ]
        for (place, box) in boxes.enumerated() {
            let label = box.lines.map(Self.dotEscaped).joined(separator: "\\n")
            let shape = box.isRound ? ", shape=ellipse, style=filled" : ""
            lines.append(
                "  n\(place) [label=\"\(label)\", color=\"\(box.tone.ink)\", fillcolor=\"\(box.tone.fill)\"\(shape)];"
            )
        }
        for arrow in arrows {
            let label = arrow.label.map { " [label=\(Self.dotQuoted($0))]" } ?? ""
            lines.append("  n\(arrow.from) -> n\(arrow.to)\(label);")
        }
        lines.append("}")
        return lines.map { $0 + "\n" }.joined()
    }

    private static func dotQuoted(_ text: String) -> String { "\"\(dotEscaped(text))\"" }

    private static func dotEscaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": escaped += "\\\(scalar)"
            default: escaped.unicodeScalars.append(scalar.value < 0x20 ? " " : scalar)
            }
        }
        return escaped
    }

    /// The language of Mermaid, which wikis and code hosts draw.
    package var mermaid: String {
        var lines = ["flowchart LR"]
        for (place, box) in boxes.enumerated() {
            let label = box.lines.map(Self.mermaidEscaped).joined(separator: "<br/>")
            let (open, close) = box.isRound ? ("([", "])") : ("[", "]")
            lines.append("  n\(place)\(open)\"\(label)\"\(close):::\(box.tone.rawValue)")
        }
        for arrow in arrows {
            let label = arrow.label.map { "|\"\(Self.mermaidEscaped($0))\"|" } ?? ""
            lines.append("  n\(arrow.from) -->\(label) n\(arrow.to)")
        }
        for tone in Tone.allCases where boxes.contains(where: { $0.tone == tone }) {
            lines.append("  classDef \(tone.rawValue) fill:\(tone.fill),stroke:\(tone.ink),color:#1c2128")
        }
        return lines.map { $0 + "\n" }.joined()
    }

    /// Whatever could mean something there is written by its number.
    private static func mermaidEscaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            let isPlain = scalar.properties.isAlphabetic || scalar.properties.numericType != nil
            if isPlain || " -_./:,()".unicodeScalars.contains(scalar) {
                escaped.unicodeScalars.append(scalar)
            } else {
                escaped += scalar.value < 0x20 ? " " : "#\(scalar.value);"
            }
        }
        return escaped
    }
}

extension Graph.Box {
    /// What the box says, without what is empty.
    var lines: [String] { [title, state, detail.bounded(to: 60)].filter { !$0.isEmpty } }
}

extension Graph.Tone {
    /// Of the border; readable on white.
    var ink: String {
        switch self {
        case .idle: "#6a737d"
        case .working: "#0a5dc2"
        case .good: "#1c7c3c"
        case .bad: "#c9242f"
        case .blocked: "#96660a"
        case .gone: "#a0a8b1"
        }
    }

    var fill: String {
        switch self {
        case .idle: "#f4f5f7"
        case .working: "#e5f0fd"
        case .good: "#e6f5ea"
        case .bad: "#fdeaea"
        case .blocked: "#fcf3df"
        case .gone: "#fafbfc"
        }
    }
}
