import MusterCore

/// The rows of a `MemoryStore`.
struct MemoryRows {
    struct Suite: Hashable { var lab: String, name: String }
    struct TestDuration { var length: Duration, endedAt: Timestamp }

    var conductors = MemoryConductors()
    private(set) var plans: [PlanID: PlanRow] = [:]
    private(set) var byRequest: [String: PlanID] = [:]
    private(set) var specs: [PlanID: RunSpec] = [:]
    private var unfinished: Set<PlanID> = []
    private var steps: [PlanID: [StepIndex: StepRow]] = [:]
    private(set) var nodes: [NodeID: NodeRow] = [:]
    private var timers: [PlanID: [StepIndex: TimerRow]] = [:]
    private var attempts: [PlanID: [AttemptRow]] = [:]
    private var testResults: [PlanID: [StepIndex: String]] = [:]
    private(set) var durations: [Suite: [String: TestDuration]] = [:]
    private(set) var events: [EventRow] = []
    private var signals: [PlanID: [Int64: SignalRow]] = [:]
    private(set) var chunks: [StepID: [ChunkRow]] = [:]
    private var children: [StepID: ChildCounts] = [:]
    var permits = MemoryPermits()
    private(set) var nodeStates: [NodeID: NodeStateRow] = [:]
    private(set) var modeSets: [String: ModeSet] = [:]
    private var reportMarks: [ReportMark] = []
    private var reportPositions: [NodeID: ReportPosition] = [:]
    private var errands: [ErrandRow] = []
    private var noticeSinks: [String: [NoticeSink]] = [:]
    private var lastDeleted: Int64 = 0
    private(set) var inbox: [RequestRow] = []
    private var lastRequest: Int64 = 0

    mutating func submit(_ request: Request) -> Int64 {
        lastRequest += 1
        let lab: String? =
            switch request.subject {
            case .lab(let lab): lab
            case .plan(let plan): plans[plan]?.lab
            }
        inbox.append(RequestRow(id: lastRequest, request: request, lab: lab))
        return lastRequest
    }

    mutating func claim(by term: Term, limit: Int, now: Timestamp) throws(StoreError) -> Claim {
        var wanted = Set(unfinished.compactMap { plans[$0]?.lab })
        for node in nodes.values where node.state != .gone { wanted.insert(node.lab) }
        wanted.formUnion(inbox.compactMap(\.lab))
        let host = conductors.host(of: term.conductor)
        for plan in unfinished.compactMap({ plans[$0] }) where plan.host != host { wanted.remove(plan.lab) }
        let claim = try conductors.claim(by: term, limit: limit, wanted: wanted, now: now)
        for id in unfinished {
            guard let lab = plans[id]?.lab, claim.labs.contains(lab) else { continue }
            plans[id]?.epoch = claim.term.epoch
        }
        return claim
    }

    mutating func withdraw(_ request: Int64) -> Bool {
        guard let place = inbox.firstIndex(where: { $0.id == request }) else { return false }
        inbox.remove(at: place)
        return true
    }

    // MARK: Writing

    func check(_ turn: Turn) throws(StoreError) {
        try conductors.require(Term(conductor: turn.conductor, epoch: turn.epoch))
        var requests: [String: PlanID] = [:]
        for plan in turn.plans {
            let known = byRequest[plan.request] ?? requests[plan.request]
            if let known, known != plan.id { throw StoreError.taken(plan) }
            requests[plan.request] = plan.id
        }
        for plan in turn.plans {
            let isNew = turn.newSpecs[plan.id] != nil
            guard let known = plans[plan.id] else {
                if isNew { continue }
                throw StoreError.missing(plan)
            }
            if isNew, known.request != plan.request { throw StoreError.another(plan.id) }
        }
        let made = Set(turn.newSpecs.isEmpty ? [] : turn.plans.map(\.id))
        for (plan, _) in turn.newSpecs where !made.contains(plan) { throw StoreError.withoutPlan(plan) }
        var added: Set<StepID> = []
        for step in turn.steps {
            let id = StepID(plan: step.plan, index: step.index)
            let isThere = steps[step.plan]?[step.index] != nil || added.contains(id)
            if step.isNew {
                if isThere { throw StoreError.twice("step \(step.index) of \(RunName(step.plan))") }
                added.insert(id)
            } else if !isThere {
                throw StoreError.missing(step)
            }
        }
        if !turn.requestsDone.isEmpty {
            var open = Set(inbox.map(\.id))
            for request in turn.requestsDone where open.remove(request) == nil { throw StoreError.withdrawn(request) }
        }
        var last = conductors.eventCount(of: turn.conductor)
        for event in turn.events {
            if event.number != last + 1 { throw StoreError.gap(event: event.number, last: last) }
            last = event.number
        }
    }

