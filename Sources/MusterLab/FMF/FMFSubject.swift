import MusterCore

/// A mapping of a tree that says what is to be done: a test, a plan, or a part of a plan. It reads values as their
/// keys want them, and tells what is wrong with its place.
struct FMFSubject {
    let tree: FMFTree
    /// For people: `/plans/ci`.
    let name: String
    let data: FMFMap
    /// Where it stands, of what is a part of something.
    var place = FMFPlace.none

    init(_ node: FMFNode, of tree: FMFTree) {
        self.tree = tree
        name = node.name
        data = node.data
    }

    init(_ data: FMFMap, named name: String, of tree: FMFTree, at place: FMFPlace) {
        self.tree = tree
        self.name = name
        self.data = data
        self.place = place
    }

    /// The value of a key; nil also for one that is there without a value.
    subscript(key: String) -> FMFValue? {
        guard let value = data[key] else { return nil }
        if case .null = value { return nil }
        return value
    }

    // MARK: Values

    /// A value as Python prints it, as tmt has it in the environment.
    static func text(_ value: FMFValue) -> String? {
        switch value {
        case .list, .map, .shared, .null: nil
        case .string, .int, .largeInt, .float, .bool, .date: try? FMFText.text(of: value)
        }
    }

    /// True or false, which some trees write as 1 and 0.
    func flag(_ key: String) throws(FMFError) -> Bool? {
        switch self[key] {
        case nil: return nil
        case .bool(let flag)?: return flag
        case .int(1)?: return true
        case .int(0)?: return false
        default: throw wrong(key, "is true or false")
        }
    }

    func number(_ key: String) -> Double? {
        switch data[key] {
        case .int(let number)?: Double(number)
        case .float(let number)?: number
        default: nil
        }
    }

    /// Words: a list, or a text with `,` or blanks between them.
    func texts(_ key: String) throws(FMFError) -> [String] {
        switch self[key] {
        case nil: return []
        case .string(let text)?: return text.split { $0 == "," || $0.isWhitespace }.map(String.init)
        case .list(let items)?: return items.compactMap(Self.text)
        case .some(let one): return Self.text(one).map { [$0] } ?? []
        }
    }

    /// One text as it is, or a list of them.
    func lines(_ key: String, wants: String) throws(FMFError) -> [String] {
        switch self[key] {
        case nil: return []
        case .list(let items)?:
            var lines: [String] = []
            for item in items {
                guard let line = Self.text(item) else { throw wrong(key, "is \(wants), or a list of them") }
                lines.append(line)
            }
            return lines
        case .some(let one):
            guard let line = Self.text(one) else { throw wrong(key, "is \(wants), or a list of them") }
            return [line]
        }
    }

    func choice<Choice: CaseIterable & RawRepresentable>(
        _ key: String,
        _: Choice.Type
    ) throws(FMFError) -> Choice? where Choice.RawValue == String {
        guard let value = data[key] else { return nil }
        guard let choice = value.string.flatMap(Choice.init) else {
            throw wrong(key, "is one of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return choice
    }

    func variables(_ key: String) throws(FMFError) -> [String: String] {
        guard let value = self[key] else { return [:] }
        guard let map = value.map else { throw wrong(key, "is a mapping of names to values") }
        var variables: [String: String] = [:]
        for entry in map.entries {
            guard case .string(let name) = entry.key, let text = Self.text(entry.value) else {
                throw wrong(key, "has a value that is no text and no number")
            }
            guard Self.isVariable(name) else { throw wrong(key, "has '\(name)', which no shell can set") }
            variables[name] = text
        }
        return variables
    }

    static func isVariable(_ name: String) -> Bool {
        let letters = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        return letters && name.first.map { !$0.isNumber } ?? false
    }

    func length(_ key: String) throws(FMFError) -> Duration? {
        guard let value = data[key] else { return nil }
        let text: String
        switch value {
        case .string(let given): text = given
        case .int(let seconds): text = "\(seconds)"
        default: throw wrong(key, "is a length of time such as 5m")
        }
        var seconds: Int64 = 0
        for word in text.split(whereSeparator: \.isWhitespace) {
            let digits = word.prefix { $0.isASCII && $0.isNumber }
            let units: [Substring: Int64] = ["": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400]
            guard let number = Int64(digits), number < 100_000_000, let unit = units[word.dropFirst(digits.count)]
            else {
                throw wrong(key, "is a length of time such as 5m, 1h 30m or 90, not '\(text)'")
            }
            seconds += number * unit
        }
        guard seconds > 0 else { throw wrong(key, "is a length of time such as 5m, not '\(text)'") }
        return .seconds(seconds)
    }

    /// The parts of a key: a mapping, or a list of mappings.
    func parts(_ key: String) throws(FMFError) -> [FMFSubject] {
        guard let value = self[key], let position = data.position(of: .string(key)) else { return [] }
        let items: [FMFValue] = if case .list(let items) = value { items } else { [value] }
        var parts: [FMFSubject] = []
        for item in items {
            guard let map = item.map else { throw wrong(key, "is a mapping, or a list of mappings") }
            let start = map.entries.first?.place ?? data.entries[position].place
            parts.append(FMFSubject(map, named: "\(key) of \(name)", of: tree, at: start))
        }
        return parts
    }

    // MARK: Mistakes

    /// - Parameter hint: what to do.
    func wrong(_ key: String, _ message: String, hint: String = "") -> FMFError {
        let own = data.position(of: .string(key)).map { data.entries[$0].place } ?? .none
        let location = tree.location(own == .none ? place : own)
        return FMFError([
            Diagnostic(
                file: "\(tree.root)/\(location?.file ?? "")",
                line: location?.line ?? 0,
                column: location?.column ?? 0,
                message: "'\(key)' of \(name) \(message)",
                hint: hint
            )
        ])
    }
}

/// What is asked for and not done, with how many ask for it.
struct FMFTally {
    private var askers: [String: Int] = [:]

    mutating func note(_ what: String) { askers[what, default: 0] += 1 }

    /// `require: library (12)`.
    var lines: [String] { askers.sorted { $0.key < $1.key }.map { "\($0.key) (\($0.value))" } }
}
