/// Where something stands in a tree: a file of it by number, line and column from 1. Line 0 is no place.
package struct FMFPlace: Hashable, Sendable {
    var file: Int32
    var line: Int32
    var column: Int32

    static let none = FMFPlace(file: 0, line: 0, column: 0)
}

/// A value of a node, as YAML 1.2 gives it: the types that metadata of fmf may have.
package enum FMFValue: Sendable {
    case null
    case bool(Bool)
    case int(Int)
    /// An integer beyond 64 bits: its decimal digits, with `-` when it is negative.
    case largeInt(String)
    case float(Double)
    case string(String)
    case date(FMFDate)
    case list([FMFValue])
    case map(FMFMap)
    /// A mapping that is reached in several ways, through an alias: what changes it here changes it there.
    /// It occurs only while a tree is read; nodes that are handed out have none.
    case shared(FMFCell)

    /// The mapping that this is, however it is held.
    package var map: FMFMap? {
        switch self {
        case .map(let map): map
        case .shared(let cell): cell.map
        case .null, .bool, .int, .largeInt, .float, .string, .date, .list: nil
        }
    }

    /// The text that this is; nil for everything else, also for numbers.
    package var string: String? { if case .string(let text) = self { text } else { nil } }

    /// The list that this is.
    package var list: [FMFValue]? { if case .list(let items) = self { items } else { nil } }

    /// What it is, for messages: `a list`.
    package var kindWord: String {
        switch self {
        case .null: "nothing"
        case .bool: "true or false"
        case .int, .largeInt, .float: "a number"
        case .string: "text"
        case .date: "a date"
        case .list: "a list"
        case .map, .shared: "a mapping"
        }
    }
}

/// A mapping with identity.
///
/// fmf's nodes are Python objects: a mapping that an anchor names is one object wherever its aliases stand, and a
/// merge into it is seen at all of them. Mappings without an anchor are plain values, which cost nothing to inherit.
package final class FMFCell: @unchecked Sendable {
    // Safe: written only by the one thread that reads a tree, and no tree that is handed out holds a cell.
    var map: FMFMap
    init(_ map: FMFMap) { self.map = map }
}

/// A key of a mapping. Those of a node and of all that is merged are text; below plain values others may stand.
package enum FMFKey: Sendable {
    case string(String)
    case null
    case bool(Bool)
    case int(Int)
    case float(Double)
    case largeInt(String)
    case date(FMFDate)

    /// The key as a value.
    var value: FMFValue {
        switch self {
        case .string(let text): .string(text)
        case .null: .null
        case .bool(let flag): .bool(flag)
        case .int(let number): .int(number)
        case .float(let number): .float(number)
        case .largeInt(let digits): .largeInt(digits)
        case .date(let date): .date(date)
        }
    }

    /// Nil for lists and mappings, which are no keys.
    init?(_ value: FMFValue) {
        switch value {
        case .string(let text): self = .string(text)
        case .null: self = .null
        case .bool(let flag): self = .bool(flag)
        case .int(let number): self = .int(number)
        case .float(let number): self = .float(number)
        case .largeInt(let digits): self = .largeInt(digits)
        case .date(let date): self = .date(date)
        case .list, .map, .shared: return nil
        }
    }

    /// The number that the key equals: Python takes `1`, `1.0` and `true` for one key.
    fileprivate var number: Double? {
        switch self {
        case .bool(let flag): flag ? 1 : 0
        case .int(let number): Double(number)
        case .float(let number): number
        case .string, .null, .largeInt, .date: nil
        }
    }
}

extension FMFKey: Hashable {
    /// As Python compares keys: numbers by what they amount to, text by its scalars.
    package static func == (a: FMFKey, b: FMFKey) -> Bool {
        switch (a, b) {
        case (.string(let a), .string(let b)): return a.isSame(as: b)
        case (.null, .null): return true
        case (.int(let a), .int(let b)): return a == b
        case (.largeInt(let a), .largeInt(let b)): return a == b
        case (.date(let a), .date(let b)): return a == b
        default:
            guard let a = a.number, let b = b.number else { return false }
            return a == b || (a.isNaN && b.isNaN)
        }
    }

