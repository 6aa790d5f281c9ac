import DequeModule

/// Remembers for a while which events came, so that one that is sent twice counts once.
package struct EventWindow: Sendable {
    private struct Key: Hashable, Sendable {
        let source: String
        let id: String
    }

    private var seen: Set<Key> = []
    private var order: Deque<(key: Key, at: Timestamp)> = []
    private let length: Duration
    private let countMax: Int

    /// Forgets what came longer ago than `length`, and the oldest of more than `countMax`.
    package init(length: Duration = .seconds(60), countMax: Int = 100_000) {
        self.length = length
        self.countMax = max(1, countMax)
    }

    package var count: Int { order.count }

    /// Whether this event of this source is new; it is remembered from now on.
    package mutating func isNew(source: String, id: String, now: Timestamp) -> Bool {
        while let first = order.first, now - first.at > length { forgetFirst(first.key) }
        let key = Key(source: source, id: id)
        guard seen.insert(key).inserted else { return false }
        order.append((key, now))
        while order.count > countMax, let first = order.first { forgetFirst(first.key) }
        return true
    }

    private mutating func forgetFirst(_ key: Key) {
        order.removeFirst()
        seen.remove(key)
    }
}

/// Gathers notifications: equal ones become one with a count, and two messages are never closer than a gap.
package struct NotificationDigest: Sendable {
    package struct Entry: Hashable, Sendable {
        package var text: String
        /// Whom it is about, each once, at most `subjectsMax`.
        package var subjects: [String]
        package var count: Int
        package var first: Timestamp
        package var last: Timestamp
    }

    package struct Message: Hashable, Sendable {
        /// In the order in which they came first.
        package var entries: [Entry]
        /// Notifications that there was no room for.
        package var omitted: Int

        package init(entries: [Entry], omitted: Int) {
            self.entries = entries
            self.omitted = omitted
        }
    }

    package static let subjectsMax = 100
    private var entries: [Entry] = []
    private var places: [String: Int] = [:]
    private var omitted = 0
    private var lastSent: Timestamp?
    /// At least so long between two messages.
    package var gap: Duration
    private let entriesMax: Int

    package init(gap: Duration = .seconds(15), entriesMax: Int = 200) {
        self.gap = gap
        self.entriesMax = max(1, entriesMax)
    }

    /// How many there are, equal ones as one.
    package var count: Int { entries.count }

    package mutating func add(_ text: String, about subject: String, now: Timestamp) {
        if let place = places[text] {
            entries[place].count += 1
            entries[place].last = now
            if entries[place].subjects.count < Self.subjectsMax, !entries[place].subjects.contains(subject) {
                entries[place].subjects.append(subject)
            }
        } else if entries.count < entriesMax {
            places[text] = entries.count
            entries.append(Entry(text: text, subjects: [subject], count: 1, first: now, last: now))
        } else {
            omitted += 1
        }
    }

    /// When the next message may go; nil when there is nothing to say.
    package var nextDue: Timestamp? {
        guard let first = entries.first?.first else { return nil }
        return lastSent.map { max(first, $0 + gap) } ?? first
    }

    /// The message that may go now.
    package mutating func take(at now: Timestamp) -> Message? {
        guard let due = nextDue, due <= now else { return nil }
        defer {
            entries = []
            places = [:]
            omitted = 0
            lastSent = now
        }
        return Message(entries: entries, omitted: omitted)
    }
}
