package import MusterCore

/// Which plans somebody wants to see, in which order, and how many of them at once.
package struct PlanQuery: Hashable, Sendable {
    package enum Kin: Hashable, Sendable {
        case any
        /// Those that are nobody's sub-plans.
        case roots
        case children(of: PlanID)
    }

    package enum Order: Hashable, Sendable, CaseIterable { case newest, oldest }

    /// nil for all; an empty set matches nothing. So it is with the next two.
    package var states: Set<PlanState>?
    package var results: Set<PlanResult>?
    package var verbs: Set<Verb>?
    package var lab: String?
    /// The name of a program's plan: that of its root action.
    package var name: String?
    package var kin: Kin
    /// Made at this time or later.
    package var createdFrom: Timestamp?
    /// Made before this time.
    package var createdBefore: Timestamp?
    package var order: Order
    package var limit: Int
    /// The last plan of the page before.
    package var after: PlanID?

    package init(
        states: Set<PlanState>? = nil,
        results: Set<PlanResult>? = nil,
        verbs: Set<Verb>? = nil,
        lab: String? = nil,
        name: String? = nil,
        kin: Kin = .any,
        createdFrom: Timestamp? = nil,
        createdBefore: Timestamp? = nil,
        order: Order = .newest,
        limit: Int = 100,
        after: PlanID? = nil
    ) {
        self.states = states
        self.results = results
        self.verbs = verbs
        self.lab = lab
        self.name = name
        self.kin = kin
        self.createdFrom = createdFrom
        self.createdBefore = createdBefore
        self.order = order
        self.limit = limit
        self.after = after
    }

    /// Whether it is about a plan, on whatever page.
    func matches(_ plan: PlanRow, name planName: String?) -> Bool {
        if let states, !states.contains(plan.state) { return false }
        if let results, !results.contains(plan.result) { return false }
        if let verbs, !verbs.contains(plan.verb) { return false }
        if let lab, lab != plan.lab { return false }
        if let name, name != planName { return false }
        if let createdFrom, plan.createdAt < createdFrom { return false }
        if let createdBefore, plan.createdAt >= createdBefore { return false }
        return switch kin {
        case .any: true
        case .roots: plan.parent == nil
        case .children(let parent): plan.parent?.plan == parent
        }
    }

    /// Whether a plan comes after the page before.
    func isAfter(_ plan: PlanID) -> Bool {
        guard let after else { return true }
        return order == .newest ? plan < after : plan > after
    }
}

/// Which stopped plans may go.
///
/// Whatever it says, plans stay that made machines which are not gone, those that an unfinished plan waits for, and
/// parents and sub-plans of unfinished ones.
package struct CleaningRule: Hashable, Sendable {
    /// Ended before this time.
    package var endedBefore: Timestamp
    /// nil for all.
    package var lab: String?
    /// None but these, so that nothing goes that is not in a backup; nil for all.
    package var only: Set<PlanID>?
    /// At most so many at once.
    package var limit: Int

    package init(endedBefore: Timestamp, lab: String? = nil, only: Set<PlanID>? = nil, limit: Int = 1_000) {
        self.endedBefore = endedBefore
        self.lab = lab
        self.only = only
        self.limit = limit
    }
}

/// All that is kept of a stopped plan, for a backup.
package struct PlanRecord: Hashable, Sendable {
    package var row: PlanRow
    package var spec: RunSpec?
    package var steps: [StepRow] = []
    package var attempts: [AttemptRow] = []
    package var chunks: [ChunkRow] = []
    package var events: [EventRow] = []
    /// Rows that cannot be read, in words; they are not in the record.
    package var flaws: [String] = []

    package init(row: PlanRow) { self.row = row }
}

extension Store {
    /// What `clean` would delete, to be written away first; then `clean` with `only` deletes nothing else.
    package func whatWouldGo(_ rule: CleaningRule) throws(StoreError) -> [PlanRecord] {
        var records: [PlanRecord] = []
        for row in try cleanable(rule) { records.append(try record(of: row)) }
        return records
    }

    /// Deletes one stopped plan: false when there is none of this number.
    ///
    /// - Throws: `.failed` when it is not stopped, or something depends on it.
    package func delete(_ plan: PlanID, by term: Term) throws(StoreError) -> Bool {
        let rule = CleaningRule(endedBefore: Timestamp(rawValue: .max), only: [plan], limit: 1)
        if try clean(rule, by: term) == [plan] { return true }
        guard let row = try self.plan(plan) else { return false }
        let reason =
            row.state.isFinal
            ? "machines that it made, or other runs that are not finished, depend on it; end those first"
            : "it is \(row.state.rawValue); cancel or halt it first"
        throw StoreError(.failed, "\(RunName(plan)) cannot be deleted: \(reason)")
    }

    private func record(of row: PlanRow) throws(StoreError) -> PlanRecord {
        var record = PlanRecord(row: row)
        let id = row.id
        func part<Value>(_ read: () throws(StoreError) -> Value) throws(StoreError) -> Value? {
            do throws(StoreError) {
                return try read()
            } catch  where error.code == .corrupt {
                record.flaws.append(error.message)
                return nil
            }
        }
        record.spec = try part { () throws(StoreError) in try spec(of: id) } ?? nil
        record.steps = try part { () throws(StoreError) in try steps(of: id) } ?? []
        record.attempts = try part { () throws(StoreError) in try attempts(of: id) } ?? []
        record.events = try part { () throws(StoreError) in try events(after: 0, plan: id, limit: .max) } ?? []
        for step in record.steps where step.call.map({ $0.invocation > 0 }) == true {
            record.chunks += try chunks(of: StepID(plan: id, index: step.index), after: 0, limit: .max)
        }
        return record
    }
}
