/// How a suite uses its pool of nodes, beside the number of reruns.
package struct SuitePolicy: Hashable, Sendable, Codable {
    /// Where a test that has failed runs again.
    package enum RerunPlace: String, Hashable, Sendable, Codable, CaseIterable {
        /// On the next free node.
        case any
        /// On the node on which it failed, as long as that is there.
        case same
        /// On a node on which it has not failed yet, as long as there is, or will be, one.
        case other
        /// On a node that is made anew: that on which it failed makes way.
        case fresh
    }
    package var rerunOn: RerunPlace
    /// Of which outcomes a test runs again: `fail`, `error`.
    package var rerunWhen: [Outcome]
    /// After which outcomes a node is made anew, as after a destructive test.
    package var renewAfter: [Outcome]
    /// After so many tests have failed for good the others are not run; nil for never.
    package var stopAfter: Int?
    /// Nodes besides those of the group's `count` that are set up to stand in at once.
    package var spares: Int

    package init() {
        rerunOn = .any
        rerunWhen = [.fail, .error]
        renewAfter = []
        stopAfter = nil
        spares = 0
    }
}

extension TestSpec {
    /// The state of a node in which it finds what it wants, by its first tag `snapshot:NAME`; nil when it has none.
    package var snapshot: String? {
        let prefix = "snapshot:"
        return tags.first { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
    }
}

extension RunSpec {
    /// The snapshots that its tests name, each with a number.
    var snapshots: [String: Int32] {
        var numbers: [String: Int32] = [:]
        for suite in suites where suite.order == .sameSnapshot {
            for test in suite.tests {
                if let name = test.snapshot, numbers[name] == nil { numbers[name] = Int32(numbers.count) }
            }
        }
        return numbers
    }

    /// The groups whose nodes are one pool, for each pool of the run: suites on the same groups share one.
    package var poolGroups: [Set<String>] {
        let known = Set(groups.map(\.name))
        var pools: [Set<String>] = []
        for suite in suites {
            let names = Set(suite.groups)
            if names.isSubset(of: known), !pools.contains(names) { pools.append(names) }
        }
        return pools
    }
}
