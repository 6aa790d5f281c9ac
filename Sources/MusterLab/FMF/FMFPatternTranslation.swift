/// Translates a regular expression of Python's `re` (3.11) into one of ICU, whose matcher Foundation has.
///
/// Both differ in what `.`, `$`, `\w`, `\b` and `\Z` mean, in how groups are named and in what sets may hold; so
/// everything is read as Python reads it and written out anew. What Python refuses is refused, and so is what ICU
/// has not: conditional groups and characters by name.
struct FMFPatternTranslation {
    /// Names of groups, with their numbers.
    private(set) var names: [String: Int] = [:]
    private(set) var groupCount = 0

    let source: String
    let scalars: [Unicode.Scalar]
    var position = 0
    /// How wide a match of each group is that is closed.
    private var widths: [Int: Width] = [:]
    /// The groups below it stand outside of the lookbehind that is being read.
    private var lookbehindGroups: Int?
    private var depth = 0

    static let escapes: [Unicode.Scalar: Unicode.Scalar] = [
        "a": "\u{7}", "f": "\u{C}", "n": "\n", "r": "\r", "t": "\t", "v": "\u{B}", "\\": "\\",
    ]
    private static let depthMax = 100
    private static let widthMax = 1 << 20
    private static let repeatsMax = 65_535

    struct Flags {
        var ignoresCase = false
        var isMultiline = false
        var dotMatchesAll = false
        var isVerbose = false
        var isASCII = false
    }

    struct Width {
        var min = 0
        var max = 0
        static func + (a: Width, b: Width) -> Width {
            Width(min: Swift.min(a.min + b.min, widthMax), max: Swift.min(a.max + b.max, widthMax))
        }
    }

    /// A part that a repetition may follow.
    private struct Piece {
        enum Kind {
            case item
            /// `^`, `\b`: nothing to repeat.
            case position
            case repeated
        }
        var text: String
        var kind = Kind.item
        var width = Width(min: 1, max: 1)
    }

    /// Groups that stand before those of the expression where the translation is put.
    private let groupsBefore: Int

    init(_ source: String, groupsBefore: Int = 0) {
        self.source = source
        self.groupsBefore = groupsBefore
        scalars = Array(source.unicodeScalars)
    }

    func wrong(_ reason: String) -> FMFProblem { FMFProblem("the regular expression '\(source)' is wrong: \(reason)") }

    private func unsupported(_ what: String) -> FMFProblem {
        FMFProblem("the regular expression '\(source)' cannot be used here: it has \(what)")
    }

