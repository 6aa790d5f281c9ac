/// How driver and supervisor write values: little-endian integers, and texts and lists with a length before them.
///
/// A frame is a length of four bytes and that many bytes. Everything has a hard limit, so that whatever arrives costs a
/// bounded amount of memory and either is a message or is an error.
package enum Wire {
    /// Spoken by both sides; a supervisor of another version refuses the greeting.
    package static let version: UInt16 = 1
    /// Longest payload of a frame. The kernel lets a process have at most 6 MiB of arguments and environment.
    package static let frameLimit = 8 << 20
    /// Most entries of a list: arguments, variables, extensions.
    package static let listLimit = 65_536

    /// One frame around a payload.
    package static func framed(_ payload: WireWriter) -> [UInt8] {
        var frame = WireWriter()
        frame.put(UInt32(payload.bytes.count))
        return frame.bytes + payload.bytes
    }
}

/// What is wrong with bytes that should be a message.
package struct WireError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// Puts values one after the other.
package struct WireWriter: Sendable {
    package private(set) var bytes: [UInt8] = []
    package init() {}

    package mutating func put<Number: FixedWidthInteger>(_ number: Number) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    package mutating func put(_ flag: Bool) { bytes.append(flag ? 1 : 0) }

    package mutating func put(_ text: String) {
        put(UInt32(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    package mutating func put(raw: [UInt8]) {
        put(UInt32(raw.count))
        bytes.append(contentsOf: raw)
    }

    /// A flag, and the value where there is one.
    package mutating func put<Value>(optional value: Value?, _ write: (inout WireWriter, Value) -> Void) {
        put(value != nil)
        if let value { write(&self, value) }
    }

    package mutating func put<Element>(list: [Element], _ write: (inout WireWriter, Element) -> Void) {
        put(UInt32(list.count))
        for element in list { write(&self, element) }
    }
}

/// Takes values in the order they were put. Throws at the first byte that cannot be one; never traps.
package struct WireReader: Sendable {
    private let bytes: [UInt8]
    private var position = 0

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    private var remaining: Int { bytes.count - position }

    package mutating func number<Number: FixedWidthInteger>(
        _ type: Number.Type = Number.self
    ) throws(WireError)
        -> Number
    {
        let size = MemoryLayout<Number>.size
        guard remaining >= size else { throw WireError("a number of \(size) bytes is cut off") }
        var value = Number.zero
        for offset in (0..<size).reversed() {
            value = (size == 1 ? 0 : value << 8) | Number(truncatingIfNeeded: bytes[position + offset])
        }
        position += size
        return value
    }

    package mutating func flag() throws(WireError) -> Bool {
        switch try number(UInt8.self) {
        case 0: return false
        case 1: return true
        case let other: throw WireError("\(other) is not a flag")
        }
    }

    package mutating func raw() throws(WireError) -> [UInt8] {
        let count = Int(try number(UInt32.self))
        guard count <= remaining else { throw WireError("\(count) bytes are announced, \(remaining) are there") }
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    /// A text for the kernel: valid UTF-8 without a zero byte, which would end it early.
    package mutating func text() throws(WireError) -> String {
        let raw = try raw()
        guard !raw.contains(0) else { throw WireError("a text contains a zero byte") }
        guard let text = String(validating: raw, as: UTF8.self) else { throw WireError("a text is not UTF-8") }
        return text
    }

    package mutating func optional<Value>(
        _ read: (inout WireReader) throws(WireError) -> Value
    ) throws(WireError)
        -> Value?
    {
        try flag() ? try read(&self) : nil
    }

    package mutating func list<Element>(
        _ read: (inout WireReader) throws(WireError) -> Element
    ) throws(WireError)
        -> [Element]
    {
        let count = Int(try number(UInt32.self))
        guard count <= Wire.listLimit, count <= remaining else { throw WireError("a list of \(count) is too long") }
        var list: [Element] = []
        list.reserveCapacity(count)
        for _ in 0..<count { list.append(try read(&self)) }
        return list
    }

    package func finish() throws(WireError) {
        guard remaining == 0 else { throw WireError("\(remaining) bytes follow the message") }
    }
}

/// Cuts a stream of bytes into frames.
package struct FrameBuffer: Sendable {
    private var bytes: [UInt8] = []
    private var start = 0
    package init() {}

    package mutating func append(_ new: some Collection<UInt8>) {
        if start > 0 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes.append(contentsOf: new)
    }

    /// The payload of the next whole frame; nil when more bytes must come first.
    package mutating func next() throws(WireError) -> [UInt8]? {
        guard bytes.count - start >= 4 else { return nil }
        var length = 0
        for offset in (0..<4).reversed() { length = length << 8 | Int(bytes[start + offset]) }
        guard length <= Wire.frameLimit else {
            throw WireError("a frame of \(length) bytes is over the limit of \(Wire.frameLimit)")
        }
        guard bytes.count - start - 4 >= length else { return nil }
        defer { start += 4 + length }
        return Array(bytes[start + 4..<start + 4 + length])
    }
}
