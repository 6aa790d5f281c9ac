/// Reads an object of texts in which nothing is escaped, as `StoredJSON` writes it.
///
/// Most facts of nodes are such, and those of all nodes are read when a conductor begins.
enum PlainFacts {
    /// nil for anything else: that is left to a whole reader of JSON.
    static func read(_ text: String) -> [String: String]? {
        var text = text
        return text.withUTF8 { bytes in
            var reading = Reading(bytes: bytes)
            return reading.object()
        }
    }

    private struct Reading {
        let bytes: UnsafeBufferPointer<UInt8>
        var place = 0

        mutating func object() -> [String: String]? {
            guard take(UInt8(ascii: "{")) else { return nil }
            var facts: [String: String] = [:]
            repeat {
                guard let key = text(), take(UInt8(ascii: ":")), let value = text(),
                    facts.updateValue(value, forKey: key) == nil
                else { return nil }
            } while take(UInt8(ascii: ","))
            return take(UInt8(ascii: "}")) && place == bytes.count ? facts : nil
        }

        private mutating func take(_ byte: UInt8) -> Bool {
            guard place < bytes.count, bytes[place] == byte else { return false }
            place += 1
            return true
        }

        private mutating func text() -> String? {
            guard take(UInt8(ascii: "\"")) else { return nil }
            let start = place
            while place < bytes.count, bytes[place] != UInt8(ascii: "\"") {
                if bytes[place] == UInt8(ascii: "\\") || bytes[place] < 0x20 { return nil }
                place += 1
            }
            let text = String(decoding: bytes[start..<place], as: UTF8.self)
            return take(UInt8(ascii: "\"")) ? text : nil
        }
    }
}
