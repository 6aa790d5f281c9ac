import ArgumentParser
import Foundation
import MusterCore
import MusterEngine
import MusterStore
import NIOPosix

struct Events: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what happened, and follow what comes.",
        discussion: """
              muster events                   the newest 50
              muster events -f                and what comes
              muster events --run r-7f3k      of one run
              muster events -f --node app/1   of one node
              muster events --since 1200 -f --json --until-end
            """
    )
    @OptionGroup var options: StreamOptions
    @Option(help: "Only events of this run.") var run: String?
    @Option(help: "Only events of this node.") var node: String?
    @Option(help: ArgumentHelp("Events after this position.", valueName: "position")) var since: String?
    @Flag(name: .customLong("until-end"), help: "With --follow: end when nobody conducts any more.") var untilEnd =
        false

    func run() async throws {
        let session = try StateSession.open(options, to: .read)
        let lookup = RunLookup(store: session.store)
        let plan = try run.map { try lookup.find($0).id }
        let node = try node.map { try NodeLookup(store: session.store).one($0).id }
        var position = try beginning(session, lookup)
        position = try show(after: position, plan, node, session, lookup)
        guard options.follow else { return }
        while true {
            let watch = try FolderWatch(session.state.path)
            if let link = await ConductorLink.connect(session.state, group: MultiThreadedEventLoopGroup.singleton) {
                position = try show(after: position, plan, node, session, lookup)
                for await _ in link.wakeUps { position = try show(after: position, plan, node, session, lookup) }
                position = try show(after: position, plan, node, session, lookup)
            }
            if untilEnd { return }
            try await watch.change(of: [StateDirectory.socketName])
        }
    }

    private func beginning(_ session: StateSession, _ lookup: RunLookup) throws -> Int64 {
        if let since {
            guard let position = Int64(since), position >= 0 else {
                throw CLIError("--since wants a position as `muster events` prints it, not '\(since)'")
            }
            return position
        }
        let newest = try lookup.read { () throws(StoreError) in try session.store.position() }
        return run == nil && node == nil ? max(0, newest - 50) : 0
    }

    private func show(
        after: Int64,
        _ plan: PlanID?,
        _ node: NodeID?,
        _ session: StateSession,
        _ lookup: RunLookup
    ) throws -> Int64 {
        var position = after
        var names = EventNames(store: session.store)
        while true {
            let from = position
            let events = try lookup.read { () throws(StoreError) in
                if let node { return try session.store.events(of: node, after: from, limit: 1000) }
                return try session.store.events(after: from, plan: plan, limit: 1000)
            }
            for event in events where plan == nil || event.plan == plan {
                let thing = names.thing(of: event)
                if options.json {
                    Output.json(JSONShape.Event(event, thing: thing))
                } else {
                    let run = event.plan.map { RunName($0).description } ?? "-"
                    let parts = ["\(event.position)", event.at.rfc3339, run, event.kind.rawValue, thing ?? ""]
                    Output.line(
                        (parts + [printable(event.detail ?? "")]).filter { !$0.isEmpty }.joined(separator: "  ")
                    )
                }
            }
            guard let last = events.last else { return position }
            position = last.position
            if events.count < 1000 { return position }
        }
    }
}

/// What people call the subject of an event.
struct EventNames {
    let store: any Store
    private var specs: [PlanID: RunSpec] = [:]
    private var steps: [PlanID: [StepRow]] = [:]
    private var nodes: [NodeID: String] = [:]

    init(store: any Store) { self.store = store }

    mutating func thing(of event: EventRow) -> String? {
        if let plan = event.plan, let step = event.step {
            if specs[plan] == nil { specs[plan] = try? store.spec(of: plan) }
            if (steps[plan]?.count ?? 0) <= Int(step) { steps[plan] = try? store.steps(of: plan) }
            if let spec = specs[plan], let rows = steps[plan], rows.indices.contains(Int(step)) {
                return spec.label(of: rows[Int(step)].spec)
            }
        }
        guard let node = event.node else { return nil }
        if nodes[node] == nil { nodes[node] = (try? store.node(node))??.name.description }
        return nodes[node]
    }
}
