/// A value of a YAML document with its place. An alias is the node that its anchor names, shared.
final class YamlNode: Sendable {
    struct Entry: Sendable {
        let key: String
        let keySpan: Span
        let value: YamlNode
    }

    enum Value: Sendable {
        /// `isPlain` scalars may be numbers or nothing; quoted and block ones are always text.
        case scalar(String, isPlain: Bool)
        case mapping([Entry])
        case sequence([YamlNode])
    }

    let value: Value
    let span: Span
    /// How deep the nodes below it go; 0 for a scalar.
    let height: Int
    /// The nodes below it and itself, as a reader meets them: those of an alias once for each use.
    let size: Int

    init(_ value: Value, span: Span) {
        self.value = value
        self.span = span
        switch value {
        case .scalar:
            height = 0
            size = 1
        case .mapping(let entries):
            height = 1 + (entries.map(\.value.height).max() ?? 0)
            size = entries.reduce(1) { Self.sum($0, 1 + $1.value.size) }
        case .sequence(let nodes):
            height = 1 + (nodes.map(\.height).max() ?? 0)
            size = nodes.reduce(1) { Self.sum($0, $1.size) }
        }
    }

    private static func sum(_ a: Int, _ b: Int) -> Int {
        let (sum, overflow) = a.addingReportingOverflow(b)
        return overflow ? .max : sum
    }

    /// Whether it is nothing: an empty plain scalar, `~` or `null`.
    var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = value else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }

    /// What it is, for messages: `a list`.
    var kindWord: String {
        switch value {
        case .scalar: isNull ? "nothing" : "a single value"
        case .mapping: "a mapping"
        case .sequence: "a list"
        }
    }
}
