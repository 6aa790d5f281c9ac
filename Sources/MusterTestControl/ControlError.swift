/// Why a test-control stream was given up. Nothing behind it is interpreted.
package struct ControlError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, without its place. Its description says what would have been right.
    package enum Reason: Error, Hashable, Sendable {
        /// A line of nothing but its newline.
        case emptyLine
        /// No newline within `ControlMachine.lineBytesMax`.
        case lineTooLong
        case notASCII(UInt8)
        case unknownWord(String)
        /// The argument of `result` is no count of bytes.
        case badLength(String)
        /// `exitcode` and `duration` need an argument.
        case argumentMissing(word: String)
        case badExitCode(String)
        case badDuration(String)
        /// The argument of `reconnect` is neither missing nor `always`.
        case badReconnect(String)
        /// What `result` announced is not JSON; the offset is that of the byte at fault.
        case badJSON(String)
        /// It is JSON, but no result: a sentence.
        case badResult(String)
        /// The stream ended within the JSON of a result.
        case endInJSON(have: Int, of: Int)
        /// The stream ended within the data of a file.
        case endInFile(String, have: Int, of: Int)
        /// More than the runner takes.
        case overLimit(Limit, max: Int)
    }

    /// What is limited, by the fields of `ControlLimits` and `ResultRules`.
    package enum Limit: String, Hashable, Sendable {
        case jsonBytes = "bytes of JSON in one result"
        case results = "results"
        case files = "files"
        case fileBytes = "bytes of files in all"
        case nameBytes = "bytes in a name"
        case openBytes = "bytes of partial results that are not closed"
        case pathBytes = "bytes of names of files and their folders in all"
    }

    /// What is wrong.
    package let reason: Reason
    /// Bytes of the stream before the place: where the line begins, the JSON's byte at fault, or the end.
    package let offset: Int

    /// - Parameter offset: bytes of the stream before the place.
    package init(_ reason: Reason, offset: Int) {
        self.reason = reason
        self.offset = offset
    }

    /// Whether the stream only broke off. Then the reason lies elsewhere when the test was ended from outside.
    package var isEndTooEarly: Bool {
        switch reason {
        case .endInJSON, .endInFile: true
        case .emptyLine, .lineTooLong, .notASCII, .unknownWord, .badLength, .argumentMissing, .badExitCode,
            .badDuration, .badReconnect, .badJSON, .badResult, .overLimit:
            false
        }
    }

    /// The offset, what is there, and what would have been right.
    package var description: String { "byte \(offset): \(reason)" }
}

extension ControlError.Reason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .emptyLine:
            "an empty control line; a line begins with a word, and after data no newline is added that is not counted"
        case .lineTooLong:
            "a control line of more than \(ControlMachine.lineBytesMax) bytes with its newline"
        case .notASCII(let byte):
            "\(ControlText.name(byte)) in a control line; lines are ASCII, other characters stand in the JSON"
        case .unknownWord(let word):
            "unknown control word \(ControlText.quoted(word)); there are result, exitcode, duration, disconnect, "
                + "reconnect and noop (a wrong length before it lets data be read as a line)"
        case .badLength(let text):
            "'result' has to be followed by how many bytes of JSON come, at least 2 for {}, not \(Self.shown(text))"
        case .argumentMissing(let word):
            "'\(word)' has no argument; right are " + (word == "exitcode" ? "'exitcode 1'" : Self.durations)
        case .badExitCode(let text):
            "\(ControlText.quoted(text)) is no exit code; right is 'exitcode 1'"
        case .badDuration(let text):
            "\(ControlText.quoted(text)) is no duration; right are " + Self.durations
        case .badReconnect(let text):
            "'reconnect' takes no argument or 'always', not \(ControlText.quoted(text))"
        case .badJSON(let sentence): "no JSON: \(sentence)"
        case .badResult(let sentence): sentence
        case .endInJSON(let have, let count):
            "the end after \(have) of \(ControlText.count(count, "byte")) of JSON; the length of 'result' is in bytes"
        case .endInFile(let name, let have, let count):
            "the end after \(have) of \(ControlText.count(count, "byte")) of the file \(ControlText.quoted(name))"
        case .overLimit(let limit, let max): "more than \(max) \(limit.rawValue)"
        }
    }

    private static let durations =
        "'duration 15m' (m, h, d, s or nothing for seconds), 'duration +60', 'duration -60', 'duration save' "
        + "and 'duration restore'"

    private static func shown(_ text: String) -> String { text.isEmpty ? "by nothing" : ControlText.quoted(text) }
}
