/// A filter over nodes: `tag: Tier1 & component: bash, zsh | /tests/smoke & tag: -slow`.
///
/// `|` separates alternatives, `&` what must hold together, `\|` and `\&` stand for themselves; `key: a, b` asks for
/// one of several values, `-a` for a value that is missing, each a regular expression for the whole value; a word
/// without `:` is a regular expression that is looked for in the node's name.
package struct FMFFilter: Sendable {
    private enum Literal: Sendable {
        case name(FMFPatternSource)
        /// What is asked of one key, all of it.
        case key(String, [[Atom]])
    }

    private struct Atom: Sendable {
        let isNegative: Bool
        let pattern: FMFPatternSource
    }

    /// The filter as it is written.
    package let text: String
    private let clauses: [[Literal]]

    static let textMax = 65_536

    /// - Throws: when it is too long. Wrong regular expressions are told when they are first asked.
    package init(_ text: String) throws(FMFError) {
        guard text.utf8.count <= Self.textMax else {
            throw FMFError([Diagnostic(file: "--filter", message: "it has more than \(Self.textMax) bytes")])
        }
        self.text = text
        let parts = text.isEmpty ? [] : Self.split(Array(text.unicodeScalars), at: "|")
        clauses = parts.map { Self.gathered(Self.split($0, at: "&").map(Self.literal)) }
    }

    private typealias Scalars = [Unicode.Scalar]

    private static func string(_ scalars: some Sequence<Unicode.Scalar>) -> String {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        return String(text)
    }

    /// The parts between a sign, without blanks beside it; `\` before the sign makes it a character.
    private static func split(_ scalars: Scalars, at sign: Unicode.Scalar) -> [Scalars] {
        var parts: [Scalars] = []
        var part: Scalars = []
        var isBehindSign = false
        for scalar in scalars {
            if scalar == sign, part.last == "\\" {
                part[part.count - 1] = sign
            } else if scalar == sign {
                while let last = part.last, FMFText.isBlank(last) { part.removeLast() }
                parts.append(part)
                part = []
                isBehindSign = true
            } else if !isBehindSign || !FMFText.isBlank(scalar) {
                part.append(scalar)
                isBehindSign = false
            }
        }
        return parts + [part]
    }

    private static func literal(_ scalars: Scalars) -> Literal {
        let name = Literal.name(FMFPatternSource(string(scalars)))
        guard let colon = scalars.firstIndex(of: ":") else { return name }
        var value = scalars[(colon + 1)...].drop(while: FMFText.isBlank)
        // A value is one line.
        if value.last == "\n" { value.removeLast() }
        guard !value.contains("\n") else { return name }
        return .key(string(scalars[..<colon]), [atoms(Array(value)).map(atom)])
    }

    /// Everything that is asked of one key in one place, as fmf asks it.
    private static func gathered(_ literals: [Literal]) -> [Literal] {
        var gathered: [Literal] = []
        for literal in literals {
            let same = gathered.firstIndex {
                guard case .key(let key, _) = literal, case .key(let other, _) = $0 else { return false }
                return key.isSame(as: other)
            }
            if let same, case .key(let key, let asked) = gathered[same], case .key(_, let more) = literal {
                gathered[same] = .key(key, asked + more)
            } else {
                gathered.append(literal)
            }
        }
        return gathered
    }

    private static func atoms(_ value: Scalars) -> [Scalars] {
        let parts = value.split(separator: ",", omittingEmptySubsequences: false)
        return parts.enumerated().map { index, part in
            var part = part
            if index > 0 { part = part.drop(while: FMFText.isBlank) }
            if index + 1 < parts.count { while let last = part.last, FMFText.isBlank(last) { part.removeLast() } }
            return Scalars(part)
        }
    }

    private static func atom(_ scalars: Scalars) -> Atom {
        let isNegative = scalars.first == "-"
        let text = string(isNegative ? scalars.dropFirst() : scalars[...])
        return Atom(isNegative: isNegative, pattern: FMFPatternSource(whole: text))
    }

    /// Whether a node passes; nil when a key is asked for that the node does not have, and then it does not.
    ///
    /// - Throws: `FMFError` for a regular expression that is none.
    package func passes(_ node: FMFNode) throws(FMFError) -> Bool? { try passes(node.data, name: node.name) }

    func passes(_ data: FMFMap, name: String) throws(FMFError) -> Bool? {
        do throws(FMFProblem) {
            guard !clauses.isEmpty else { return true }
            var passes = false
            // Every alternative is asked: one with an unknown key decides, whatever the others say.
            for clause in clauses {
                guard let result = try self.passes(clause, data, name) else { return nil }
                if result { passes = true }
            }
            return passes
        } catch {
            throw FMFError([Diagnostic(file: "--filter \(text)", message: error.message, hint: error.hint)])
        }
    }

    private func passes(_ clause: [Literal], _ data: FMFMap, _ name: String) throws(FMFProblem) -> Bool? {
        for case .name(let pattern) in clause where try !pattern.pattern().isFound(in: name) { return false }
        var passes = true
        for case .key(let key, let asked) in clause {
            guard let value = data[key] else { return nil }
            let texts = try Self.texts(of: value)
            for atoms in asked where try !holds(atoms, texts) { passes = false }
        }
        return passes
    }

    private static func texts(of value: FMFValue) throws(FMFProblem) -> [String] {
        guard case .list(let items) = value else { return [try FMFText.text(of: value)] }
        var texts: [String] = []
        for item in items { texts.append(try FMFText.text(of: item)) }
        return texts
    }

    private func holds(_ atoms: [Atom], _ texts: [String]) throws(FMFProblem) -> Bool {
        for atom in atoms {
            var isFound = false
            for text in texts where !isFound { isFound = try atom.pattern.pattern().isFound(in: text) }
            if isFound != atom.isNegative { return true }
        }
        return false
    }
}

