import Foundation
import MusterCore

/// A message to a sink as JSON, as `docs/formats/notices.md` says.
enum NoticeText {
    private struct Message: Encodable {
        struct Notice: Encodable {
            var text: String
            var nodes: [String]
            var count: Int
            var first: String
            var last: String
        }

        var format = 1
        var lab: String
        var attempt: Int
        var notices: [Notice]
        var omitted: Int
    }

    static func json(_ message: NoticeMessage) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let notices = message.content.entries.map { entry in
            Message.Notice(
                text: entry.text,
                nodes: entry.subjects,
                count: entry.count,
                first: entry.first.rfc3339,
                last: entry.last.rfc3339
            )
        }
        let value = Message(
            lab: message.lab,
            attempt: message.attempt,
            notices: notices,
            omitted: message.content.omitted
        )
        return ((try? encoder.encode(value)).map { Array($0) } ?? []) + [UInt8(ascii: "\n")]
    }
}

extension Timestamp {
    /// In UTC with microseconds.
    var rfc3339: String {
        let micros = ((rawValue % 1_000_000) + 1_000_000) % 1_000_000
        var seconds = time_t((rawValue - micros) / 1_000_000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        var text = [CChar](repeating: 0, count: 64)
        let length = strftime(&text, text.count, "%Y-%m-%dT%H:%M:%S", &parts)
        let bytes = text[..<length].map { UInt8(bitPattern: $0) }
        return String(decoding: bytes, as: UTF8.self) + "." + String(String(1_000_000 + micros).dropFirst()) + "Z"
    }
}