    var next: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard next == scalar else { return false }
        position += 1
        return true
    }

    mutating func translate() throws(FMFProblem) -> String {
        var flags = Flags()
        let body = try alternatives(&flags, isOutermost: true)
        guard position == scalars.count else { throw wrong("a ')' has no '('") }
        return flags.ignoresCase ? "(?i:\(body.text))" : body.text
    }

    private mutating func alternatives(
        _ flags: inout Flags,
        isOutermost: Bool = false
    ) throws(FMFProblem) -> (text: String, width: Width) {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthMax else { throw unsupported("groups more than \(Self.depthMax) deep") }
        var (text, width) = try sequence(&flags, isOutermost: isOutermost)
        while take("|") {
            let other = try sequence(&flags, isOutermost: false)
            text += "|" + other.text
            width = Width(min: min(width.min, other.width.min), max: max(width.max, other.width.max))
        }
        return (text, width)
    }

    private mutating func sequence(
        _ flags: inout Flags,
        isOutermost: Bool
    ) throws(FMFProblem) -> (text: String, width: Width) {
        var pieces: [Piece] = []
        while let scalar = next, scalar != "|", scalar != ")" {
            position += 1
            if flags.isVerbose {
                if " \t\n\r\u{B}\u{C}".unicodeScalars.contains(scalar) { continue }
                if scalar == "#" {
                    try skip(to: "\n")
                    continue
                }
            }
            switch scalar {
            case "*", "+", "?": try repeatLast(&pieces, scalar)
            case "{":
                if let (least, most) = try bounds() {
                    try repeatLast(&pieces, least, most)
                } else {
                    pieces.append(Piece(text: Self.literal(scalar)))
                }
            case "(":
                if let piece = try group(&flags, mayBeGlobal: isOutermost && pieces.isEmpty) { pieces.append(piece) }
            case "\\": pieces.append(try escape(flags))
            case "[": pieces.append(Piece(text: try set(flags)))
            case ".": pieces.append(Piece(text: flags.dotMatchesAll ? "[\\x{0}-\\x{10FFFF}]" : "[^\\n]"))
            case "^":
                let text = flags.isMultiline ? "(?:(?<=\\n)|\\A)" : "\\A"
                pieces.append(Piece(text: text, kind: .position, width: Width()))
            case "$":
                let text = flags.isMultiline ? "(?=\\n|\\z)" : "(?=\\n?\\z)"
                pieces.append(Piece(text: text, kind: .position, width: Width()))
            default: pieces.append(Piece(text: Self.literal(scalar)))
            }
        }
        return (pieces.map(\.text).joined(), pieces.reduce(Width()) { $0 + $1.width })
    }

    /// To the end of a comment. A `\` has the sign behind it skipped even there.
    private mutating func skip(to end: Unicode.Scalar) throws(FMFProblem) {
        while let scalar = next, scalar != end {
            position += 1
            guard scalar == "\\" else { continue }
            guard next != nil else { throw wrong("a '\\' ends it") }
            position += 1
        }
    }

    static func literal(_ scalar: Unicode.Scalar) -> String {
        if scalar.isASCII, scalar.properties.isAlphabetic || scalar.properties.numericType == .decimal {
            return String(Character(scalar))
        }
        return "\\x{\(String(scalar.value, radix: 16))}"
    }

    // MARK: Repetitions

    private mutating func number() -> Int? {
        var number: Int?
        while let scalar = next, (0x30...0x39).contains(scalar.value) {
            number = min((number ?? 0) * 10 + Int(scalar.value) - 0x30, Self.repeatsMax + 1)
            position += 1
        }
        return number
    }

    /// `{2,3}` behind its bracket; nil, with nothing taken, when it is text.
    private mutating func bounds() throws(FMFProblem) -> (least: Int, most: Int?)? {
        let start = position
        guard next != "}" else { return nil }
        let least = number()
        let most = take(",") ? number() : least
        let isOpen = scalars[position - 1] == ","
        guard take("}"), isOpen || most != nil else {
            position = start
            return nil
        }
        guard max(least ?? 0, most ?? 0) <= Self.repeatsMax else {
            throw unsupported("more than \(Self.repeatsMax) repetitions")
        }
        if let least, let most, most < least { throw wrong("in '{\(least),\(most)}' the least is more than the most") }
        return (least ?? 0, most)
    }

    private mutating func repeatLast(_ pieces: inout [Piece], _ sign: Unicode.Scalar) throws(FMFProblem) {
        switch sign {
        case "*": try repeatLast(&pieces, 0, nil)
        case "+": try repeatLast(&pieces, 1, nil)
        default: try repeatLast(&pieces, 0, 1)
        }
    }

    private mutating func repeatLast(_ pieces: inout [Piece], _ least: Int, _ most: Int?) throws(FMFProblem) {
        guard var piece = pieces.popLast(), piece.kind != .position else { throw wrong("there is nothing to repeat") }
        guard piece.kind != .repeated else { throw wrong("a repetition is repeated") }
        piece.text += "{\(least),\(most.map(String.init) ?? "")}"
        // `?` has as few as will do, `+` never gives back.
        if take("?") { piece.text += "?" } else if take("+") { piece.text += "+" }
        piece.kind = .repeated
        let (low, high) = (piece.width.min, piece.width.max)
        let widest = most.map { min(high.multipliedReportingOverflow(by: $0).partialValue, Self.widthMax) }
        piece.width = Width(
            min: min(low * least, Self.widthMax),
            max: widest ?? (high == 0 ? 0 : Self.widthMax)
        )
        pieces.append(piece)
    }

    // MARK: Escapes

    private mutating func escape(_ flags: Flags) throws(FMFProblem) -> Piece {
        guard let letter = next else { throw wrong("a '\\' ends it") }
        func position(_ text: String) -> Piece { Piece(text: text, kind: .position, width: Width()) }
        let word = Self.word(flags)
        switch letter {
        case "A":
            self.position += 1
            return position("\\A")
        case "Z":
            self.position += 1
            return position("\\z")
        case "b":
            self.position += 1
            return position("(?:(?<=[\(word)])(?![\(word)])|(?<![\(word)])(?=[\(word)]))")
        case "B":
            // Python finds none in empty text.
            self.position += 1
            return position("(?:(?<=[\(word)])(?=[\(word)])|(?<![\(word)])(?![\(word)])(?!\\A\\z))")
        case "1"..."9":
            if let piece = try reference() { return piece }
        default: break
        }
        if let category = category(flags) { return Piece(text: "[\(category)]") }
        return Piece(text: Self.literal(try character(inSet: false)))
    }

    /// `\1`; nil, with nothing taken, when it is a character by its octal number.
    private mutating func reference() throws(FMFProblem) -> Piece? {
        let digits = scalars[position...].prefix(3).map(\.value)
        if digits.count == 3, digits.allSatisfy({ (0x30...0x37).contains($0) }) { return nil }
        var number = Int(digits[0]) - 0x30
        position += 1
        if digits.count > 1, (0x30...0x39).contains(digits[1]) {
            number = number * 10 + Int(digits[1]) - 0x30
            position += 1
        }
        return try reference(to: number)
    }

    private func reference(to number: Int) throws(FMFProblem) -> Piece {
        guard number <= groupCount else { throw wrong("it has no group \(number) before this") }
        guard let width = widths[number] else { throw wrong("group \(number) refers to itself") }
        if let lookbehindGroups, number > lookbehindGroups {
            throw wrong("a group of a lookbehind is referred to inside of it")
        }
        return Piece(text: "(?:\\\(number + groupsBefore))", width: width)
    }

    // MARK: Groups

    /// Nil for what matches nothing and stands for nothing: a comment, flags for all.
    private mutating func group(_ flags: inout Flags, mayBeGlobal: Bool) throws(FMFProblem) -> Piece? {
        guard take("?") else { return try capture(nil, flags) }
        guard let sign = next else { throw wrong("'(?' ends it") }
        position += 1
        switch sign {
        case "P": return try named(flags)
        case ":": return try enclosed("(?:", flags)
        case ">": return try enclosed("(?>", flags)
        case "=", "!": return try lookaround("(?\(sign)", flags)
        case "<":
            guard let kind = next, kind == "=" || kind == "!" else { throw wrong("'(?<' wants '=' or '!'") }
            position += 1
            let outer = lookbehindGroups
            lookbehindGroups = outer ?? groupCount
            defer { lookbehindGroups = outer }
            return try lookaround("(?<\(kind)", flags, isBehind: true)
        case "#":
            try skip(to: ")")
            guard take(")") else { throw wrong("a comment is not closed") }
            return nil
        case "(": throw unsupported("a conditional group '(?(…)…)'")
        default:
            position -= 1
            return try flagged(&flags, mayBeGlobal: mayBeGlobal)
        }
    }

    private mutating func body(_ flags: Flags) throws(FMFProblem) -> (text: String, width: Width) {
        var flags = flags
        let body = try alternatives(&flags)
        guard take(")") else { throw wrong("a ')' is missing") }
        return body
    }

    private mutating func enclosed(_ start: String, _ flags: Flags) throws(FMFProblem) -> Piece {
        let body = try body(flags)
        return Piece(text: "\(start)\(body.text))", width: body.width)
    }

    private mutating func lookaround(
        _ start: String,
        _ flags: Flags,
        isBehind: Bool = false
    ) throws(FMFProblem) -> Piece {
        let body = try body(flags)
        guard !isBehind || body.width.min == body.width.max else {
            throw wrong("what a lookbehind looks for must have one width")
        }
        return Piece(text: "(?:\(start)\(body.text)))", width: Width())
    }

    private mutating func capture(_ name: String?, _ flags: Flags) throws(FMFProblem) -> Piece {
        groupCount += 1
        let number = groupCount
        guard number <= 100 else { throw unsupported("more than 100 groups") }
        if let name {
            guard names[name] == nil else { throw wrong("there are two groups '\(name)'") }
            names[name] = number
        }
        let body = try body(flags)
        widths[number] = body.width
        return Piece(text: "(\(body.text))", width: body.width)
    }

    private mutating func named(_ flags: Flags) throws(FMFProblem) -> Piece {
        guard let sign = next, sign == "<" || sign == "=" else { throw wrong("'(?P' wants '<name>' or '=name'") }
        position += 1
        let end: Unicode.Scalar = sign == "<" ? ">" : ")"
        var name = String.UnicodeScalarView()
        while let scalar = next, scalar != end {
            name.append(scalar)
            position += 1
        }
        let isName = name.allSatisfy(FMFText.isWord) && name.first.map { !(0x30...0x39).contains($0.value) } ?? false
        guard take(end), isName else { throw wrong("'\(String(name))' is no name of a group") }
        if sign == "<" { return try capture(String(name), flags) }
        guard let number = names[String(name)] else { throw wrong("it has no group '\(String(name))' before this") }
        return try reference(to: number)
    }

    /// `(?i)` at the beginning, and `(?i-s:…)`.
    private mutating func flagged(_ flags: inout Flags, mayBeGlobal: Bool) throws(FMFProblem) -> Piece? {
        var changed = flags
        var (isOff, hasOff, count) = (false, false, 0)
        while let letter = next, letter != ")", letter != ":" {
            position += 1
            switch letter {
            case "-" where !isOff: (isOff, hasOff) = (true, true)
            case "i": changed.ignoresCase = !isOff
            case "m": changed.isMultiline = !isOff
            case "s": changed.dotMatchesAll = !isOff
            case "x": changed.isVerbose = !isOff
            case "a" where !isOff: changed.isASCII = true
            case "u" where !isOff: changed.isASCII = false
            default: throw wrong("'(?\(Character(letter))' means nothing")
            }
            if letter != "-" { count += 1 }
        }
        guard let end = next else { throw wrong("a ')' is missing") }
        guard count > 0 else { throw wrong("a flag is missing behind '(?'") }
        position += 1
        if end == ")" {
            guard !hasOff else { throw wrong("flags for all cannot be taken back") }
            guard mayBeGlobal else { throw wrong("flags for all stand at the beginning") }
            flags = changed
            return nil
        }
        return try enclosed(changed.ignoresCase ? "(?i:" : flags.ignoresCase ? "(?-i:" : "(?:", changed)
    }
}
