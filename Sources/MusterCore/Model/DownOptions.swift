/// How a `down` goes about it, beside which groups it takes down.
package struct DownOptions: Hashable, Sendable, Codable {
    /// What needs a group that goes, goes before it.
    package var cascades: Bool
    /// Goes on over what cannot be undone or destroyed, and takes down what others still need.
    package var forces: Bool
    /// Groups that stay, and with them what they need.
    package var kept: [String]

    package init(cascades: Bool = false, forces: Bool = false, kept: [String] = []) {
        self.cascades = cascades
        self.forces = forces
        self.kept = kept
    }
}

/// The nodes that an `up` takes away, each of which its user has seen named: others are left alone, whatever happened
/// since.
package struct RunChanges: Hashable, Sendable, Codable {
    /// Those that are made anew.
    package var remade: [NodeID]
    /// Those that the lab does not have any more.
    package var removed: [NodeID]

    package init(remade: [NodeID] = [], removed: [NodeID] = []) {
        self.remade = remade
        self.removed = removed
    }

    var all: Set<NodeID> { Set(remade).union(removed) }
}

extension RunSpec {
    /// Whether a `down` with this request takes a group down.
    package func takesDown(_ group: String) -> Bool {
        verb == .down && (downGroups.isEmpty || downGroups.contains(group))
            && downOptions?.kept.contains(group) != true
    }

    /// Whether it takes everything down.
    var takesDownAll: Bool { verb == .down && downGroups.isEmpty && downOptions?.kept.isEmpty != false }

    /// Whether an error of a teardown is reported and passed over.
    var passesOverErrors: Bool { downOptions?.forces == true }

    /// Whether a person asked for its teardown, who hears of what cannot be undone and can try again. Then the first
    /// error on a node stops its teardown, and what it needs stays. At the end of tests nobody is there to ask.
    var tearsDownStrictly: Bool { verb == .down ? !passesOverErrors : changes != nil }
}
