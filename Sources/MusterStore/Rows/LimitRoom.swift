package import MusterCore

/// What a limit has to give at one moment: how many hold it, and where its schedule is.
package struct LimitRoom: Hashable, Sendable {
    package let limit: LimitRow
    package private(set) var scheduled: Timestamp?
    package private(set) var held: Int

    package init(_ limit: LimitRow, scheduled: Timestamp? = nil, held: Int = 0) {
        self.limit = limit
        self.scheduled = scheduled
        self.held = held
    }

    /// What a limit is that nobody has defined: a name that one at a time may hold.
    package static func undefined(_ name: String) -> LimitRow { LimitRow(name: name, size: 1) }

    private var isFull: Bool { limit.size.map { held >= $0 } ?? false }

    /// Grants to those that wait, in the order in which `next` gives them, for as long as there is something to give.
    /// `next` is never asked for more than that.
    package mutating func grant<Waiting, Failure: Error>(
        now: Timestamp,
        next: () throws(Failure) -> Waiting?
    ) throws(Failure) -> [Waiting] {
        var granted: [Waiting] = []
        while !isFull, let after = RateRule.grant(limit, scheduled: scheduled, now: now), let waiting = try next() {
            if limit.interval > .zero { scheduled = after }
            held += 1
            granted.append(waiting)
        }
        return granted
    }

    /// When one may be granted that only the rate holds back; nil when something else does, or nothing.
    package var nextGrantAt: Timestamp? { isFull ? nil : RateRule.nextGrant(limit, scheduled: scheduled) }
}
