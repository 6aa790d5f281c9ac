import MusterCore

/// What `ShellText` says: lines of a word and its values, and at last a line `.`.
struct ShellReply {
    enum Output {
        case inline([UInt8])
        /// It is longer than what comes with the answer.
        case size(Int)
    }

    /// The word of the last line, `exit` where it is the end of an operation.
    var word: String
    var text: String
    var lines: [(word: String, text: String)]
    var exit: ProcessExit?
    var output: Output?

    /// nil when something is missing: the connection broke.
    init?(_ bytes: [UInt8]) {
        var lines: [(word: String, text: String)] = []
        var rest = bytes[...]
        var isWhole = false
        var output: Output?
        while !isWhole {
            guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
            let line = String(decoding: rest[..<end], as: UTF8.self)
            rest = rest[(end + 1)...]
            if line == "." {
                isWhole = true
                continue
            }
            let words = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
            let text = words.count > 1 ? String(words[1]) : ""
            guard words[0] == "output" else {
                lines.append((String(words[0]), text))
                continue
            }
            let values = text.split(separator: " ")
            guard let size = values.first.flatMap({ Int($0) }), size >= 0 else { return nil }
            output = .size(size)
            if values.count > 1 {
                guard rest.count > size else { return nil }
                output = .inline(Array(rest.prefix(size)))
                rest = rest.dropFirst(size + 1)
            }
        }
        self.lines = lines
        self.output = output
        if let line = lines.first(where: { $0.word == "exit" }) {
            guard let exit = Self.exit(line.text, lines.first { $0.word == "not-started" }?.text) else { return nil }
            self.exit = exit
        }
        let isEnd = exit != nil && lines.first?.word != "server"
        word = isEnd ? "exit" : lines.first?.word == "server" ? "server" : lines.last?.word ?? ""
        text = lines.last?.text ?? ""
    }

    func value(_ word: String) -> String? { lines.first { $0.word == word }?.text }

    /// `status signal timed-out interrupted started ended dropped leftovers`
    private static func exit(_ text: String, _ notStarted: String?) -> ProcessExit? {
        let values = text.split(separator: " ")
        guard values.count == 8, let started = Int64(values[4]), let ended = Int64(values[5]),
            let dropped = Int64(values[6]), let leftovers = Int(values[7])
        else { return nil }
        return ProcessExit(
            status: Int(values[0]),
            signal: Int(values[1]),
            timedOut: values[2] == "yes",
            interrupted: values[3] == "yes",
            notStarted: notStarted,
            startedAt: Timestamp(rawValue: started),
            // The clock of the machine may have been set back meanwhile.
            endedAt: Timestamp(rawValue: max(started, ended)),
            outputDropped: dropped,
            leftovers: leftovers
        )
    }
}