    mutating func write(_ turn: Turn, now: Timestamp) {
        let term = Term(conductor: turn.conductor, epoch: turn.epoch)
        conductors.renew(term, events: turn.events.count, now: now)
        for plan in turn.plans { write(plan) }
        for (plan, spec) in turn.newSpecs { specs[plan] = spec }
        for step in turn.steps { write(step) }
        for node in turn.nodes { nodes[node.id] = node }
        writeNodeStates(turn)
        for timer in turn.timersSet { timers[timer.step.plan, default: [:]][timer.step.index] = timer }
        for step in turn.timersCleared { timers[step.plan]?[step.index] = nil }
        for attempt in turn.attempts { write(attempt) }
        for signal in turn.signalsSet { signals[signal.step.plan, default: [:]][signal.number] = signal }
        for signal in turn.signalsCleared { signals[signal.step.plan]?[signal.number] = nil }
        for var chunk in turn.chunks {
            chunk.number = (chunks[chunk.step]?.last?.number ?? 0) + 1
            chunks[chunk.step, default: []].append(chunk)
        }
        permits.write(turn, now: now)
        for var event in turn.events {
            event.position = position + 1
            events.append(event)
        }
        if !turn.requestsDone.isEmpty {
            let done = Set(turn.requestsDone)
            inbox.removeAll { done.contains($0.id) }
        }
    }

    private mutating func writeNodeStates(_ turn: Turn) {
        for row in turn.nodeStates { nodeStates[row.node] = row }
        reportPositions.merge(turn.reportPositions) { $1 }
        for node in turn.nodeStatesGone {
            nodeStates[node] = nil
            reportPositions[node] = nil
        }
        errands += turn.errandsNew
        for done in turn.errandsDone { errands.removeAll { done.covers($0) } }
        noticeSinks.merge(turn.noticeSinks) { $1 }
        modeSets.merge(turn.modeSets) { $1 }
        if turn.reportMarks.isEmpty { return }
        let known = Set(turn.reportMarks.map { [$0.source, $0.id] })
        let oldest = turn.now + (.zero - ReportMark.age)
        reportMarks.removeAll { $0.at < oldest || known.contains([$0.source, $0.id]) }
        reportMarks += turn.reportMarks
    }

    private mutating func write(_ plan: PlanRow) {
        var plan = plan
        if let old = plans[plan.id] {
            // These never change.
            plan.request = old.request
            plan.parent = old.parent
            if let parent = old.parent { children[parent]?.add(-1, state: old.state, result: old.result) }
        }
        if let parent = plan.parent {
            children[parent, default: ChildCounts()].add(1, state: plan.state, result: plan.result)
        }
        plans[plan.id] = plan
        byRequest[plan.request] = plan.id
        if plan.state == .stopped { unfinished.remove(plan.id) } else { unfinished.insert(plan.id) }
    }

    private mutating func write(_ step: StepRow) {
        var step = step
        let input = step.call?.input
        step.call?.input = nil
        if !step.isNew, let old = steps[step.plan]?[step.index] {
            step.spec = old.spec
            step.needs = old.needs
            step.call = step.call ?? old.call
        }
        if let input { step.spec.input = input }
        step.call = step.spec.action.isCall ? step.call ?? CallColumns(input: nil) : nil
        step.isNew = false
        steps[step.plan, default: [:]][step.index] = step
    }