    /// The same for all keys that are equal.
    package func hash(into hasher: inout Hasher) {
        switch self {
        case .string(let text): hasher.combine(text)
        case .null: hasher.combine(0)
        case .largeInt(let digits): hasher.combine(digits)
        case .date(let date): hasher.combine(date)
        case .bool, .int, .float: hasher.combine(number ?? 0)
        }
    }
}

/// A mapping that keeps the order in which its keys were first set, each with the place where its value stands.
package struct FMFMap: Sendable {
    /// A key with its value.
    package struct Entry: Sendable {
        /// Text, but for plain values.
        package let key: FMFKey
        /// What the key has now.
        package internal(set) var value: FMFValue
        /// Where the value stands; of one that was merged, the last part of it.
        package internal(set) var place: FMFPlace
    }

    /// In the order in which the keys were first set.
    package private(set) var entries: [Entry] = []
    /// Only of large mappings: in small ones a look through all keys is faster.
    private var index: [FMFKey: Int]?
    private static let indexedMin = 24

    /// Without a key.
    package init() {}

    /// Whether it has no key.
    package var isEmpty: Bool { entries.isEmpty }
    /// How many keys it has.
    package var count: Int { entries.count }

    /// The value of a key that is text.
    package subscript(key: String) -> FMFValue? { position(of: .string(key)).map { entries[$0].value } }

    func position(of key: FMFKey) -> Int? {
        if let index { return index[key] }
        return entries.firstIndex { $0.key == key }
    }

    /// Sets a value; a key that is there keeps its turn.
    mutating func set(_ key: FMFKey, _ value: FMFValue, at place: FMFPlace) {
        if let position = position(of: key) {
            entries[position].value = value
            entries[position].place = place
            return
        }
        entries.append(Entry(key: key, value: value, place: place))
        if index != nil {
            index?[key] = entries.count - 1
        } else if entries.count >= Self.indexedMin {
            makeIndex()
        }
    }

    /// Takes a value out to change it in place; `put` must follow.
    mutating func take(_ position: Int) -> FMFValue {
        let value = entries[position].value
        entries[position].value = .null
        return value
    }

    mutating func put(_ position: Int, _ value: FMFValue) { entries[position].value = value }
    mutating func put(_ position: Int, _ value: FMFValue, at place: FMFPlace) {
        entries[position].value = value
        entries[position].place = place
    }

    mutating func removeAll(where isOut: (FMFKey) throws(FMFProblem) -> Bool) throws(FMFProblem) {
        var kept: [Entry] = []
        kept.reserveCapacity(entries.count)
        for entry in entries where try !isOut(entry.key) { kept.append(entry) }
        entries = kept
        index = nil
        if entries.count >= Self.indexedMin { makeIndex() }
    }

    /// Takes a key and its value out.
    mutating func remove(_ key: FMFKey) -> Entry? {
        guard let position = position(of: key) else { return nil }
        let entry = entries.remove(at: position)
        index = nil
        if entries.count >= Self.indexedMin { makeIndex() }
        return entry
    }

    private mutating func makeIndex() {
        var index: [FMFKey: Int] = Dictionary(minimumCapacity: entries.count * 2)
        for (position, entry) in entries.enumerated() { index[entry.key] = position }
        self.index = index
    }
}

/// Something wrong in a tree or in what is asked of it, before it is known how the file is called there.
struct FMFProblem: Error {
    var message: String
    var hint = ""
    var place = FMFPlace.none
    /// The place of something that belongs to it.
    var note: (message: String, place: FMFPlace)?

    init(_ message: String, hint: String = "", at place: FMFPlace = .none) {
        self.message = message
        self.hint = hint
        self.place = place
    }

    /// The same at a place, unless it has one.
    func placed(at place: FMFPlace) -> FMFProblem {
        guard self.place == .none else { return self }
        var problem = self
        problem.place = place
        return problem
    }
}

extension String {
    /// Whether both have the same scalars. `==` takes a letter with a combining accent for the composed one.
    func isSame(as other: String) -> Bool { self == other && utf8.elementsEqual(other.utf8) }

    /// The order of scalars, which is that of the bytes; `<` has another for combined letters.
    func precedes(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }
}
