/// Text with `${…}` in it, taken apart and not yet understood.
package enum Interpolation {
    package enum Piece: Hashable, Sendable {
        case literal(String)
        /// What stands between the braces, split at its dots: `["db", "0", "address"]`.
        case reference([String], occurrence: Int)
        /// Something between braces that only a shell understands: `NAME:-default`.
        case foreign(String, occurrence: Int)
        /// A `${` without its `}` on the same line.
        case unterminated(occurrence: Int)
    }

    private static let dollar = UInt8(ascii: "$")
    private static let open = UInt8(ascii: "{")
    private static let close = UInt8(ascii: "}")

    package static func contains(_ text: String) -> Bool {
        var before: UInt8 = 0
        for byte in text.utf8 {
            if byte == open, before == dollar { return true }
            before = byte
        }
        return false
    }

    /// The pieces in order. An `occurrence` numbers the `${` of the text from 0, those of `$${` too.
    package static func pieces(of text: String) -> [Piece] {
        guard contains(text) else { return text.isEmpty ? [] : [.literal(text)] }
        let bytes = Array(text.utf8)
        var pieces: [Piece] = []
        var literal: [UInt8] = []
        var occurrence = 0
        var i = 0
        func flush() {
            if !literal.isEmpty { pieces.append(.literal(String(decoding: literal, as: UTF8.self))) }
            literal = []
        }
        while i < bytes.count {
            if bytes[i] == dollar, i + 2 < bytes.count, bytes[i + 1] == dollar, bytes[i + 2] == open {
                literal += [dollar, open]
                occurrence += 1
                i += 3
            } else if bytes[i] == dollar, i + 1 < bytes.count, bytes[i + 1] == open {
                flush()
                let end = bytes[(i + 2)...].firstIndex { $0 == close || $0 == 0x0A } ?? bytes.count
                if end < bytes.count, bytes[end] == close {
                    pieces.append(piece(bytes[(i + 2)..<end], occurrence))
                    i = end + 1
                } else {
                    pieces.append(.unterminated(occurrence: occurrence))
                    i += 2
                }
                occurrence += 1
            } else {
                literal.append(bytes[i])
                i += 1
            }
        }
        flush()
        return pieces
    }

    private static func piece(_ body: ArraySlice<UInt8>, _ occurrence: Int) -> Piece {
        let text = String(decoding: body, as: UTF8.self)
        let words = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let isReference = words.allSatisfy { word in !word.isEmpty && word.utf8.allSatisfy(isWordByte) }
        return isReference ? .reference(words, occurrence: occurrence) : .foreign(text, occurrence: occurrence)
    }

    /// Letters, digits, `_` and `-`.
    package static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "-"): true
        default: false
        }
    }
}
