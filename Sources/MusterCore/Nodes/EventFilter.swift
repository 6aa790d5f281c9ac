/// What an event is about, in nine fields. A field that says nothing is `*`.
package struct EventAddress: Hashable, Sendable, Codable {
    package enum Field: String, Hashable, Sendable, CaseIterable, Codable {
        case site, experiment, group, host
        case objectType = "object-type"
        case objectName = "object-name"
        case eventType = "event-type"
        case timeline, scheduler
    }

    package static let unset = "*"
    private var values: [Field: String]

    package init(_ values: [Field: String] = [:]) { self.values = values.filter { $0.value != Self.unset } }

    package subscript(field: Field) -> String {
        get { values[field] ?? Self.unset }
        set { values[field] = newValue == Self.unset ? nil : newValue }
    }
}

/// Which events somebody wants: each field that is named must be one of the values given for it, exactly.
///
/// As text: `object-type=TBNODESTATE object-name=pc1,pc2`. A value with a blank, a comma, `=`, `"` or `\` stands in
/// double quotes, in which `\"` and `\\` are those two; an empty one is `""`.
package struct EventFilter: Hashable, Sendable, CustomStringConvertible {
    private var wanted: [EventAddress.Field: Set<String>] = [:]

    /// Everything.
    package init() {}

    /// Wants one of these values, besides those that were wanted of the field before. None: nothing is asked of it.
    package mutating func want(_ field: EventAddress.Field, _ values: some Sequence<String>) {
        let values = Set(values)
        if !values.isEmpty { wanted[field, default: []].formUnion(values) }
    }

    package func matches(_ address: EventAddress) -> Bool {
        wanted.allSatisfy { $0.value.contains(address[$0.key]) }
    }

    package var isEverything: Bool { wanted.isEmpty }

    package var description: String {
        EventAddress.Field.allCases.compactMap { field in
            wanted[field].map { "\(field.rawValue)=\($0.sorted().map(Self.quoted).joined(separator: ","))" }
        }.joined(separator: " ")
    }

    private static func isSpecial(_ character: Character) -> Bool {
        character.isWhitespace || character == "," || character == "=" || character == "\"" || character == "\\"
    }

    private static func quoted(_ value: String) -> String {
        guard value.isEmpty || value.contains(where: isSpecial) else { return value }
        var text = "\""
        for character in value {
            if character == "\"" || character == "\\" { text.append("\\") }
            text.append(character)
        }
        return text + "\""
    }
}

package enum EventFilterError: Error, Hashable, Sendable {
    case unknownField(String)
    /// Nothing stands behind the field's `=`.
    case valueMissing(field: String)
    case equalsMissing(String)
    case quoteOpen(String)
    case trailing(String)
    case tooLong(Int)

    package var message: String {
        switch self {
        case .unknownField(let name):
            "there is no field '\(name)'; fields are "
                + EventAddress.Field.allCases.map(\.rawValue).joined(separator: ", ")
        case .valueMissing(let field): "'\(field)=' wants a value; the empty text is written \"\""
        case .equalsMissing(let text): "'\(text)' is no FIELD=VALUE[,VALUE…]"
        case .quoteOpen(let text): "the quote before '\(text)' is not closed"
        case .trailing(let text):
            "'\(text)' stands behind a closed quote; values are parted by ',' and fields by blanks"
        case .tooLong(let count): "a filter has at most \(EventFilter.lengthMax) characters, this one \(count)"
        }
    }
}

extension EventFilter {
    package static let lengthMax = 1 << 20

    package init(_ text: String) throws(EventFilterError) {
        let letters = Array(text)
        guard letters.count <= Self.lengthMax else { throw .tooLong(letters.count) }
        var reader = Reader(letters: letters)
        try reader.read(into: &self)
    }

    private struct Reader {
        let letters: [Character]
        var i = 0

        mutating func read(into filter: inout EventFilter) throws(EventFilterError) {
            while true {
                while i < letters.count, letters[i].isWhitespace { i += 1 }
                guard i < letters.count else { return }
                let name = word()
                guard i < letters.count, letters[i] == "=", !name.isEmpty else {
                    throw .equalsMissing(name.isEmpty ? rest : name)
                }
                guard let field = EventAddress.Field(rawValue: name) else { throw .unknownField(name) }
                var values: [String] = []
                repeat {
                    i += 1
                    values.append(try value(of: name))
                } while i < letters.count && letters[i] == ","
                guard i == letters.count || letters[i].isWhitespace else { throw .trailing(rest) }
                filter.want(field, values)
            }
        }

        private var rest: String { String(letters[i...].prefix(40)) }

        private mutating func word() -> String {
            let start = i
            while i < letters.count, !EventFilter.isSpecial(letters[i]) { i += 1 }
            return String(letters[start..<i])
        }

        private mutating func value(of field: String) throws(EventFilterError) -> String {
            guard i < letters.count, letters[i] == "\"" else {
                let text = word()
                guard !text.isEmpty else { throw .valueMissing(field: field) }
                return text
            }
            i += 1
            let start = i
            var text = ""
            while i < letters.count, letters[i] != "\"" {
                if letters[i] == "\\", i + 1 < letters.count { i += 1 }
                text.append(letters[i])
                i += 1
            }
            guard i < letters.count else { throw .quoteOpen(String(letters[start...].prefix(40))) }
            i += 1
            return text
        }
    }
}
