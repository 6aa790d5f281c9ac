import Foundation

/// Decodes any type from nothing, giving each leaf a content of its own.
///
/// A leaf's number, from 1, is told by its content: at once where there are many, or by one digit a pass where there
/// are few.
final class ProbingDecoder: Decoder {
    /// A type of which no value can be made.
    struct Refusal: Error, CustomStringConvertible {
        let description: String
    }

    /// Counts the leaves of one pass.
    fileprivate final class Counter {
        let pass: Int
        private var last = 0
        init(pass: Int) { self.pass = pass }

        func next() -> Int {
            last += 1
            return last
        }

        /// One of so few contents: the digit of this pass of the next leaf's number.
        func digit(of base: Int) -> Int {
            var number = next()
            for _ in 0..<pass { number /= max(2, base) }
            return number % base
        }
    }

    /// Deeper than this, optionals are nil and lists are empty, so that types that hold themselves come to an end.
    private static let depthMax = 12

    let codingPath: [any CodingKey]
    let userInfo: [CodingUserInfoKey: Any] = [:]
    fileprivate let counter: Counter

    convenience init(pass: Int) { self.init(Counter(pass: pass), []) }

    fileprivate init(_ counter: Counter, _ path: [any CodingKey]) {
        self.counter = counter
        codingPath = path
    }

    fileprivate var isDeep: Bool { codingPath.count >= Self.depthMax }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(ProbingKeyed<Key>(decoder: self))
    }

    func unkeyedContainer() -> any UnkeyedDecodingContainer { ProbingUnkeyed(decoder: self) }
    func singleValueContainer() -> any SingleValueDecodingContainer { ProbingSingle(decoder: self) }

    fileprivate func at(_ key: any CodingKey) -> ProbingDecoder { ProbingDecoder(counter, codingPath + [key]) }

    // MARK: Values

    func make<Made: Decodable>(_ type: Made.Type) throws -> Made {
        if let made = try special(type) { return made }
        guard codingPath.count < 4 * Self.depthMax else {
            throw Refusal(description: "\(type) is nested without end")
        }
        do {
            return try Made(from: self)
        } catch {
            if let empty = Self.empty(type) { return empty }
            if error is Refusal { throw error }
            throw Refusal(description: "no value of \(type) can be made from an example")
        }
    }

    /// Types that say which values they have, and those that encoders treat in their own way.
    private func special<Made>(_ type: Made.Type) throws -> Made? {
        if let samples = type as? any SampleValues.Type { return try pick(samples.allSamples, of: type) }
        if let cases = type as? any CaseIterable.Type { return try pick(Self.all(cases), of: type) }
        switch type {
        case is Date.Type: return Date(timeIntervalSince1970: real()) as? Made
        case is Data.Type: return Data("\(text())".utf8) as? Made
        case is URL.Type: return URL(string: "probe://\(counter.next())/\(counter.pass)") as? Made
        case is Decimal.Type: return Decimal(integer(as: Int.self)) as? Made
        case is UUID.Type:
            let number = UInt64(integer(as: Int.self))
            let low = (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) }
            let uuid = UUID.init(
                uuid: (0, 0, 0, 0, 0, 0, 0, 0, low[0], low[1], low[2], low[3], low[4], low[5], low[6], low[7])
            )
            return uuid as? Made
        default: return nil
        }
    }

    private func pick<Made>(_ values: [Any], of type: Made.Type) throws -> Made? {
        guard !values.isEmpty else { throw Refusal(description: "\(type) has no values") }
        return values[counter.digit(of: values.count)] as? Made
    }

    private static func all<Cases: CaseIterable>(_ type: Cases.Type) -> [Any] { Array(type.allCases) }

    /// Nothing, of a type that can be empty.
    private static func empty<Made>(_ type: Made.Type) -> Made? {
        func list<List: ExpressibleByArrayLiteral>(_: List.Type) -> Any { [] as List }
        func dictionary<Map: ExpressibleByDictionaryLiteral>(_: Map.Type) -> Any { [:] as Map }
        if let type = type as? any ExpressibleByArrayLiteral.Type { return list(type) as? Made }
        if let type = type as? any ExpressibleByDictionaryLiteral.Type { return dictionary(type) as? Made }
        if let type = type as? any ExpressibleByNilLiteral.Type { return Self.none(type) as? Made }
        return nil
    }

    private static func none<Optional: ExpressibleByNilLiteral>(_: Optional.Type) -> Any { nil as Optional }

    fileprivate func bool() -> Bool { counter.digit(of: 2) == 1 }
    fileprivate func text() -> String { "~\(counter.next()).\(counter.pass)" }
    fileprivate func real() -> Double { Double(integer(as: Int.self)) + 0.5 }

    fileprivate func integer<Number: FixedWidthInteger>(as type: Number.Type) -> Number {
        if Number.bitWidth <= 8 { return Number(1 + counter.digit(of: 100)) }
        return Number(truncatingIfNeeded: 1000 + counter.next() * 8 + counter.pass)
    }
}

