import MusterCore
import MusterStore

/// Where one group of a lab is, and why.
struct GroupStanding: Sendable {
    var lab: String
    var group: String
    var state: GroupState
    /// Why it waits, is blocked or has failed.
    var reason: String?
    /// The run that says so: the one that works on it, or the newest that did.
    var run: PlanRow?
    /// How many nodes it is to have.
    var wanted: Int
    /// Those that are there.
    var nodes: [NodeRow]

    var ready: Int { nodes.count { $0.state == .ready } }
}

/// One run's rows.
struct RecordedRun: Sendable {
    var row: PlanRow
    var spec: RunSpec
    var steps: [StepRow]
}

/// Where each group of a lab is: of what is up, what runs work on, and what the newest runs have left.
struct GroupStandings: Sendable {
    /// In the order of the newest run's request, then by name.
    private(set) var all: [GroupStanding] = []
    private var places: [String: Int] = [:]
    private let lab: String
    /// The lab's nodes by group; those that are gone too, as runs tell of them.
    private let nodes: [NodeRow]
    private var present: [String: [NodeRow]] = [:]
    /// Teardowns that have ended: what they were to take down and is not there does not wait for anything any more.
    private var teardowns: [RecordedRun] = []

    init(lab: String, nodes: [NodeRow]) {
        self.lab = lab
        self.nodes = nodes
        for node in nodes where node.state != .gone { present[node.name.group, default: []].append(node) }
    }

    /// Of each lab of a state.
    static func read(_ store: any Store) throws(StoreError) -> [GroupStandings] {
        var labs: Set<String> = []
        for row in try store.plans(lab: nil, limit: runsMax) where row.verb != .plan { labs.insert(row.lab) }
        for row in try store.nodes(lab: nil, includingGone: false) { labs.insert(row.lab) }
        var standings: [GroupStandings] = []
        for lab in labs.sorted() { standings.append(try read(store, lab: lab)) }
        return standings
    }

    /// So many of the newest runs are looked at.
    private static let runsMax = 200

    static func read(_ store: any Store, lab: String) throws(StoreError) -> GroupStandings {
        var standings = GroupStandings(lab: lab, nodes: try store.nodes(lab: lab, includingGone: true))
        let groups = Set(standings.nodes.map(\.name.group))
        let rows = try store.plans(lab: lab, limit: runsMax).filter { $0.verb.bringsUp || $0.verb == .down }
        // What is under way says more than what has ended since.
        for row in rows.filter({ !$0.state.isFinal }) + rows.filter(\.state.isFinal) {
            if row.state.isFinal, !groups.isEmpty, groups.allSatisfy({ standings.places[$0] != nil }) { break }
            do throws(StoreError) {
                guard try store.flaw(of: row) == nil, let spec = try store.spec(of: row.id) else { continue }
                standings.take(RecordedRun(row: row, spec: spec, steps: try store.steps(of: row.id)))
            } catch  where error.code == .corrupt {
                // `muster runs` tells of it; the others still say what they know.
                continue
            }
        }
        standings.complete()
        return standings
    }

    subscript(group: String) -> GroupStanding? { places[group].map { all[$0] } }

    /// Takes in a run's word on the groups of which no run before it has told.
    mutating func take(_ run: RecordedRun) {
        var progress = RunProgress(spec: run.spec)
        let now = run.row.endedAt ?? run.row.startedAt ?? run.row.createdAt
        progress.update(
            plan: run.row,
            steps: run.steps,
            nodes: nodes,
            attempts: [],
            now: now,
            takesAllNodes: true
        )
        if run.spec.verb == .down, run.row.state.isFinal { teardowns.append(run) }
        for group in progress.groups where places[group.name] == nil {
            let mine = present[group.name, default: []]
            var standing = GroupStanding(
                lab: lab,
                group: group.name,
                state: group.state,
                reason: group.reason,
                run: run.row,
                wanted: run.spec.verb == .down ? mine.count : group.total,
                nodes: mine
            )
            if mine.isEmpty, teardowns.contains(where: { $0.row.id > run.row.id && $0.spec.takesDown(group.name) }) {
                standing.state = .gone
                standing.reason = nil
            } else if run.row.state.isFinal {
                settle(&standing, run)
            } else if run.spec.verb == .down, standing.state == .ready {
                // Its turn comes when what needs it is gone.
                standing.state = .tearingDown
            }
            add(standing)
        }
    }

    /// Tells of groups of which no run tells, and of points without machines whose machines have gone.
    mutating func complete() {
        for (group, mine) in present.sorted(by: { $0.key < $1.key }) where places[group] == nil {
            let bad = mine.first { $0.state != .ready }
            add(
                GroupStanding(
                    lab: lab,
                    group: group,
                    state: bad == nil ? .ready : .failed,
                    reason: bad.map(Self.reason),
                    run: nil,
                    wanted: mine.count,
                    nodes: mine
                )
            )
        }
        for place in all.indices where all[place].wanted == 0 && all[place].run?.state.isFinal == true {
            if all[place].state == .ready && present.isEmpty { all[place].state = .gone }
        }
    }

    private mutating func add(_ standing: GroupStanding) {
        places[standing.group] = all.count
        all.append(standing)
    }

    /// Nobody works on it any more: what is not there will not come by itself.
    private func settle(_ standing: inout GroupStanding, _ run: RecordedRun) {
        switch standing.state {
        // A point without machines has gone with those that met there.
        case .waiting where standing.wanted == 0 && standing.nodes.isEmpty:
            standing.state = .gone
            standing.reason = nil
        case .waiting, .working, .tearingDown:
            if standing.nodes.isEmpty, run.row.phase == .teardown || run.spec.verb == .down {
                standing.state = .gone
                standing.reason = nil
            } else if !standing.nodes.isEmpty, standing.nodes.allSatisfy({ $0.state == .ready }),
                standing.nodes.count >= standing.wanted
            {
                standing.state = .ready
                standing.reason = nil
            } else {
                standing.state = .failed
                let how = run.row.result.rawValue
                standing.reason =
                    standing.nodes.first { $0.state != .ready }.map(Self.reason)
                    ?? "run \(RunName(run.row.id)) ended (\(how)) before it was ready"
            }
        case .failed, .blocked:
            if standing.nodes.isEmpty, run.row.phase == .teardown {
                standing.state = .gone
                standing.reason = nil
            }
        case .ready where run.spec.verb == .down:
            guard let bad = standing.nodes.first(where: { $0.state != .ready }) else { break }
            standing.state = .failed
            standing.reason = Self.reason(bad)
        case .ready, .gone: break
        }
    }

    private static func reason(_ node: NodeRow) -> String {
        "\(node.name) is \(node.state.rawValue)" + (node.reason.map { ": \($0)" } ?? "")
    }
}
