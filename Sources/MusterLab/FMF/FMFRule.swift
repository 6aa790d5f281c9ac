/// A rule of `when`: `distro == fedora and arch != s390x or component ~ ^python`.
///
/// The rules are those of fmf 1.7: groups between `or`, in them conditions between `and`, no parentheses; a
/// condition is `true`, `false`, `dimension OPERATOR value, value`, `dimension is defined` or
/// `dimension is not defined`.
package struct FMFRule: Sendable {
    /// What a rule says of a context.
    package enum Decision: String, Hashable, Sendable {
        case matches = "true"
        case doesNotMatch = "false"
        /// A dimension is not known, or its values cannot be compared.
        case cannotDecide = "cannot-decide"
    }

    /// Why a text is no rule, or cannot be asked: the text, what is wrong, what would be right.
    package struct Invalid: Error, Hashable, Sendable, CustomStringConvertible {
        /// The rule as it is written.
        package var rule: String
        /// What is wrong with it.
        package var reason: String
        /// What would be right; empty when the reason says it.
        package var hint: String

        init(rule: String, reason: String, hint: String = "") {
            self.rule = rule
            self.reason = reason
            self.hint = hint
        }

        /// For people, in one line.
        package var description: String { "'\(rule)' is no rule: \(reason)" + (hint.isEmpty ? "" : "; \(hint)") }
    }

    enum Condition: Sendable {
        case constant(Bool)
        case isDefined(String, Bool)
        case comparison(dimension: String, Comparison, [FMFContextValue], [FMFPatternSource])
    }

    /// An operator.
    enum Comparison: String, Sendable, CaseIterable {
        // In the order in which they are looked for: a longer one that begins with a shorter one is tried when the
        // shorter one leads nowhere.
        case less = "<"
        case minorLess = "~<"
        case lessOrEqual = "<="
        case minorLessOrEqual = "~<="
        case equal = "=="
        case minorEqual = "~="
        case notEqual = "!="
        case minorNotEqual = "~!="
        case greaterOrEqual = ">="
        case minorGreaterOrEqual = "~>="
        case greater = ">"
        case minorGreater = "~>"
        case match = "~"
        case noMatch = "!~"
    }

    /// The rule as it is written.
    package let text: String
    let groups: [[Condition]]

    static let textMax = 65_536

    /// - Throws: `Invalid` when it is no rule.
    package init(_ text: String) throws(Invalid) {
        guard text.utf8.count <= Self.textMax else {
            throw Invalid(rule: String(text.prefix(64)) + "…", reason: "it has more than \(Self.textMax) bytes")
        }
        self.text = text
        groups = try FMFRuleParser.groups(of: text)
    }

    /// A rule that is always, or never, true.
    package init(_ constant: Bool) {
        text = constant ? "true" : "false"
        groups = [[.constant(constant)]]
    }

    /// What the rule says of a context: `false` stands above what is not known in a group, `true` above everything
    /// between groups.
    ///
    /// - Throws: `Invalid` when a regular expression in it is none.
    package func decide(_ context: FMFContext) throws(Invalid) -> Decision {
        var isUnknown = false
        for group in groups {
            switch try decide(group, context) {
            case .matches: return .matches
            case .doesNotMatch: break
            case .cannotDecide: isUnknown = true
            }
        }
        return isUnknown ? .cannotDecide : .doesNotMatch
    }

    private func decide(_ group: [Condition], _ context: FMFContext) throws(Invalid) -> Decision {
        var decision = Decision.matches
        for condition in group {
            switch try decide(condition, context) {
            case .matches: break
            case .doesNotMatch: return .doesNotMatch
            case .cannotDecide: decision = .cannotDecide
            }
        }
        return decision
    }

    private func decide(_ condition: Condition, _ context: FMFContext) throws(Invalid) -> Decision {
        switch condition {
        case .constant(let flag): return flag ? .matches : .doesNotMatch
        case .isDefined(let dimension, let isDefined):
            return (context.dimensions[dimension] != nil) == isDefined ? .matches : .doesNotMatch
        case .comparison(let dimension, let comparison, let wanted, let patterns):
            var isDecided = false
            for own in context.dimensions[dimension] ?? [] {
                for (index, value) in wanted.enumerated() {
                    let pattern = patterns.isEmpty ? nil : patterns[index]
                    guard let holds = try holds(comparison, own, value, pattern, context) else { continue }
                    if holds { return .matches }
                    isDecided = true
                }
            }
            return isDecided ? .doesNotMatch : .cannotDecide
        }
    }

    /// Whether the comparison holds for two values; nil when they cannot be compared.
    private func holds(
        _ comparison: Comparison,
        _ own: FMFContextValue,
        _ wanted: FMFContextValue,
        _ pattern: FMFPatternSource?,
        _ context: FMFContext
    ) throws(Invalid) -> Bool? {
        func order(isMinor: Bool = false, isOrdered: Bool = true) -> FMFOrder? {
            let isCaseSensitive = context.isCaseSensitive
            return own.compared(with: wanted, isMinor: isMinor, isOrdered: isOrdered, isCaseSensitive: isCaseSensitive)
        }
        switch comparison {
        case .less: return order().map { $0 == .less }
        case .minorLess: return order(isMinor: true).map { $0 == .less }
        case .lessOrEqual: return order().map { $0 != .greater }
        case .minorLessOrEqual: return order(isMinor: true).map { $0 != .greater }
        case .equal: return order(isOrdered: false).map { $0 == .equal }
        case .minorEqual: return order(isMinor: true, isOrdered: false).map { $0 == .equal }
        case .notEqual: return order(isOrdered: false).map { $0 != .equal }
        case .minorNotEqual: return order(isMinor: true, isOrdered: false).map { $0 != .equal }
        case .greaterOrEqual: return order().map { $0 != .less }
        case .minorGreaterOrEqual: return order(isMinor: true).map { $0 != .less }
        case .greater: return order().map { $0 == .greater }
        case .minorGreater: return order(isMinor: true).map { $0 == .greater }
        case .match: return try isFound(pattern, in: own)
        case .noMatch: return try !isFound(pattern, in: own)
        }
    }

    private func isFound(_ source: FMFPatternSource?, in value: FMFContextValue) throws(Invalid) -> Bool {
        do throws(FMFProblem) {
            return try source?.pattern().isFound(in: value.text) ?? false
        } catch {
            throw Invalid(rule: text, reason: error.message, hint: error.hint)
        }
    }
}
