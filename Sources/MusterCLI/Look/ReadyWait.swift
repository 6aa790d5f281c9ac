import MusterCore

/// Whether groups and nodes that somebody waits for are ready, will be, or will never be: from how their groups stand.
struct ReadyWait: Sendable {
    enum Target: Hashable, Sendable {
        case group(String)
        case node(NodeName)

        var group: String {
            switch self {
            case .group(let name): name
            case .node(let name): name.group
            }
        }
        var text: String {
            switch self {
            case .group(let name): name
            case .node(let name): name.description
            }
        }
    }

    enum Verdict: Hashable, Sendable {
        case there
        case pending
        /// Nobody works on it, or what does has failed: for this reason.
        case never(String)

        var isThere: Bool { self == .there }
        var reason: String? { if case .never(let reason) = self { reason } else { nil } }
    }

    struct Group: Sendable {
        var name: String
        var state: GroupState
        var ready: Int
        var wanted: Int
        var verdict: Verdict
    }

    struct Node: Sendable {
        var name: String
        var verdict: Verdict
    }

    private(set) var groups: [Group] = []
    /// Each once: those that were named, and those of the groups.
    private(set) var nodes: [Node] = []
    private let quorum: WaitQuorum
    /// What all targets come to, in their order.
    private var verdicts: [Verdict] = []

    /// - Parameters:
    ///   - comesLater: whether what nothing brings up now is waited for all the same.
    ///   - isReady: whether a node that is up counts as ready by its mode.
    init(
        _ targets: [Target],
        quorum: WaitQuorum,
        among standings: [GroupStandings],
        comesLater: Bool = false,
        isReady: (NodeRow) -> Bool
    ) {
        self.quorum = quorum
        var seen: Set<String> = []
        for target in targets {
            let standing = standings.lazy.compactMap { $0[target.group] }.first
            switch target {
            case .group(let name):
                let verdict = Self.verdict(on: name, standing, comesLater: comesLater, isReady: isReady)
                verdicts.append(verdict)
                groups.append(
                    Group(
                        name: name,
                        state: standing?.state ?? .gone,
                        ready: standing?.ready ?? 0,
                        wanted: standing?.wanted ?? 0,
                        verdict: verdict
                    )
                )
                for index in 0..<(standing?.wanted ?? 0) where seen.insert("\(name)/\(index)").inserted {
                    let node = NodeName(group: name, index: index)
                    let verdict = Self.verdict(on: node, standing, comesLater: comesLater, isReady: isReady)
                    nodes.append(Node(name: node.description, verdict: verdict))
                }
            case .node(let name):
                let verdict = Self.verdict(on: name, standing, comesLater: comesLater, isReady: isReady)
                verdicts.append(verdict)
                if seen.insert(name.description).inserted {
                    nodes.append(Node(name: name.description, verdict: verdict))
                }
            }
        }
    }

    /// Whether as many as are wanted are ready.
    var isSatisfied: Bool {
        switch quorum {
        case .all: verdicts.allSatisfy(\.isThere)
        case .any, .count: nodes.count { $0.verdict.isThere } >= quorum.needed(of: nodes.count)
        }
    }

    /// Why it will never be so; nil while it may.
    var hopelessness: String? {
        let reasons: [String]
        switch quorum {
        case .all: reasons = verdicts.compactMap(\.reason)
        case .any, .count:
            let possible = nodes.count { $0.verdict.reason == nil }
            guard possible < quorum.needed(of: nodes.count) else { return nil }
            reasons = nodes.compactMap(\.verdict.reason)
        }
        var seen: Set<String> = []
        let each = reasons.filter { seen.insert($0).inserted }
        guard !each.isEmpty else { return nil }
        return each.prefix(3).joined(separator: "; ") + (each.count > 3 ? "; and \(each.count - 3) more" : "")
    }

    // MARK: One of them

    private static func verdict(
        on group: String,
        _ standing: GroupStanding?,
        comesLater: Bool,
        isReady: (NodeRow) -> Bool
    ) -> Verdict {
        guard let standing else { return comesLater ? .pending : .never(nothingBrings(group)) }
        switch standing.state {
        case .ready: return standing.nodes.allSatisfy { $0.state != .ready || isReady($0) } ? .there : .pending
        case .waiting, .working: return paused(standing) ?? .pending
        case .blocked, .failed, .gone, .tearingDown:
            return comesLater && standing.state == .gone ? .pending : .never(words(standing))
        }
    }

    private static func verdict(
        on name: NodeName,
        _ standing: GroupStanding?,
        comesLater: Bool,
        isReady: (NodeRow) -> Bool
    ) -> Verdict {
        guard let standing, let row = standing.nodes.last(where: { $0.name == name }) else {
            return verdict(on: name.group, standing, comesLater: comesLater, isReady: isReady).otherwise(name)
        }
        if standing.state == .tearingDown { return .never(words(standing)) }
        let isUnderWay = standing.run.map { !$0.state.isFinal } == true
        switch row.state {
        case .ready: return isReady(row) ? .there : .pending
        case .creating, .starting:
            if standing.state == .blocked { return .never(words(standing)) }
            return paused(standing) ?? (isUnderWay ? .pending : .never("\(name) is \(row.state.rawValue)"))
        case .lost where isUnderWay && standing.state == .working: return .pending
        case .lost, .stopped, .failed, .quarantined, .gone:
            return .never("\(name) is \(row.state.rawValue)" + (row.reason.map { ": \($0)" } ?? ""))
        }
    }

    private static func paused(_ standing: GroupStanding) -> Verdict? {
        guard let row = standing.run, row.state == .paused else { return nil }
        return .never("run \(RunName(row.id)) is paused" + (row.reason.map { ": \($0)" } ?? ""))
    }

    private static func nothingBrings(_ group: String) -> String {
        "nothing brings '\(group)' up: muster up \(group)"
    }

    private static func words(_ standing: GroupStanding) -> String {
        if standing.state == .gone { return nothingBrings(standing.group) }
        return "'\(standing.group)' is \(standing.state.rawValue)" + (standing.reason.map { ": \($0)" } ?? "")
    }
}

extension ReadyWait.Verdict {
    /// The same of a node that is not there: that its group is ready without it makes it none that will come.
    fileprivate func otherwise(_ name: NodeName) -> Self { isThere ? .never("there is no node \(name)") : self }
}
