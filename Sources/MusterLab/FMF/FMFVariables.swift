import MusterCore

/// Variables of an environment from a file: `NAME=value` a line, as a shell would quote them, or YAML.
struct FMFVariables {
    private(set) var values: [String: String] = [:]
    private static let sizeMax = 1 << 20

    /// - Throws: what is wrong, with its line.
    init(contentsOf path: String) throws(FMFError) {
        let bytes: [UInt8]
        do throws(FMFProblem) {
            bytes = try FMFDisk.bytes(of: path, limit: Self.sizeMax)
        } catch {
            throw FMFError([Diagnostic(file: path, message: error.message, hint: error.hint)])
        }
        guard bytes.count <= Self.sizeMax else {
            throw FMFError([Diagnostic(file: path, message: "it is larger than \(Self.sizeMax >> 20) MiB")])
        }
        if path.hasSuffix(".yaml") || path.hasSuffix(".yml") {
            try readYAML(bytes, path)
        } else {
            try readLines(String(decoding: bytes, as: UTF8.self), path)
        }
    }

    private mutating func readYAML(_ bytes: [UInt8], _ path: String) throws(FMFError) {
        var sink = DiagnosticSink(SourceText(file: path, bytes: bytes))
        guard LabParser.isUTF8(bytes, &sink), let read = FMFReader.read(file: 0, into: &sink) else {
            throw FMFError(sink.sorted)
        }
        if case .null = read.value { return }
        for entry in read.value.map?.entries ?? [] {
            guard case .string(let name) = entry.key, FMFSubject.isVariable(name),
                let text = FMFSubject.text(entry.value)
            else {
                let line = Int(entry.place.line)
                throw FMFError([Diagnostic(file: path, line: line, message: "that is no name with a text or number")])
            }
            values[name] = text
        }
        if read.value.map == nil {
            throw FMFError([Diagnostic(file: path, message: "it is \(read.value.kindWord), not names with values")])
        }
    }

    /// Words as Python's `shlex` has them, `#` begins a comment; each word is a variable.
    private mutating func readLines(_ text: String, _ path: String) throws(FMFError) {
        var (word, line, start): (String?, Int, Int) = (nil, 1, 1)
        var quote: Character?
        var isEscaped = false
        var isComment = false
        func end(_ values: inout [String: String]) throws(FMFError) {
            guard let whole = word else { return }
            word = nil
            let parts = whole.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, FMFSubject.isVariable(String(parts[0])) else {
                let hint = "a line is NAME=value, with quotes around a value that has blanks"
                let message = "'\(printable(String(parts[0])))' is no variable"
                throw FMFError([Diagnostic(file: path, line: start, message: message, hint: hint)])
            }
            values[String(parts[0])] = String(parts[1])
        }
        for character in text {
            if character.isNewline { line += 1 }
            if isComment {
                isComment = !character.isNewline
            } else if isEscaped {
                // In quotes it stands before what it takes the meaning from, and is a character before all else.
                if quote != nil, character != quote, character != "\\" { word? += "\\" }
                word = (word ?? "") + String(character)
                isEscaped = false
            } else if character == "\\", quote != "'" {
                if word == nil { start = line }
                word = word ?? ""
                isEscaped = true
            } else if let open = quote {
                if character == open { quote = nil } else { word? += String(character) }
            } else if character == "'" || character == "\"" {
                if word == nil { start = line }
                word = word ?? ""
                quote = character
            } else if character.isWhitespace {
                try end(&values)
            } else if character == "#" {
                try end(&values)
                isComment = true
            } else {
                if word == nil { start = line }
                word = (word ?? "") + String(character)
            }
        }
        guard quote == nil else {
            throw FMFError([Diagnostic(file: path, line: start, message: "a quote is not closed that begins here")])
        }
        try end(&values)
    }
}

extension FMFSubject {
    /// The variables of files of the tree, of later files before those of earlier ones.
    func files(_ key: String) throws(FMFError) -> [String: String] {
        var variables: [String: String] = [:]
        for path in try lines(key, wants: "a file of the tree") {
            if path.contains("://") {
                throw wrong(
                    key,
                    "is at '\(printable(path))', and nothing is fetched",
                    hint: "put the file into the tree"
                )
            }
            let parts = path.split(separator: "/").filter { $0 != "." }
            guard !parts.contains(".."), !path.hasPrefix("/") else {
                throw wrong(key, "leads out of the tree", hint: "it is a path from the root of the tree")
            }
            let place = "\(tree.root)/\(parts.joined(separator: "/"))"
            guard FMFDisk.kind(of: place) == .file else {
                throw wrong(key, "names '\(printable(path))', which is no file of the tree")
            }
            variables.merge(try FMFVariables(contentsOf: place).values) { $1 }
        }
        return variables
    }
}
