/// A conductor's number in its state. A state that has one conductor at a time calls it 1.
package struct ConductorID: RawRepresentable, Hashable, Comparable, Sendable {
    package let rawValue: Int64
    package init(rawValue: Int64) { self.rawValue = rawValue }
    package init(_ rawValue: Int64) { self.rawValue = rawValue }

    /// The conductor of a state that has one at a time: its liveness is a lock outside the store.
    package static let sole = ConductorID(1)

    package static func < (a: ConductorID, b: ConductorID) -> Bool { a.rawValue < b.rawValue }
}

/// A conductor's right to write: it holds while the store knows the conductor under this epoch, and alive.
package struct Term: Hashable, Sendable {
    package let conductor: ConductorID
    /// Epochs of one state come from one counter: no two terms share one, and a later one is higher.
    package let epoch: Epoch
    package init(conductor: ConductorID, epoch: Epoch) {
        self.conductor = conductor
        self.epoch = epoch
    }
}

/// The labs that a conductor holds.
package struct Claim: Hashable, Sendable {
    /// The taker's term from now on: a former holder's supervisors obey only an epoch above that one's.
    package var term: Term
    /// By name.
    package var labs: [String]
    package init(term: Term, labs: [String]) {
        self.term = term
        self.labs = labs
    }
}

/// Numbers that nobody else will use.
package struct NumberBlock: Hashable, Sendable {
    package var plans: ClosedRange<Int64>?
    package var nodes: ClosedRange<Int64>?
    package init(plans: ClosedRange<Int64>?, nodes: ClosedRange<Int64>?) {
        self.plans = plans
        self.nodes = nodes
    }
}

/// How long a conductor counts as alive, when a state has several.
package struct Lease: Hashable, Sendable {
    /// From one renewal to its end, unless renewed again.
    package var length: Duration
    /// What clocks and scheduling may differ by: the holder stops this much before the end, others wait this much
    /// after.
    package var margin: Duration

    package init(length: Duration = .seconds(5), margin: Duration = .milliseconds(400)) {
        self.length = length
        self.margin = margin
    }

    /// How long an idle conductor waits before it renews its lease and looks for those that are lost. With the margin
    /// it keeps a take-over within the lease and a second.
    package var care: Duration { min(length / 4, .milliseconds(500)) }
}

/// Numbers for new plans or nodes, in order.
package struct NumberRange: Hashable, Sendable {
    private var next: Int64
    private var last: Int64

    /// All that follow the highest in use: for who has the state to itself.
    package init(after highest: Int64) {
        next = highest + 1
        last = .max
    }

    package init(_ block: ClosedRange<Int64>?) {
        next = block?.lowerBound ?? 1
        last = block?.upperBound ?? 0
    }

    package var left: Int64 { last - next + 1 }

    mutating func take() -> Int64 {
        precondition(next <= last, "the numbers set aside for this conductor are used up at \(last)")
        defer { next += 1 }
        return next
    }
}
