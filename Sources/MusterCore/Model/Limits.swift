/// How many steps or plans of a whole state may do something at once, or how often: decided in the store, so that it
/// holds across conductors.
package struct LimitRow: Hashable, Sendable {
    package var name: String
    /// How many may hold it at once; nil for any number.
    package var size: Int?
    /// How far apart two grants are on average; zero for no rate.
    package var interval: Duration
    /// How many grants may come at once after a time without any.
    package var burst: Int

    package init(name: String, size: Int?, interval: Duration = .zero, burst: Int = 1) {
        self.name = name
        self.size = size
        self.interval = interval
        self.burst = burst
    }
}

/// That a step asks for a limit, or holds it.
package struct PermitRow: Hashable, Sendable {
    /// Its index is -1 where the plan itself asks.
    package var step: StepID
    package var limit: String
    /// Of those that wait, the higher goes first, then who asked first.
    package var priority: Int64
    package var isHeld: Bool

    package init(step: StepID, limit: String, priority: Int64 = 0, isHeld: Bool = false) {
        self.step = step
        self.limit = limit
        self.priority = priority
        self.isHeld = isHeld
    }
}

/// Which permits a conductor's plans hold, and when another may be granted only because time has passed.
package struct Permits: Hashable, Sendable {
    package var rows: [PermitRow]
    package var nextGrantAt: Timestamp?
    package init(rows: [PermitRow] = [], nextGrantAt: Timestamp? = nil) {
        self.rows = rows
        self.nextGrantAt = nextGrantAt
    }
}

/// The rate of a limit, as one number: the time at which the next grant would be exactly on schedule (the generic cell
/// rate algorithm, ITU-T I.371).
package enum RateRule {
    /// The schedule after a grant at `now`; nil when none may be given yet.
    package static func grant(_ limit: LimitRow, scheduled: Timestamp?, now: Timestamp) -> Timestamp? {
        guard limit.interval > .zero else { return now }
        let next = max(scheduled ?? now, now)
        let slack = limit.interval * max(0, limit.burst - 1)
        return next - now <= slack ? next + limit.interval : nil
    }

    /// When a grant may be given next.
    package static func nextGrant(_ limit: LimitRow, scheduled: Timestamp?) -> Timestamp? {
        guard limit.interval > .zero, let scheduled else { return nil }
        return scheduled + (.zero - limit.interval * max(0, limit.burst - 1))
    }
}