    private mutating func write(_ written: AttemptRow) {
        var attempt = written
        if let results = written.results { testResults[written.plan, default: [:]][written.step] = results }
        attempt.results = nil
        var list = attempts[attempt.plan] ?? []
        let place = list.firstIndex { ($0.step, $0.number) >= (attempt.step, attempt.number) } ?? list.count
        if place < list.count, list[place].step == attempt.step, list[place].number == attempt.number {
            list[place] = attempt
        } else {
            list.insert(attempt, at: place)
        }
        attempts[attempt.plan] = list
        guard let length = attempt.testDuration, let lab = plans[attempt.plan]?.lab else { return }
        let suite = Suite(lab: lab, name: attempt.suite)
        if let old = durations[suite]?[attempt.test], old.endedAt > attempt.endedAt { return }
        durations[suite, default: [:]][attempt.test] = TestDuration(length: length, endedAt: attempt.endedAt)
    }

    // MARK: Cleaning

    func cleanable(_ rule: CleaningRule) -> [PlanRow] {
        let makers = Set(nodes.values.filter { $0.state != .gone }.map(\.createdBy))
        let awaited = Set(unfinished.flatMap { specs[$0]?.program?.prerequisites ?? [] })
        let parents = Set(unfinished.compactMap { plans[$0]?.parent?.plan })
        let found = plans.values.filter { plan in
            plan.state == .stopped && (plan.endedAt ?? plan.createdAt) < rule.endedBefore
                && (rule.lab == nil || rule.lab == plan.lab) && (rule.only?.contains(plan.id) ?? true)
                && !makers.contains(plan.id) && !awaited.contains(plan.id) && !parents.contains(plan.id)
                && plan.parent.map { !unfinished.contains($0.plan) } ?? true
        }
        return Array(found.sorted { $0.id < $1.id }.prefix(max(rule.limit, 0)))
    }

    mutating func clean(_ rule: CleaningRule, by term: Term, now: Timestamp) throws(StoreError) -> [PlanID] {
        try conductors.require(term)
        conductors.renew(term, events: 0, now: now)
        let gone = cleanable(rule)
        let ids = Set(gone.map(\.id))
        if ids.isEmpty { return [] }
        let newest = position  // it stays: the next is numbered after it
        events.removeAll { event in event.position < newest && event.plan.map(ids.contains) == true }
        chunks = chunks.filter { !ids.contains($0.key.plan) }
        for plan in gone {
            plans[plan.id] = nil
            byRequest[plan.request] = nil
            specs[plan.id] = nil
            steps[plan.id] = nil
            timers[plan.id] = nil
            attempts[plan.id] = nil
            testResults[plan.id] = nil
            signals[plan.id] = nil
            if let parent = plan.parent { children[parent]?.add(-1, state: plan.state, result: plan.result) }
            lastDeleted = max(lastDeleted, plan.id.rawValue)
            permits.drop(plan.id, now: now)
        }
        return gone.map(\.id)
    }

    // MARK: Reading

    /// The highest number that a plan has or had.
    var lastPlan: Int64 { max(plans.keys.max()?.rawValue ?? 0, lastDeleted) }
    /// The position of the newest event.
    var position: Int64 { events.last?.position ?? 0 }