/// Which nodes of a tree are meant.
package struct FMFSelection: Sendable {
    /// Keys that a node must have.
    package var keys: [String] = []
    private var names: [FMFPattern] = []
    private var filters: [FMFFilter] = []
    /// Files of which at least one must speak of a node, relative to the root.
    package var sources: Set<String> = []
    /// Whether branches are meant, too.
    package var isWhole = false

    /// Every node that stands for something.
    package init() {}

    /// - Parameters:
    ///   - keys: what a node must have.
    ///   - names: regular expressions of which one must be found in a node's name; none lets every name pass.
    ///   - filters: what a node must pass, all of them.
    ///   - conditions: refused: fmf's `--condition` is Python code, and nothing is evaluated here.
    /// - Throws: `FMFError` for what is no regular expression, and for conditions.
    package init(
        keys: [String] = [],
        names: [String] = [],
        filters: [String] = [],
        conditions: [String] = []
    ) throws(FMFError) {
        if let condition = conditions.first {
            let hint = "say it with --filter, such as --filter 'tag: slow & component: bash'"
            let message = "conditions are Python code, which is never run here"
            throw FMFError([Diagnostic(file: "--condition \(condition)", message: message, hint: hint)])
        }
        self.keys = keys
        for name in names {
            do throws(FMFProblem) {
                self.names.append(try FMFPattern(name))
            } catch {
                throw FMFError([Diagnostic(file: "--name \(name)", message: error.message, hint: error.hint)])
            }
        }
        for filter in filters { self.filters.append(try FMFFilter(filter)) }
    }

    /// Whether a node is meant.
    func includes(_ node: FMFNode) throws(FMFError) -> Bool {
        guard isWhole || node.isSelected else { return false }
        for key in keys where node.data[key] == nil { return false }
        if !names.isEmpty, try !hasName(node) { return false }
        if !sources.isEmpty, sources.isDisjoint(with: node.sources) { return false }
        var isIncluded = true
        for filter in filters {
            guard let passes = try filter.passes(node) else { return false }
            if !passes { isIncluded = false }
        }
        return isIncluded
    }

    private func hasName(_ node: FMFNode) throws(FMFError) -> Bool {
        do throws(FMFProblem) {
            for name in names where try name.isFound(in: node.name) { return true }
            return false
        } catch {
            throw FMFError([Diagnostic(file: "--name", message: error.message, hint: error.hint)])
        }
    }
}

extension FMFTree {
    /// The nodes that a selection means, in the order of the tree.
    ///
    /// - Throws: `FMFError` for a regular expression of a filter that is none.
    package func nodes(_ selection: FMFSelection) throws(FMFError) -> [FMFNode] {
        var included: [FMFNode] = []
        for node in nodes where try selection.includes(node) { included.append(node) }
        return included
    }
}
