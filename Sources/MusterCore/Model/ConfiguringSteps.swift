/// A file of the lab with `${…}` in it, for a node's folder. It is filled in when its step is performed, from the copy
/// that was kept when the run was planned; what comes of it stands nowhere but on the node.
package struct TemplateFile: Hashable, Sendable, Codable {
    /// A value that is known only then.
    package struct Reference: Hashable, Sendable, Codable {
        /// A field of a node, or a secret.
        package var segment: Template.Segment
        /// The first line of the file that has it, from 1.
        package var line: Int

        package init(segment: Template.Segment, line: Int) {
            self.segment = segment
            self.line = line
        }
    }

    /// Path relative to the lab's folder.
    package var from: String
    /// Path relative to the node's folder; never leads out of it.
    package var to: String
    /// POSIX permission bits; for nobody but the owner where it holds secrets.
    package var mode: UInt16
    /// What was known when the run was planned, by what stands between the braces: `vars.x`, `x`, `env.X`.
    package var values: [String: String]
    package var references: [Reference]

    package init(from: String, to: String, mode: UInt16 = 0o644) {
        self.from = from
        self.to = to
        self.mode = mode
        values = [:]
        references = []
    }

    /// The largest file that is filled in.
    package static let bytesMax = 1 << 20

    /// The text with everything filled in, each value as it is.
    ///
    /// - Parameter known: the values of `references`, by what stands between the braces.
    /// - Throws: `.unresolved` with the line for what is not known: the file is another one than was read.
    package func rendered(_ text: String, known: [String: String]) throws(StepError) -> String {
        var rendered = ""
        var line = 1
        func unknown(_ what: String) -> StepError {
            StepError(.unresolved, "\(from):\(line): \(what) when the lab was read: begin a new run (--new)")
        }
        for piece in Interpolation.pieces(of: text) {
            switch piece {
            case .literal(let literal):
                rendered += literal
                line += literal.utf8.count { $0 == UInt8(ascii: "\n") }
            case .reference(let words, _):
                let name = words.joined(separator: ".")
                guard let value = values[name] ?? known[name] else { throw unknown("'${\(name)}' was not there") }
                rendered += value
            case .foreign, .unterminated: throw unknown("this '${' was not there")
            }
        }
        return rendered
    }
}

extension Template.Segment {
    /// What stands between the braces; nil for text.
    package var reference: String? {
        switch self {
        case .literal: nil
        case .node(let name, let field): "\(name.group).\(name.index).\(field)"
        case .secret(let name): "secret.\(name)"
        }
    }
}

/// A file of the lab that is run on a node, with arguments and variables of its own, and no shell that reads them.
package struct ScriptCall: Hashable, Sendable, Codable {
    /// Path relative to the lab's folder.
    package var file: String
    /// Free of secrets: everybody on the machine reads them.
    package var arguments: [Template]
    package var environment: [String: Template]

    package init(file: String, arguments: [Template] = [], environment: [String: Template] = [:]) {
        self.file = file
        self.arguments = arguments
        self.environment = environment
    }
}

/// A playbook of the lab that ansible plays on a node, from this host.
package struct AnsiblePlay: Hashable, Sendable, Codable {
    /// A variable that the playbook is given.
    package struct Variable: Hashable, Sendable, Codable {
        package var value: Template
        /// Whether it stands as JSON does: a number, `true`, `null`.
        package var isJSON: Bool

        package init(value: Template, isJSON: Bool = false) {
            self.value = value
            self.isJSON = isJSON
        }
    }

    /// Path relative to the lab's folder.
    package var playbook: String
    package var variables: [String: Variable]
    /// Only what has one of these; empty for everything.
    package var tags: [String]

    package init(playbook: String, variables: [String: Variable] = [:], tags: [String] = []) {
        self.playbook = playbook
        self.variables = variables
        self.tags = tags
    }
}