    /// Where in `events` those begin that come after a position. What was cleaned has left gaps.
    func place(ofEventAfter position: Int64) -> Int {
        var (low, high) = (0, events.count)
        while low < high {
            let middle = (low + high) / 2
            if events[middle].position <= position { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func signals(of plan: PlanID) -> [SignalRow] { (signals[plan] ?? [:]).values.sorted { $0.number < $1.number } }

    func children(of step: StepID) -> ChildCounts { children[step] ?? ChildCounts() }

    func permits(of labs: Set<String>?) -> Permits {
        permits.permits { id in
            unfinished.contains(id) && (labs.map { labs in plans[id].map { labs.contains($0.lab) } ?? false } ?? true)
        }
    }

    private func loadNodeStates(into snapshot: inout Snapshot, _ isWanted: (String?) -> Bool) {
        snapshot.errands = errands.filter { isWanted($0.lab) }
        snapshot.noticeSinks = noticeSinks.filter { isWanted($0.key) }
        snapshot.modeSets = modeSets.filter { isWanted($0.key) }
        if snapshot.modeSets.isEmpty { return }
        snapshot.nodeStates = nodeStates.values.filter { isWanted(nodes[$0.node]?.lab) }.sorted { $0.node < $1.node }
        snapshot.reportMarks = reportMarks
        snapshot.reportPositions = reportPositions.filter { isWanted(nodes[$0.key]?.lab) }
    }

    func line(for limit: String) -> [PermitRow] { permits.line(for: limit) { unfinished.contains($0) } }

    func plans(matching query: PlanQuery) -> [PlanRow] {
        plans.values.filter { query.matches($0, name: specs[$0.id]?.program?.name) }
    }

    func steps(of plan: PlanID) -> [StepRow] { (steps[plan] ?? [:]).values.sorted { $0.index < $1.index } }

    func timers(of plan: PlanID) -> [TimerRow] { (timers[plan] ?? [:]).values.sorted { $0.step.index < $1.step.index } }

    func testResults(of plan: PlanID) -> [StepIndex: String] { testResults[plan] ?? [:] }
    func attempts(of plan: PlanID) -> [AttemptRow] { attempts[plan] ?? [] }

    func nodes(_ isWanted: (NodeRow) -> Bool) -> [NodeRow] {
        nodes.values.filter(isWanted).sorted { a, b in
            (a.lab, a.name.group, a.name.index, a.id.rawValue) < (b.lab, b.name.group, b.name.index, b.id.rawValue)
        }
    }

    func snapshot(of labs: Set<String>?, for conductor: ConductorID) -> Snapshot {
        func isWanted(_ lab: String?) -> Bool { labs.map { labs in lab.map(labs.contains) == true } ?? true }
        var snapshot = Snapshot()
        snapshot.lastPlan = lastPlan
        snapshot.lastNode = nodes.keys.max()?.rawValue ?? 0
        snapshot.lastEvent = conductors.eventCount(of: conductor)
        for id in unfinished.sorted() where isWanted(plans[id]?.lab) {
            guard let row = plans[id] else { continue }
            guard let spec = specs[id] else {
                snapshot.broken[id] = "its request is missing"
                snapshot.brokenRows[id] = row
                continue
            }
            var plan = Snapshot.Plan(
                row: row,
                spec: spec,
                steps: steps(of: id),
                timers: timers(of: id),
                attempts: attempts(of: id)
            )
            if spec.program != nil {
                plan.signals = signals(of: id)
                plan.permits = permits.permits(of: id)
                for step in plan.steps where step.call?.children != nil {
                    plan.children[step.index] = children(of: StepID(plan: id, index: step.index))
                }
            }
            if let problem = PlanValidation.problem(in: plan) {
                snapshot.broken[id] = problem
                snapshot.brokenRows[id] = row
            } else {
                snapshot.plans.append(plan)
            }
        }
        for node in nodes({ $0.state != .gone && isWanted($0.lab) }) {
            if let spec = specs[node.createdBy] {
                snapshot.specs[node.createdBy] = spec
                snapshot.nodes.append(node)
            } else {
                let message = "node \(node.name) (\(node.id.rawValue)): its request is missing"
                for plan in [node.createdBy, node.heldBy].compactMap(\.self) {
                    if let place = snapshot.plans.firstIndex(where: { $0.row.id == plan }) {
                        snapshot.brokenRows[plan] = snapshot.plans.remove(at: place).row
                    }
                    if snapshot.broken[plan] == nil { snapshot.broken[plan] = message }
                }
            }
        }
        loadNodeStates(into: &snapshot, isWanted)
        return snapshot
    }
}
