/// A header of `tar`: 512 bytes that stand before each entry. As POSIX has it, with GNU's long names and sizes, which
/// every `tar` reads.
struct ArchiveHeader: Hashable, Sendable {
    static let blockSize = 512
    /// Archives end on a multiple of this.
    static let recordSize = 10_240

    enum Kind: UInt8, Sendable {
        case file = 0x30
        /// Another name of an entry before it.
        case hardLink = 0x31
        case link = 0x32
        case folder = 0x35
        /// The next entry's name, or that of what it links to, where it is long.
        case longName = 0x4C
        case longTarget = 0x4B
        /// Settings for the next entry, or for all.
        case settings = 0x78
        case settingsOfAll = 0x67
    }

    var name: [UInt8]
    /// The byte that says what it is: a `Kind`, or another.
    var type: UInt8
    var mode: UInt16 = 0o644
    var size: Int = 0
    /// Seconds since 1970.
    var changed: Int = 0
    var target: [UInt8] = []

    var kind: Kind? { type == 0 || type == 0x37 ? .file : Kind(rawValue: type) }

    // MARK: Writing

    /// The blocks of an entry, with those of long names before it.
    var blocks: [UInt8] {
        var bytes: [UInt8] = []
        if name.count > 100 { bytes += Self.long(name, .longName) }
        if target.count > 100 { bytes += Self.long(target, .longTarget) }
        return bytes + block
    }

    private static func long(_ text: [UInt8], _ kind: Kind) -> [UInt8] {
        let header = ArchiveHeader(
            name: Array("././@LongLink".utf8),
            type: kind.rawValue,
            size: text.count + 1
        )
        return header.block + padded(text + [0])
    }

    static func padded(_ bytes: [UInt8]) -> [UInt8] { bytes + padding(of: bytes.count) }

    static func padding(of size: Int) -> [UInt8] {
        [UInt8](repeating: 0, count: (blockSize - size % blockSize) % blockSize)
    }

    private var block: [UInt8] {
        var block = [UInt8](repeating: 0, count: Self.blockSize)
        func put(_ bytes: some Collection<UInt8>, _ place: Int, _ width: Int) {
            for (offset, byte) in bytes.prefix(width).enumerated() { block[place + offset] = byte }
        }
        func octal(_ value: Int, _ place: Int, _ width: Int) {
            let digits = String(max(0, value), radix: 8)
            guard digits.utf8.count < width else {
                // In base 256, marked by the highest bit.
                for offset in 0..<8 { block[place + width - 1 - offset] = UInt8(value >> (offset * 8) & 0xFF) }
                block[place] = 0x80
                return
            }
            put((String(repeating: "0", count: width - 1 - digits.utf8.count) + digits).utf8, place, width)
        }
        put(name, 0, 100)
        octal(Int(mode), 100, 8)
        octal(0, 108, 8)
        octal(0, 116, 8)
        octal(size, 124, 12)
        octal(changed, 136, 12)
        block[156] = type
        put(target, 157, 100)
        put("ustar\u{0}00".utf8, 257, 8)
        put(String(repeating: " ", count: 8).utf8, 148, 8)
        let sum = block.reduce(0) { $0 + Int($1) }
        octal(sum, 148, 7)
        return block
    }

    // MARK: Reading

    /// Reads a block; nil when it is none.
    init?(block: ArraySlice<UInt8>) {
        let block = Array(block)
        guard block.count == Self.blockSize else { return nil }
        func text(_ place: Int, _ width: Int) -> [UInt8] { Array(block[place..<(place + width)].prefix { $0 != 0 }) }
        func number(_ place: Int, _ width: Int) -> Int? { Self.number(block[place..<(place + width)]) }
        guard let sum = number(148, 8), let size = number(124, 12), size >= 0 else { return nil }
        let found = block.enumerated().reduce(0) { $0 + ((148..<156).contains($1.offset) ? 32 : Int($1.element)) }
        guard sum == found else { return nil }
        name = text(0, 100)
        type = block[156]
        mode = UInt16(truncatingIfNeeded: number(100, 8) ?? 0o644) & 0o7777
        self.size = size
        changed = number(136, 12) ?? 0
        target = text(157, 100)
        // POSIX keeps the first part of a long name apart; GNU has other things there.
        let prefix = text(345, 155)
        if block[257..<263].elementsEqual("ustar\u{0}".utf8), !prefix.isEmpty {
            name = prefix + [UInt8(ascii: "/")] + name
        }
    }

    init(name: [UInt8], type: UInt8, mode: UInt16 = 0o644, size: Int = 0, changed: Int = 0, target: [UInt8] = []) {
        self.name = name
        self.type = type
        self.mode = mode
        self.size = size
        self.changed = changed
        self.target = target
    }

    private static func number(_ field: ArraySlice<UInt8>) -> Int? {
        guard let first = field.first else { return nil }
        if first & 0x80 != 0 {
            // Base 256; what does not fit, or is negative, is none of ours.
            var value = Int(first & 0x7F)
            for byte in field.dropFirst() {
                guard value < 1 << 54 else { return nil }
                value = value << 8 | Int(byte)
            }
            return value
        }
        var value = 0
        for byte in field {
            if byte == 0 || byte == UInt8(ascii: " ") {
                continue
            }
            guard (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(byte), value < 1 << 58 else { return nil }
            value = value << 3 | Int(byte - UInt8(ascii: "0"))
        }
        return value
    }
}

/// Paths in a tree that is copied.
enum TreePath {
    /// The names of a path inside the tree, none for the tree itself; nil when it leads out of it.
    static func names(_ path: [UInt8]) -> [[UInt8]]? {
        guard path.first != UInt8(ascii: "/") else { return nil }
        var names: [[UInt8]] = []
        for name in path.split(separator: UInt8(ascii: "/")) {
            if name.elementsEqual(".".utf8) { continue }
            if name.elementsEqual("..".utf8) || name.contains(0) { return nil }
            names.append(Array(name))
        }
        return names
    }

    /// Whether a link that is in a folder so deep in the tree stays in it, whatever other links do that stay in it too:
    /// it goes up at its beginning alone, and no higher than the tree.
    static func staysInside(_ target: [UInt8], depth: Int) -> Bool {
        guard let first = target.first, first != UInt8(ascii: "/") else { return false }
        var ups = 0
        var descends = false
        for name in target.split(separator: UInt8(ascii: "/")) {
            if name.elementsEqual(".".utf8) { continue }
            if name.elementsEqual("..".utf8) {
                if descends { return false }
                ups += 1
            } else {
                descends = true
            }
        }
        return ups <= depth
    }

    static func text(_ path: [UInt8]) -> String { String(decoding: path, as: UTF8.self) }
    static func joined(_ names: [[UInt8]]) -> String { names.map(text).joined(separator: "/") }
}
