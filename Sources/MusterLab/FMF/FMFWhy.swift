/// What one rule of `adjust` did to a node.
package struct FMFRuleReport: Sendable {
    /// What became of the rule.
    package enum Outcome: String, Hashable, Sendable {
        case applied
        /// The rule is false in the context.
        case notApplied = "not applied"
        /// The context says too little.
        case undecided
        /// A rule before it applied and has `continue: false`.
        case notReached = "not reached"
        /// The tree was read without a context.
        case notAsked = "not asked"
    }

    /// A key of the node that the rule changed.
    package struct Change: Sendable {
        /// Without a suffix.
        package let key: String
        /// Nil when the node had no such key.
        package let before: FMFValue?
        /// Nil when the rule took it away.
        package let after: FMFValue?
    }

    /// What stands in `when`; empty when it is missing, and the rule always applies.
    package let rule: String
    /// What stands in `because`.
    package let reason: String?
    /// Where the rule stands; nil for one that no file holds.
    package let location: FMFLocation?
    /// What became of it.
    package let outcome: Outcome
    /// In the order of the rule.
    package let changes: [Change]
}

extension FMFTree {
    /// What each rule of a node did to it, in their order.
    ///
    /// - Throws: what is wrong with a rule that reading the tree without a context did not look at.
    package func why(_ node: FMFNode) throws(FMFError) -> [FMFRuleReport] {
        guard let position = node.inherited.position(of: .string(FMFAdjustment.key)) else { return [] }
        let entry = node.inherited.entries[position]
        do throws(FMFProblem) {
            let rules = try FMFAdjustment.rules(entry.value, node.name, entry.place)
            var reports = context == nil ? [] : try replay(node)
            for rule in rules.dropFirst(reports.count) {
                reports.append(report(rule.map ?? FMFMap(), context == nil ? .notAsked : .notReached, []))
            }
            return reports
        } catch {
            throw FMFError([diagnostic(error)])
        }
    }

    private func replay(_ node: FMFNode) throws(FMFProblem) -> [FMFRuleReport] {
        guard let context else { return [] }
        var adjustment = FMFAdjustment(context, undecided, merge: FMFMerge(budget: FMFBudget()))
        var data = node.inherited
        var before = data
        var reports: [FMFRuleReport] = []
        try adjustment.adjust(&data, of: node.name) { rule, outcome, now in
            var copies = FMFCopies()
            let after = (try? copies.resolve(now)) ?? now
            switch outcome {
            case .applied: reports.append(report(rule, .applied, changes(of: rule, from: before, to: after)))
            case .notApplied: reports.append(report(rule, .notApplied, []))
            case .undecided: reports.append(report(rule, .undecided, []))
            }
            before = after
        }
        return reports
    }

    private func report(
        _ rule: FMFMap,
        _ outcome: FMFRuleReport.Outcome,
        _ changes: [FMFRuleReport.Change]
    ) -> FMFRuleReport {
        let place = rule.position(of: .string("when")).map { rule.entries[$0].place } ?? rule.entries.first?.place
        return FMFRuleReport(
            rule: FMFAdjustment.text(of: rule),
            reason: rule["because"]?.string,
            location: place.flatMap { location($0) },
            outcome: outcome,
            changes: changes
        )
    }

    private func changes(of rule: FMFMap, from before: FMFMap, to after: FMFMap) -> [FMFRuleReport.Change] {
        var seen: Set<String> = []
        var changes: [FMFRuleReport.Change] = []
        for entry in rule.entries {
            guard case .string(let key) = entry.key, !["when", "because", "continue"].contains(key) else { continue }
            let root = FMFSuffix.split(key).root
            guard seen.insert(root).inserted else { continue }
            let (old, new) = (before[root], after[root])
            let texts = (old.flatMap { try? FMFExport.json($0) }, new.flatMap { try? FMFExport.json($0) })
            if texts.0 != texts.1 { changes.append(FMFRuleReport.Change(key: root, before: old, after: new)) }
        }
        return changes
    }
}