extension SampleValues {
    fileprivate static var allSamples: [Any] { samples }
}

private struct ProbingKeyed<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let decoder: ProbingDecoder
    var codingPath: [any CodingKey] { decoder.codingPath }
    /// Of a dictionary nobody knows the keys.
    var allKeys: [Key] { [] }

    func contains(_ key: Key) -> Bool { true }
    func decodeNil(forKey key: Key) -> Bool { decoder.isDeep }

    func decode(_ type: Bool.Type, forKey key: Key) -> Bool { decoder.bool() }
    func decode(_ type: String.Type, forKey key: Key) -> String { decoder.text() }
    func decode(_ type: Double.Type, forKey key: Key) -> Double { decoder.real() }
    func decode(_ type: Float.Type, forKey key: Key) -> Float { Float(decoder.real()) }
    func decode(_ type: Int.Type, forKey key: Key) -> Int { decoder.integer(as: type) }
    func decode(_ type: Int8.Type, forKey key: Key) -> Int8 { decoder.integer(as: type) }
    func decode(_ type: Int16.Type, forKey key: Key) -> Int16 { decoder.integer(as: type) }
    func decode(_ type: Int32.Type, forKey key: Key) -> Int32 { decoder.integer(as: type) }
    func decode(_ type: Int64.Type, forKey key: Key) -> Int64 { decoder.integer(as: type) }
    func decode(_ type: UInt.Type, forKey key: Key) -> UInt { decoder.integer(as: type) }
    func decode(_ type: UInt8.Type, forKey key: Key) -> UInt8 { decoder.integer(as: type) }
    func decode(_ type: UInt16.Type, forKey key: Key) -> UInt16 { decoder.integer(as: type) }
    func decode(_ type: UInt32.Type, forKey key: Key) -> UInt32 { decoder.integer(as: type) }
    func decode(_ type: UInt64.Type, forKey key: Key) -> UInt64 { decoder.integer(as: type) }
    func decode<Made: Decodable>(_ type: Made.Type, forKey key: Key) throws -> Made { try decoder.at(key).make(type) }

    /// What cannot be made is left out where it may be.
    func decodeIfPresent<Made: Decodable>(_ type: Made.Type, forKey key: Key) throws -> Made? {
        decoder.isDeep ? nil : try? decode(type, forKey: key)
    }

    func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type,
        forKey key: Key
    ) -> KeyedDecodingContainer<NestedKey> { decoder.at(key).container(keyedBy: type) }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedDecodingContainer { decoder.at(key).unkeyedContainer() }
    func superDecoder() -> any Decoder { decoder }
    func superDecoder(forKey key: Key) -> any Decoder { decoder.at(key) }
}

