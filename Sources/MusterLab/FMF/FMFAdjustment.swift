/// Applies the rules of `adjust` to nodes.
///
/// Every node applies the rules that it has, its parents' among them, to its own data; what rules made of a parent
/// does not reach its children.
struct FMFAdjustment {
    static let key = "adjust"
    /// Keys of a rule that are about the rule.
    private static let controls: Set<String> = ["when", "because", "continue"]

    /// What became of a rule.
    enum Outcome {
        case applied
        case notApplied
        case undecided
    }

    let context: FMFContext
    let undecided: FMFContext.Undecided
    var merge: FMFMerge
    /// Decisions by the texts of rules: thousands of nodes inherit the same ones.
    private var decisions: [String: Result<FMFRule.Decision, FMFRule.Invalid>] = [:]

    init(_ context: FMFContext, _ undecided: FMFContext.Undecided, merge: FMFMerge) {
        self.context = context
        self.undecided = undecided
        self.merge = merge
    }

    mutating func adjust(_ branch: FMFBranch) throws(FMFProblem) {
        try adjust(&branch.data, of: branch.name)
        for child in branch.children { try adjust(child) }
    }

    /// - Parameter report: is told of every rule that was reached, with the data as it then is.
    mutating func adjust(
        _ data: inout FMFMap,
        of node: String,
        report: (FMFMap, Outcome, FMFMap) -> Void = { _, _, _ in }
    ) throws(FMFProblem) {
        guard let position = data.position(of: .string(Self.key)) else { return }
        merge.node = node
        let place = data.entries[position].place
        var rules = try Self.rules(data.entries[position].value, node, place)
        if needsSharing(rules) {
            // A rule's mappings become the node's own, and stay the rule's: both show later changes.
            let shared = try merge.shared(data.entries[position].value)
            data.put(position, shared)
            rules = try Self.rules(shared, node, place)
        }
        for item in rules {
            try merge.spend(1)
            guard let rule = item.map else {
                let message = "a rule of 'adjust' in \(node) is \(item.kindWord), not a mapping"
                throw FMFProblem(message, hint: "such as '- when: distro == fedora'", at: place)
            }
            let start = rule.entries.first?.place ?? place
            let goesOn = try continues(rule, node)
            switch try decide(rule, node, start) {
            case .matches:
                try merge.apply(try changes(rule), to: &data)
                report(rule, .applied, data)
                if !goesOn { return }
            case .doesNotMatch: report(rule, .notApplied, data)
            case .cannotDecide:
                report(rule, .undecided, data)
                guard undecided == .skip else {
                    let message = "the rule '\(Self.text(of: rule))' in \(node) cannot be decided"
                    throw FMFProblem(message, hint: "give the context a value for each dimension", at: start)
                }
            }
        }
    }

    static func rules(_ value: FMFValue, _ node: String, _ place: FMFPlace) throws(FMFProblem) -> [FMFValue] {
        if value.map != nil { return [value] }
        if case .list(let rules) = value { return rules }
        let message = "'adjust' in \(node) is \(value.kindWord)"
        throw FMFProblem(message, hint: "it is a rule, or a list of rules", at: place)
    }

    /// Whether rules may put mappings of theirs into the node, or change each other.
    private func needsSharing(_ rules: [FMFValue]) -> Bool {
        rules.contains { rule in
            rule.map?.entries.contains { entry in
                if entry.value.holdsMapping { return true }
                guard case .string(let key) = entry.key else { return false }
                return key.hasPrefix(Self.key)
            } ?? false
        }
    }

    private func changes(_ rule: FMFMap) throws(FMFProblem) -> FMFMap {
        var changes = rule
        try changes.removeAll { key in
            guard case .string(let word) = key else { return false }
            return Self.controls.contains(word)
        }
        return changes
    }

    private func continues(_ rule: FMFMap, _ node: String) throws(FMFProblem) -> Bool {
        guard let position = rule.position(of: .string("continue")) else { return true }
        let entry = rule.entries[position]
        guard case .bool(let flag) = entry.value else {
            throw FMFProblem(
                "'continue' in \(node) is \(entry.value.kindWord)",
                hint: "it is true or false",
                at: entry.place
            )
        }
        return flag
    }

    private mutating func decide(
        _ rule: FMFMap,
        _ node: String,
        _ start: FMFPlace
    ) throws(FMFProblem) -> FMFRule.Decision {
        guard let position = rule.position(of: .string("when")) else { return .matches }
        let entry = rule.entries[position]
        switch entry.value {
        case .bool(let flag): return flag ? .matches : .doesNotMatch
        case .string(let text):
            do throws(FMFRule.Invalid) {
                return try decision(text)
            } catch {
                throw FMFProblem("'when' in \(node): \(error.reason)", hint: error.hint, at: entry.place)
            }
        case .null, .int, .largeInt, .float, .date, .list, .map, .shared:
            let hint = "it is a rule, true or false"
            throw FMFProblem("'when' in \(node) is \(entry.value.kindWord)", hint: hint, at: entry.place)
        }
    }

    private mutating func decision(_ text: String) throws(FMFRule.Invalid) -> FMFRule.Decision {
        if let known = decisions[text] { return try known.get() }
        let result: Result<FMFRule.Decision, FMFRule.Invalid>
        do throws(FMFRule.Invalid) {
            result = .success(try FMFRule(text).decide(context))
        } catch {
            result = .failure(error)
        }
        decisions[text] = result
        return try result.get()
    }

    /// The text of a rule's `when`; empty when it has none and always applies.
    static func text(of rule: FMFMap) -> String {
        switch rule["when"] {
        case .string(let text)?: text
        case .bool(let flag)?: flag ? "true" : "false"
        default: ""
        }
    }
}
