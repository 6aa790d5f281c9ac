import ArgumentParser
import Foundation
import MusterCore
import MusterEngine
import MusterStore

/// Has something done to nodes as a whole: asks for the run, and follows it, or leaves it to who conducts.
struct OrderSession {
    let options: GlobalOptions
    let order: OrderOptions

    /// - Parameters:
    ///   - versions: whether a node must be as it was when it was looked up here.
    ///   - change: what else is said of the order.
    func submit(
        _ verb: Verb,
        _ work: NodeOrder.Work,
        versions: Bool = false,
        _ change: (inout NodeOrder) throws -> Void = { _ in }
    ) async throws {
        let session = try StateSession.open(options, to: .write)
        let nodes = try NodeLookup(store: session.store).find(order.nodes)
        guard let lab = nodes.first?.lab, nodes.allSatisfy({ $0.lab == lab }) else {
            throw CLIError("\(verb.rawValue) takes nodes of one lab at a time")
        }
        let lookup = RunLookup(store: session.store)
        let targets = try nodes.map { node in
            let since =
                versions
                ? try lookup.read { () throws(StoreError) in
                    try session.store.nodeState(of: node.id)
                }?.since : nil
            return NodeOrder.Target(node.name, seenSince: since)
        }
        var wanted = NodeOrder(work, targets)
        wanted.onFailure = order.failureAction
        try change(&wanted)
        var spec = try self.spec(verb, nodes, lab, lookup, session.store)
        spec.order = wanted
        // Each node waits for itself: those that wait take nothing from the others.
        spec.parallel = max(RunSpec.parallelDefault, 2 * nodes.count + 1)
        if !order.wait, StateLock.isHeld(session.state) {
            return try await leave(spec, session)
        }
        let follow = try FollowOptions.parse([])
        try await RunSession(session: session, options: options, follow: follow).submit(spec)
    }

    /// The groups of the nodes, as they were made.
    private func spec(
        _ verb: Verb,
        _ nodes: [NodeRow],
        _ lab: String,
        _ lookup: RunLookup,
        _ store: any Store
    ) throws -> RunSpec {
        var spec: RunSpec?
        var creators: [PlanID: RunSpec] = [:]
        for node in nodes {
            if creators[node.createdBy] == nil {
                creators[node.createdBy] = try lookup.read { () throws(StoreError) in
                    try store.spec(of: node.createdBy)
                }
            }
            guard let creator = creators[node.createdBy] else { continue }
            if spec == nil {
                var first = RunSpec(
                    verb: verb,
                    lab: lab,
                    labFile: creator.labFile,
                    labDirectory: creator.labDirectory
                )
                first.keep = .always
                spec = first
            }
            guard spec?.groups.contains(where: { $0.name == node.name.group }) == false else { continue }
            if var group = creator.groups.first(where: { $0.name == node.name.group }) {
                // What it needs is of no matter here, and may not be among them.
                group.needs = []
                spec?.groups.append(group)
            }
        }
        guard let spec else { throw CLIError("nothing is known of how these nodes were made") }
        return spec
    }

    // MARK: Leaving it to another

    /// Says what was answered for each node; the rest is done by the command that conducts.
    private func leave(_ spec: RunSpec, _ session: StateSession) async throws {
        let token = RequestToken.make()
        switch try await InboxQuestion(session: session).ask(.submit(token: token, spec: spec), token: token) {
        case .refused(let reason): throw CLIError("refused: \(reason)")
        case .silence:
            throw CLIError(
                "whoever conducts has not answered yet; it is done when they do, so do not ask again (muster runs)",
                exitCode: ExitCodes.notObtained
            )
        case .nobody: throw CLIError("whoever conducted has ended; ask again", exitCode: ExitCodes.notObtained)
        case .taken: break
        }
        let lookup = RunLookup(store: session.store)
        guard let row = try lookup.read({ () throws(StoreError) in try session.store.plan(request: token) }) else {
            throw CLIError("the request was dropped before anybody began it; nothing was started: ask again")
        }
        let steps = try lookup.read { () throws(StoreError) in try session.store.steps(of: row.id) }
        let result = OrderResult(spec, steps)
        if options.json {
            Output.json(OrderResultShape(row, exitCode: result.exitCode, result))
        } else {
            Output.lines(result.answerLines)
            Output.line("run \(RunName(row.id)) goes on where it is conducted; follow it: muster events -f")
        }
        if result.exitCode != ExitCodes.passed { throw RunEnd(exitCode: result.exitCode) }
    }
}