/// A list of one element: enough to tell where elements stand.
private struct ProbingUnkeyed: UnkeyedDecodingContainer {
    struct Place: CodingKey {
        let number: Int
        var intValue: Int? { number }
        var stringValue: String { "Index \(number)" }
        init(_ number: Int) { self.number = number }
        init?(intValue: Int) { number = intValue }
        init?(stringValue: String) { nil }
    }

    let decoder: ProbingDecoder
    var currentIndex = 0
    var codingPath: [any CodingKey] { decoder.codingPath }
    var count: Int? { decoder.isDeep ? 0 : 1 }
    var isAtEnd: Bool { currentIndex >= count ?? 0 }

    init(decoder: ProbingDecoder) { self.decoder = decoder }

    mutating func take() -> ProbingDecoder {
        defer { currentIndex += 1 }
        return decoder.at(Place(currentIndex))
    }

    mutating func decodeNil() -> Bool { false }
    mutating func decode(_ type: Bool.Type) -> Bool { take().bool() }
    mutating func decode(_ type: String.Type) -> String { take().text() }
    mutating func decode(_ type: Double.Type) -> Double { take().real() }
    mutating func decode(_ type: Float.Type) -> Float { Float(take().real()) }
    mutating func decode(_ type: Int.Type) -> Int { take().integer(as: type) }
    mutating func decode(_ type: Int8.Type) -> Int8 { take().integer(as: type) }
    mutating func decode(_ type: Int16.Type) -> Int16 { take().integer(as: type) }
    mutating func decode(_ type: Int32.Type) -> Int32 { take().integer(as: type) }
    mutating func decode(_ type: Int64.Type) -> Int64 { take().integer(as: type) }
    mutating func decode(_ type: UInt.Type) -> UInt { take().integer(as: type) }
    mutating func decode(_ type: UInt8.Type) -> UInt8 { take().integer(as: type) }
    mutating func decode(_ type: UInt16.Type) -> UInt16 { take().integer(as: type) }
    mutating func decode(_ type: UInt32.Type) -> UInt32 { take().integer(as: type) }
    mutating func decode(_ type: UInt64.Type) -> UInt64 { take().integer(as: type) }
    mutating func decode<Made: Decodable>(_ type: Made.Type) throws -> Made { try take().make(type) }

    mutating func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type
    ) -> KeyedDecodingContainer<NestedKey> { take().container(keyedBy: type) }

    mutating func nestedUnkeyedContainer() -> any UnkeyedDecodingContainer { take().unkeyedContainer() }
    mutating func superDecoder() -> any Decoder { take() }
}

private struct ProbingSingle: SingleValueDecodingContainer {
    let decoder: ProbingDecoder
    var codingPath: [any CodingKey] { decoder.codingPath }

    func decodeNil() -> Bool { decoder.isDeep }
    func decode(_ type: Bool.Type) -> Bool { decoder.bool() }
    func decode(_ type: String.Type) -> String { decoder.text() }
    func decode(_ type: Double.Type) -> Double { decoder.real() }
    func decode(_ type: Float.Type) -> Float { Float(decoder.real()) }
    func decode(_ type: Int.Type) -> Int { decoder.integer(as: type) }
    func decode(_ type: Int8.Type) -> Int8 { decoder.integer(as: type) }
    func decode(_ type: Int16.Type) -> Int16 { decoder.integer(as: type) }
    func decode(_ type: Int32.Type) -> Int32 { decoder.integer(as: type) }
    func decode(_ type: Int64.Type) -> Int64 { decoder.integer(as: type) }
    func decode(_ type: UInt.Type) -> UInt { decoder.integer(as: type) }
    func decode(_ type: UInt8.Type) -> UInt8 { decoder.integer(as: type) }
    func decode(_ type: UInt16.Type) -> UInt16 { decoder.integer(as: type) }
    func decode(_ type: UInt32.Type) -> UInt32 { decoder.integer(as: type) }
    func decode(_ type: UInt64.Type) -> UInt64 { decoder.integer(as: type) }
    func decode<Made: Decodable>(_ type: Made.Type) throws -> Made { try decoder.make(type) }
}
