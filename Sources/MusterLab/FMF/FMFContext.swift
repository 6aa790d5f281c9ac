/// What is known of where tests shall run: from dimensions, such as `distro`, to their values.
///
/// A dimension may have several values; one that is not there leaves rules over it undecided.
package struct FMFContext: Sendable {
    /// What becomes of a rule that cannot be decided.
    package enum Undecided: Sendable {
        /// It does not apply.
        case skip
        /// It is an error of the tree.
        case refuse
    }

    let dimensions: [String: [FMFContextValue]]
    /// Whether `Fedora` and `fedora` are different; they are by default.
    let isCaseSensitive: Bool

    /// From dimensions to all values of each; one with none leaves rules over it undecided.
    package init(_ dimensions: [String: [String]], isCaseSensitive: Bool = true) {
        self.dimensions = dimensions.mapValues { $0.map { FMFContextValue($0) } }
        self.isCaseSensitive = isCaseSensitive
    }

    private init(_ dimensions: [String: [FMFContextValue]], isCaseSensitive: Bool) {
        self.dimensions = dimensions
        self.isCaseSensitive = isCaseSensitive
    }

    /// The same with dimensions that it does not have itself.
    func adding(_ others: [String: [String]]) -> FMFContext {
        let others = others.mapValues { $0.map { FMFContextValue($0) } }
        return FMFContext(dimensions.merging(others) { own, _ in own }, isCaseSensitive: isCaseSensitive)
    }

    /// From words such as `distro=fedora-40` or `arch=x86_64,aarch64`; of a dimension that is given twice, all values.
    ///
    /// - Throws: `FMFRule.Invalid` for a word that has no `=`, or no name before it.
    package init(words: [String]) throws(FMFRule.Invalid) {
        var dimensions: [String: [String]] = [:]
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty else {
                throw FMFRule.Invalid(rule: word, reason: "a dimension of a context is 'name=value'")
            }
            let values = parts[1].split(separator: ",").map(String.init)
            dimensions[String(parts[0]), default: []] += values
        }
        self.init(dimensions)
    }
}

/// A value of a dimension: a name, and parts of a version behind `-`, `.` or `:`.
struct FMFContextValue: Sendable {
    let text: String
    let parts: [Part]

    struct Part: Sendable {
        let text: String
        /// The digits without zeros before them, when the part is a whole number.
        let digits: String?
    }

    init(_ text: String) {
        self.text = text
        parts = text.unicodeScalars.split(omittingEmptySubsequences: false) { $0 == ":" || $0 == "-" || $0 == "." }
            .map { Part(String($0)) }
    }
}

extension FMFContextValue.Part {
    /// Longer numbers Python does not read, and then they compare as text.
    private static let digitsMax = 4_300

    init(_ text: String) {
        self.text = text
        digits = Self.digits(of: text)
    }

    /// As `int` reads it: blanks around it, `+`, and single `_` between digits of any script.
    private static func digits(of text: String) -> String? {
        var rest = FMFText.stripped(text[...].unicodeScalars)
        if rest.first == "+" { rest.removeFirst() }
        var digits = ""
        var wasDigit = false
        for scalar in rest {
            if scalar == "_" {
                guard wasDigit else { return nil }
                wasDigit = false
            } else {
                guard scalar.properties.numericType == .decimal, let value = scalar.properties.numericValue
                else { return nil }
                digits += String(Int(value))
                wasDigit = true
            }
        }
        guard wasDigit, digits.utf8.count <= digitsMax else { return nil }
        let significant = digits.drop { $0 == "0" }
        return String(significant)
    }

    /// As sorting has it: numerically when both are whole numbers, as text otherwise.
    func order(_ other: Self, isCaseSensitive: Bool) -> FMFOrder {
        if let a = digits, let b = other.digits {
            if a.utf8.count != b.utf8.count { return a.utf8.count < b.utf8.count ? .less : .greater }
            return a == b ? .equal : a.precedes(b) ? .less : .greater
        }
        let (a, b) = isCaseSensitive ? (text, other.text) : (Self.folded(text), Self.folded(other.text))
        return a.isSame(as: b) ? .equal : a.precedes(b) ? .less : .greater
    }

    /// Whether the text is the same: `08` is not `8`.
    func isSame(as other: Self, isCaseSensitive: Bool) -> Bool {
        isCaseSensitive ? text.isSame(as: other.text) : Self.folded(text).isSame(as: Self.folded(other.text))
    }

    private static func folded(_ text: String) -> String { text.uppercased().lowercased() }
}

enum FMFOrder {
    case less
    case equal
    case greater
}

extension FMFContextValue {
    /// Compares the value of a dimension with the one that a rule names, which says how exact the comparison is:
    /// `centos-8.3` equals `centos-8` and not the other way around.
    ///
    /// - Parameters:
    ///   - isMinor: as the operators with `~` compare: minor versions only within the same major one.
    ///   - isOrdered: whether the order matters; otherwise what differs is `.greater`.
    /// - Returns: nil when they cannot be compared.
    func compared(
        with wanted: FMFContextValue,
        isMinor: Bool,
        isOrdered: Bool,
        isCaseSensitive: Bool
    ) -> FMFOrder? {
        guard parts[0].isSame(as: wanted.parts[0], isCaseSensitive: isCaseSensitive) else {
            return isOrdered ? nil : .greater
        }
        if isMinor, wanted.parts.count > 1 {
            guard parts.count > 1 else { return nil }
            if !parts[1].isSame(as: wanted.parts[1], isCaseSensitive: isCaseSensitive) {
                if !isOrdered { return .greater }
                if wanted.parts.count > 2 { return nil }
            }
        }
        for (own, other) in zip(parts, wanted.parts).dropFirst() {
            let order = own.order(other, isCaseSensitive: isCaseSensitive)
            if order != .equal { return order }
        }
        guard wanted.parts.count > parts.count else { return .equal }
        if isMinor { return nil }
        guard isOrdered else { return .greater }
        return parts.count == 1 ? nil : .less
    }
}
