/// A value of JSON (RFC 8259). Small enough for programs without Foundation.
package enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    /// A number without fraction and exponent that 64 bits can hold.
    case integer(Int64)
    /// Any other number, as it was written: nothing is rounded, and what is written again is the same text.
    case number(String)
    case text(String)
    case array([JSONValue])
    case object(JSONObject)

    /// The kind of the value, for messages: `a number`.
    package var kind: String {
        switch self {
        case .null: "null"
        case .bool: "true or false"
        case .integer, .number: "a number"
        case .text: "a text"
        case .array: "a list"
        case .object: "an object"
        }
    }

    /// The text, when it is one.
    package var text: String? {
        if case .text(let text) = self { text } else { nil }
    }

    /// Takes in what a later partial result says: objects are merged key by key, lists are appended to, and everything
    /// else is replaced (ATEX, "Partial results").
    package mutating func merge(_ later: JSONValue) {
        if case .object(var mine) = self, case .object(let theirs) = later {
            // With the value taken out, `mine` is the only reference and is changed in place.
            self = .null
            mine.merge(theirs)
            self = .object(mine)
        } else if case .array(var mine) = self, case .array(let theirs) = later {
            self = .null
            mine += theirs
            self = .array(mine)
        } else {
            self = later
        }
    }
}

extension JSONValue: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByStringLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
    package init(nilLiteral: ()) { self = .null }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(integerLiteral value: Int64) { self = .integer(value) }
    package init(stringLiteral value: String) { self = .text(value) }
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    package init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(JSONObject(elements)) }
}

/// The members of a JSON object, in the order in which their keys came first. A key that is set again keeps its place.
///
/// Two objects are equal when they have equal members in the same order.
package struct JSONObject: Sendable {
    /// A key with its value.
    package struct Member: Hashable, Sendable {
        /// Unique in its object.
        package let key: String
        /// `null` is a value like others.
        package var value: JSONValue
    }

    /// Up to so many members are searched one by one, which is quicker than a dictionary.
    private static let searchedMax = 16

    /// In the order in which the keys came first.
    package private(set) var members: [Member] = []
    /// Where keys are, when there are more than `searchedMax`: an object of 100,000 keys is read in linear time.
    private var places: [String: Int] = [:]

    /// An object without members.
    package init() {}

    /// - Parameter members: of two with one key the later one counts.
    package init(_ members: [(String, JSONValue)]) {
        for (key, value) in members { self[key] = value }
    }

    /// Whether it has no members.
    package var isEmpty: Bool { members.isEmpty }

    /// The value of a key. Setting nil removes the member; `null` is a value.
    package subscript(key: String) -> JSONValue? {
        get { place(of: key).map { members[$0].value } }
        set {
            guard let newValue else {
                remove(key)
                return
            }
            if let place = place(of: key) {
                members[place].value = newValue
            } else {
                append(Member(key: key, value: newValue))
            }
        }
    }

    /// Removes the members whose keys are among these, few ones.
    package mutating func remove(_ keys: String...) {
        guard members.contains(where: { keys.contains($0.key) }) else { return }
        members.removeAll { keys.contains($0.key) }
        index()
    }

    /// Takes in a later partial result: new keys are added, `null` deletes, the rest goes as `JSONValue.merge` says.
    package mutating func merge(_ later: JSONObject) {
        // Deleted all at once, so that a merge costs what both sides have, whatever is in them.
        var deleted: Set<Int> = []
        for member in later.members {
            let place = place(of: member.key)
            if member.value == .null {
                if let place { deleted.insert(place) }
            } else if let place {
                members[place].value.merge(member.value)
            } else {
                append(member)
            }
        }
        guard !deleted.isEmpty else { return }
        members = members.indices.lazy.filter { !deleted.contains($0) }.map { members[$0] }
        index()
    }

    private func place(of key: String) -> Int? {
        members.count > Self.searchedMax ? places[key] : members.firstIndex { $0.key == key }
    }

    private mutating func append(_ member: Member) {
        members.append(member)
        if members.count == Self.searchedMax + 1 {
            index()
        } else if members.count > Self.searchedMax {
            places[member.key] = members.count - 1
        }
    }

    private mutating func index() {
        if !places.isEmpty { places = [:] }
        guard members.count > Self.searchedMax else { return }
        for (place, member) in members.enumerated() { places[member.key] = place }
    }
}

extension JSONObject: Hashable {
    package static func == (left: JSONObject, right: JSONObject) -> Bool { left.members == right.members }
    package func hash(into hasher: inout Hasher) { hasher.combine(members) }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    package init(dictionaryLiteral elements: (String, JSONValue)...) { self.init(elements) }
}
