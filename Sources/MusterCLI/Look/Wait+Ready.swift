import MusterCore
import MusterEngine
import MusterLab
import MusterStore

extension Wait {
    /// Waits for groups and nodes to be ready, also for such as are still to be made.
    func waitUntilReady(
        _ names: [String],
        _ session: StateSession,
        deadline: Timestamp,
        quorum: WaitQuorum
    ) async throws {
        let targets = try targets(names, session)
        let isSilent = options.quiet || options.json
        let end = try await ReadyFollower(
            session: session,
            targets: targets,
            quorum: quorum,
            deadline: deadline,
            waitsForConductor: waitForConductor,
            say: { text in if !isSilent { Output.line(text) } }
        ).follow()
        if options.json { Output.json(ReadyShape(end)) }
        if end.wait.isSatisfied { return }
        let missing = end.wait.nodes.filter { !$0.verdict.isThere }.map(\.name)
        let who = missing.isEmpty ? names.joined(separator: ", ") : Self.list(missing)
        if let reason = end.wait.hopelessness {
            throw CLIError(
                "\(who) will not be ready: \(printable(reason)); see: muster why \(missing.first ?? names[0])",
                exitCode: ExitCodes.infrastructure
            )
        }
        if end.isDeserted {
            throw CLIError(
                "nobody conducts this state, so nothing will happen to \(who); go on with what was interrupted (muster resume), begin something (muster up), or wait for it with --wait-for-conductor",
                exitCode: ExitCodes.infrastructure
            )
        }
        throw CLIError(
            "after \(length) \(who) not ready; see: muster why \(missing.first ?? names[0])",
            exitCode: ExitCodes.notObtained
        )
    }

    private static func list(_ names: [String]) -> String {
        names.prefix(10).joined(separator: ", ") + (names.count > 10 ? " and \(names.count - 10) more" : "")
    }

    /// What the names mean.
    ///
    /// - Throws: `CLIError` for a name that is nobody's: of no group of a run, of the lab file, or that is up.
    private func targets(_ names: [String], _ session: StateSession) throws -> [ReadyWait.Target] {
        let all = try RunLookup(store: session.store).read { () throws(StoreError) in
            try GroupStandings.read(session.store)
        }.flatMap(\.all)
        let lab = try? LabParser.load(path: options.labFile, environment: Environment.all)
        var counts: [String: Int] = [:]
        for group in lab?.groups ?? [] { counts[group.name] = group.hasNodes ? group.count : 0 }
        for group in all {
            counts[group.group] = max(counts[group.group] ?? 0, group.wanted)
            for node in group.nodes { counts[group.group] = max(counts[group.group] ?? 0, node.name.index + 1) }
        }
        return try names.map { text in
            if counts[text] != nil { return .group(text) }
            if let name = NodeName(text), name.index < counts[name.group] ?? 0 { return .node(name) }
            let known = counts.keys.sorted().flatMap { group in
                (0..<min(counts[group] ?? 0, 10)).map { "\(group)/\($0)" }
            }
            let hint = known.isEmpty ? "nothing is up" : "there are \(Self.list(known))"
            throw CLIError("no node or group is called '\(text)'; \(hint)")
        }
    }

    private struct ReadyShape: Encodable {
        struct Node: Encodable {
            var node: String
            var standing: String
            var reason: String?
        }
        struct Group: Encodable {
            var group: String
            var state: String
            var ready: Int
            var count: Int
            var reason: String?
        }
        var format = 1
        var satisfied: Bool
        var timedOut: Bool
        var position: Int64
        /// Why it will never be so.
        var reason: String?
        var groups: [Group]
        var nodes: [Node]

        enum CodingKeys: String, CodingKey {
            case format, satisfied, position, reason, groups, nodes
            case timedOut = "timed_out"
        }

        init(_ end: ReadyFollower.End) {
            satisfied = end.wait.isSatisfied
            timedOut = end.isTimeout
            position = end.position
            reason = end.wait.hopelessness
            groups = end.wait.groups.map {
                Group(
                    group: $0.name,
                    state: $0.state.rawValue,
                    ready: $0.ready,
                    count: $0.wanted,
                    reason: $0.verdict.reason
                )
            }
            nodes = end.wait.nodes.map { node in
                let word = node.verdict.isThere ? "finished" : node.verdict.reason == nil ? "pending" : "failed"
                return Node(node: node.name, standing: word, reason: node.verdict.reason)
            }
        }
    }
}
