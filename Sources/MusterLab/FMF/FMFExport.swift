/// The JSON text of nodes, to the byte what Python's `json.dumps` makes of them with sorted keys, `default=str` and
/// without ASCII escapes.
package enum FMFExport {
    /// A node as `{"data": …, "name": …}`.
    ///
    /// - Throws: `FMFError` for keys that JSON has not, or that cannot be sorted.
    package static func json(_ node: FMFNode, of tree: FMFTree) throws(FMFError) -> String {
        do throws(FMFProblem) {
            var writer = FMFWriter()
            try writer.append(node)
            return writer.text
        } catch {
            throw FMFError([tree.diagnostic(FMFProblem("\(node.name): \(error.message)", at: error.place))])
        }
    }

    /// The selected nodes, sorted by name, one a line.
    package static func jsonLines(of tree: FMFTree) throws(FMFError) -> String {
        try jsonLines(tree.selected, of: tree)
    }

    /// Some nodes, sorted by name, one a line; of equal names the last.
    package static func jsonLines(_ nodes: [FMFNode], of tree: FMFTree) throws(FMFError) -> String {
        let sorted = nodes.enumerated().sorted {
            $0.element.name.isSame(as: $1.element.name)
                ? $0.offset < $1.offset : $0.element.name.precedes($1.element.name)
        }.map(\.element)
        var writer = FMFWriter()
        for (index, node) in sorted.enumerated() {
            if index + 1 < sorted.count, sorted[index + 1].name.isSame(as: node.name) { continue }
            do throws(FMFProblem) {
                try writer.append(node)
            } catch {
                throw FMFError([tree.diagnostic(FMFProblem("\(node.name): \(error.message)", at: error.place))])
            }
            writer.endLine()
        }
        return writer.text
    }

    /// A value alone.
    static func json(_ value: FMFValue) throws(FMFProblem) -> String {
        var writer = FMFWriter()
        try writer.append(value, depth: 0)
        return writer.text
    }
}

/// Writes JSON into bytes.
struct FMFWriter {
    private var bytes: [UInt8] = []

    init() { bytes.reserveCapacity(1 << 16) }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    private mutating func put(_ text: StaticString) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func endLine() { bytes.append(UInt8(ascii: "\n")) }

    mutating func append(_ node: FMFNode) throws(FMFProblem) {
        put("{\"data\": ")
        try append(.map(node.data), depth: 0)
        put(", \"name\": ")
        append(node.name)
        put("}")
    }

    mutating func append(_ value: FMFValue, depth: Int) throws(FMFProblem) {
        guard depth < FMFText.depthMax else { throw FMFProblem("a value contains itself, through aliases") }
        switch value {
        case .null: put("null")
        case .bool(let flag): if flag { put("true") } else { put("false") }
        case .int(let number): bytes.append(contentsOf: String(number).utf8)
        case .largeInt(let digits): bytes.append(contentsOf: digits.utf8)
        case .float(let number): append(number)
        case .string(let text): append(text)
        case .date(let date): append(date.text)
        case .list(let items):
            put("[")
            for (index, item) in items.enumerated() {
                if index > 0 { put(", ") }
                try append(item, depth: depth + 1)
            }
            put("]")
        case .map(let map): try append(map, depth: depth)
        case .shared(let cell): try append(cell.map, depth: depth)
        }
    }

    private mutating func append(_ number: Double) {
        if number.isFinite {
            bytes.append(contentsOf: FMFText.text(of: number).utf8)
        } else if number.isNaN {
            put("NaN")
        } else if number < 0 {
            put("-Infinity")
        } else {
            put("Infinity")
        }
    }

    private mutating func append(_ map: FMFMap, depth: Int) throws(FMFProblem) {
        put("{")
        for (index, entry) in try Self.sorted(map).enumerated() {
            if index > 0 { put(", ") }
            switch entry.key {
            case .string(let key): append(key)
            case .null: put("\"null\"")
            case .bool(let flag): if flag { put("\"true\"") } else { put("\"false\"") }
            case .int(let number): bytes.append(contentsOf: "\"\(number)\"".utf8)
            case .largeInt(let digits): bytes.append(contentsOf: "\"\(digits)\"".utf8)
            case .float(let number):
                put("\"")
                append(number)
                put("\"")
            case .date(let date):
                throw FMFProblem("the key \(date.text) is a date, which JSON has not for keys", at: entry.place)
            }
            put(": ")
            try append(entry.value, depth: depth + 1)
        }
        put("}")
    }

    private static func sorted(_ map: FMFMap) throws(FMFProblem) -> [FMFMap.Entry] {
        guard map.count > 1 else { return map.entries }
        var (texts, numbers) = (0, 0)
        for entry in map.entries {
            switch entry.key {
            case .string: texts += 1
            case .bool, .int, .float, .largeInt: numbers += 1
            case .null, .date: break
            }
        }
        if texts == map.count {
            return map.entries.sorted {
                guard case .string(let a) = $0.key, case .string(let b) = $1.key else { return false }
                return a.precedes(b)
            }
        }
        if numbers == map.count {
            return map.entries.sorted { number($0.key) < number($1.key) }
        }
        let message = "keys of different types, such as text and numbers, stand in one mapping and cannot be sorted"
        throw FMFProblem(message, at: map.entries[0].place)
    }

    private static func number(_ key: FMFKey) -> Double {
        switch key {
        case .bool(let flag): flag ? 1 : 0
        case .int(let number): Double(number)
        case .float(let number): number
        case .largeInt(let digits): Double(digits) ?? 0
        case .string, .null, .date: 0
        }
    }

    private mutating func append(_ text: String) {
        put("\"")
        var text = text
        text.withUTF8 { utf8 in
            // Stretches without anything to escape are taken whole.
            var start = 0
            for (i, byte) in utf8.enumerated() where byte < 0x20 || byte == 0x22 || byte == 0x5C {
                bytes.append(contentsOf: utf8[start..<i])
                escape(byte)
                start = i + 1
            }
            bytes.append(contentsOf: utf8[start...])
        }
        put("\"")
    }

    private mutating func escape(_ byte: UInt8) {
        switch byte {
        case 0x08: put("\\b")
        case 0x09: put("\\t")
        case 0x0A: put("\\n")
        case 0x0C: put("\\f")
        case 0x0D: put("\\r")
        case 0x22: put("\\\"")
        case 0x5C: put("\\\\")
        default:
            let digits = String(byte, radix: 16)
            bytes.append(contentsOf: "\\u00\(digits.utf8.count == 1 ? "0" : "")\(digits)".utf8)
        }
    }
}
