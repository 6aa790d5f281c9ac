import MusterCore

/// Limits, and who holds and wants them.
struct MemoryPermits {
    private struct Limit {
        var row: LimitRow
        var scheduled: Timestamp?
    }

    private struct Permit {
        var row: PermitRow
        var place: Place
    }

    /// In the order in which those go that wait.
    private struct Place: Comparable {
        var priority: Int64
        /// In the order of asking.
        var id: Int64
        var step: StepID

        static func < (a: Place, b: Place) -> Bool { (b.priority, a.id) < (a.priority, b.id) }
        static func == (a: Place, b: Place) -> Bool { a.id == b.id }
    }

    private var limits: [String: Limit] = [:]
    private var permits: [PlanID: [StepIndex: [String: Permit]]] = [:]
    private var waiting: [String: ArraySlice<Place>] = [:]
    private var held: [String: Int] = [:]
    private var lastID: Int64 = 0

    mutating func define(_ rows: [LimitRow], now: Timestamp) {
        for row in rows { limits[row.name] = Limit(row: row, scheduled: limits[row.name]?.scheduled) }
        grant(Set(rows.map(\.name)), now: now)
    }

    mutating func write(_ turn: Turn, now: Timestamp) {
        var concerned: Set<String> = []
        for step in turn.releases { letGo(step, &concerned) }
        for ask in turn.asks {
            concerned.insert(ask.limit)
            if permits[ask.step.plan]?[ask.step.index]?[ask.limit] != nil { continue }
            lastID += 1
            let place = Place(priority: ask.priority, id: lastID, step: ask.step)
            let row = PermitRow(step: ask.step, limit: ask.limit, priority: ask.priority)
            permits[ask.step.plan, default: [:]][ask.step.index, default: [:]][ask.limit] = Permit(
                row: row,
                place: place
            )
            var line = waiting.removeValue(forKey: ask.limit) ?? []
            line.insert(place, at: index(of: place, in: line))
            waiting[ask.limit] = line
        }
        grant(concerned, now: now)
    }

    private mutating func letGo(_ step: StepID, _ concerned: inout Set<String>) {
        guard let rows = permits[step.plan]?.removeValue(forKey: step.index) else { return }
        if permits[step.plan]?.isEmpty == true { permits[step.plan] = nil }
        for (name, permit) in rows {
            concerned.insert(name)
            if permit.row.isHeld {
                held[name, default: 0] -= 1
            } else if var line = waiting.removeValue(forKey: name) {
                line.remove(at: index(of: permit.place, in: line))
                waiting[name] = line.isEmpty ? nil : line
            }
        }
    }

    /// The plan's rows go.
    mutating func drop(_ plan: PlanID, now: Timestamp) {
        var concerned: Set<String> = []
        for step in Array((permits[plan] ?? [:]).keys) { letGo(StepID(plan: plan, index: step), &concerned) }
        grant(concerned, now: now)
    }

    /// Where a place is in the line, or belongs.
    private func index(of place: Place, in line: ArraySlice<Place>) -> Int {
        var (low, high) = (line.startIndex, line.endIndex)
        while low < high {
            let middle = low + (high - low) / 2
            if line[middle] < place { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func room(of name: String) -> LimitRoom {
        let limit = limits[name] ?? Limit(row: LimitRoom.undefined(name))
        return LimitRoom(limit.row, scheduled: limit.scheduled, held: held[name] ?? 0)
    }

    private mutating func grant(_ names: Set<String>, now: Timestamp) {
        for name in names.sorted() {
            var room = room(of: name)
            var line = waiting.removeValue(forKey: name) ?? []
            for place in room.grant(now: now, next: { line.popFirst() }) {
                permits[place.step.plan]?[place.step.index]?[name]?.row.isHeld = true
            }
            if !line.isEmpty { waiting[name] = line }
            held[name] = room.held > 0 ? room.held : nil
            limits[name]?.scheduled = room.scheduled
        }
    }

    private var ratesWaitedFor: [String] {
        limits.values.filter { $0.row.interval > .zero && waiting[$0.row.name] != nil }.map(\.row.name)
    }

    mutating func grantDue(now: Timestamp) { grant(Set(ratesWaitedFor), now: now) }

    func permits(of plan: PlanID) -> [PermitRow] {
        (permits[plan] ?? [:]).values.flatMap(\.values).sorted { $0.place.id < $1.place.id }.map(\.row)
    }

    /// Who holds a limit, and then who waits for it.
    func line(for limit: String, where isWanted: (PlanID) -> Bool) -> [PermitRow] {
        let rows = permits.filter { isWanted($0.key) }.values.flatMap { $0.values.compactMap { $0[limit] } }
        let held = rows.filter(\.row.isHeld).sorted { $0.place.id < $1.place.id }
        return (held + rows.filter { !$0.row.isHeld }.sorted { $0.place < $1.place }).map(\.row)
    }

    /// - Parameter isWanted: of whose plans.
    func permits(_ isWanted: (PlanID) -> Bool) -> Permits {
        let rows = permits.filter { isWanted($0.key) }.values.flatMap { $0.values.flatMap(\.values) }
        let held = rows.filter(\.row.isHeld).sorted { $0.place.id < $1.place.id }.map(\.row)
        return Permits(rows: held, nextGrantAt: ratesWaitedFor.compactMap { room(of: $0).nextGrantAt }.min())
    }
}
