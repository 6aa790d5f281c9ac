/// What somebody waits for: `ready`, `ISUP`, `SHUTDOWN>ISUP`, `RELOAD/RELOADDONE>*/ISUP`.
package enum StateCondition: Hashable, Sendable, Codable {
    /// A state that the table counts as ready. It may be there already.
    case ready
    /// These states in this order, whatever comes between, each seen after the wait began.
    case sequence([StatePattern])
}

/// A state, in a mode or in any. nil stands for any.
package struct StatePattern: Hashable, Sendable, Codable, CustomStringConvertible {
    package var mode: String?
    package var state: String?

    package init(mode: String? = nil, state: String?) {
        self.mode = mode
        self.state = state
    }

    package var description: String { (mode.map { $0 + "/" } ?? "") + (state ?? "*") }

    func matches(mode: String, state: String) -> Bool {
        (self.state == nil || self.state == state) && (self.mode == nil || self.mode == mode)
    }
}

package enum StateConditionError: Error, Hashable, Sendable {
    case empty
    /// The part of that number, from 1, has no state.
    case emptyPart(Int)
    /// The part has more than one `/`.
    case slashes(String)
    case unknownMode(String, known: [String])
    case unknownState(String, known: [String])
    case notInMode(state: String, mode: String, known: [String])

    package var message: String {
        switch self {
        case .empty: "a condition is 'ready', or states such as SHUTDOWN>ISUP; this one is empty"
        case .emptyPart(let number): "part \(number) of the condition names no state; states are parted by one '>'"
        case .slashes(let part): "'\(part)' is not STATE or MODE/STATE"
        case .unknownMode(let name, let known): "there is no mode '\(name)'\(Self.list(known, "; modes are"))"
        case .unknownState(let name, let known): "there is no state '\(name)'\(Self.list(known, "; states are"))"
        case .notInMode(let state, let mode, let known):
            "mode \(mode) has no state '\(state)'\(Self.list(known, "; it has"))"
        }
    }

    private static func list(_ names: [String], _ prefix: String) -> String {
        guard !names.isEmpty else { return "" }
        return "\(prefix) \(names.prefix(20).joined(separator: ", "))" + (names.count > 20 ? " …" : "")
    }
}

extension StateCondition: CustomStringConvertible {
    package var description: String {
        switch self {
        case .ready: "ready"
        case .sequence(let patterns): patterns.map(\.description).joined(separator: ">")
        }
    }

    /// Reads a condition. Whether its names are those of a table is `checked(against:)`.
    package init(_ text: String) throws(StateConditionError) {
        let parts = text.split(separator: ">", omittingEmptySubsequences: false).map(Self.trimmed)
        guard parts != [""] else { throw .empty }
        if parts == ["ready"] {
            self = .ready
            return
        }
        var patterns: [StatePattern] = []
        for (index, part) in parts.enumerated() {
            let names = part.split(separator: "/", omittingEmptySubsequences: false).map { Self.trimmed($0) }
            guard names.count <= 2 else { throw .slashes(part) }
            guard names.allSatisfy({ !$0.isEmpty }) else { throw .emptyPart(index + 1) }
            let mode = names.count == 2 && names[0] != "*" ? names[0] : nil
            patterns.append(StatePattern(mode: mode, state: names[names.count - 1] == "*" ? nil : names.last))
        }
        self = .sequence(patterns)
    }

    private static func trimmed(_ text: Substring) -> String {
        let end = text.lastIndex { $0 != " " && $0 != "\t" }.map { text.index(after: $0) } ?? text.startIndex
        return String(text[..<end].drop { $0 == " " || $0 == "\t" })
    }

    /// The condition itself, when the table has every name in it.
    package func checked(against table: ModeTable) throws(StateConditionError) -> StateCondition {
        guard case .sequence(let patterns) = self else { return self }
        guard !patterns.isEmpty else { throw .empty }
        for pattern in patterns {
            let mode = pattern.mode.flatMap(table.mode)
            if let name = pattern.mode, mode == nil { throw .unknownMode(name, known: table.modes) }
            guard let name = pattern.state else { continue }
            guard let state = table.state(name) else { throw .unknownState(name, known: table.states) }
            if let mode, !table.knows(mode, state) {
                let known = table.source.modes[Int(mode.rawValue)].knownStates
                throw .notInMode(state: name, mode: table.name(of: mode), known: known)
            }
        }
        return self
    }
}
