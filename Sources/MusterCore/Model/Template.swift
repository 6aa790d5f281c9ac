/// Text from a lab file with the places where values go in when a step is performed.
///
/// `vars` and `env` are put in when the run is planned, so that a resumed run uses the same text. What stays a segment
/// is known only later (another node's address) or must never be stored (a secret).
package struct Template: Hashable, Sendable, Codable {
    package enum Segment: Hashable, Sendable, Codable {
        case literal(String)
        /// A field of a node: `${db.0.address}`.
        case node(NodeName, field: String)
        /// `${secret.token}`: read again at each use, never stored.
        case secret(String)
    }

    package var segments: [Segment]

    package init(segments: [Segment]) { self.segments = segments }
    package init(_ literal: String) { segments = literal.isEmpty ? [] : [.literal(literal)] }

    /// The nodes this text reads from.
    package var nodes: [NodeName] {
        segments.compactMap { if case .node(let name, _) = $0 { name } else { nil } }
    }

    /// The names of the secrets this text reads.
    package var secrets: [String] {
        segments.compactMap { if case .secret(let name) = $0 { name } else { nil } }
    }

    /// The text as its author wrote it, for people: references stay references, so no secret shows.
    package var source: String {
        segments.map { segment in
            switch segment {
            case .literal(let text): text
            case .node(let name, let field): "${\(name.group).\(name.index).\(field)}"
            case .secret(let name): "${secret.\(name)}"
            }
        }.joined()
    }

    /// Puts values in. In a shell command each value becomes one quoted word (`quoted: true`).
    package func resolved(quoted: Bool, _ value: (Segment) throws(StepError) -> String) throws(StepError) -> String {
        var text = ""
        for segment in segments {
            switch segment {
            case .literal(let literal): text += literal
            case .node, .secret:
                let inserted = try value(segment)
                text += quoted ? Template.shellQuoted(inserted) : inserted
            }
        }
        return text
    }

    /// One POSIX shell word that stands for exactly this text.
    package static func shellQuoted(_ text: String) -> String {
        var quoted = "'"
        for character in text.unicodeScalars {
            if character == "'" { quoted += "'\\''" } else { quoted.unicodeScalars.append(character) }
        }
        return quoted + "'"
    }
}
