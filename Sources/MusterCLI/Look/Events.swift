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
              muster events --filter 'object-type=node-state event-type=ISUP,LOST'
            """
    )
    @OptionGroup var options: StreamOptions
    @Option(help: "Only events of this run.") var run: String?
    @Option(help: "Only events of this node.") var node: String?
    @Option(
        help: ArgumentHelp(
            "Only events whose fields are one of these each: FIELD=VALUE[,VALUE…] …; fields are "
                + EventAddress.Field.allCases.map(\.rawValue).joined(separator: ", ") + ".",
            valueName: "fields"
        )
    )
    var filter: String?
    @Option(help: ArgumentHelp("Events after this position.", valueName: "position")) var since: String?
    @Flag(name: .customLong("until-end"), help: "With --follow: end when nobody conducts any more.") var untilEnd =
        false

    func run() async throws {
        let session = try StateSession.open(options, to: .read)
        let lookup = RunLookup(store: session.store)
        let plan = try run.map { try lookup.find($0).id }
        let node = try node.map { try NodeLookup(store: session.store).one($0).id }
        var stream = EventStream(
            session: session,
            options: options,
            plan: plan,
            node: node,
            filter: try wanted(),
            isFromPosition: since != nil
        )
        var position = try beginning(session, lookup)
        position = try stream.show(after: position)
        guard options.follow else { return }
        while true {
            let watch = try FolderWatch(session.state.path)
            if let link = await ConductorLink.connect(session.state, group: MultiThreadedEventLoopGroup.singleton) {
                position = try stream.show(after: position)
                for await _ in link.wakeUps { position = try stream.show(after: position) }
                position = try stream.show(after: position)
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

    private func wanted() throws -> EventFilter {
        guard let filter else { return EventFilter() }
        do throws(EventFilterError) {
            return try EventFilter(filter)
        } catch {
            throw CLIError("--filter: \(error.message)")
        }
    }
}

/// Prints what is wanted of the stream, from a position on. Whoever reads slowly slows nobody: what it has not printed
/// waits in the store.
private struct EventStream {
    let session: StateSession
    let options: StreamOptions
    let plan: PlanID?
    let node: NodeID?
    let filter: EventFilter
    /// Whether somebody wants all after a position.
    let isFromPosition: Bool
    private var names: EventNames
    /// Whether something was printed: who begins is not behind.
    private var hasBegun = false

    private static let page = 1000
    /// Who has so many events to catch up with is told.
    private static let behindMax: Int64 = 10_000

    init(
        session: StateSession,
        options: StreamOptions,
        plan: PlanID?,
        node: NodeID?,
        filter: EventFilter,
        isFromPosition: Bool
    ) {
        self.session = session
        self.options = options
        self.plan = plan
        self.node = node
        self.filter = filter
        self.isFromPosition = isFromPosition
        names = EventNames(store: session.store)
    }

    /// Returns the position up to which it has printed.
    mutating func show(after: Int64) throws -> Int64 {
        let lookup = RunLookup(store: session.store)
        if hasBegun {
            let newest = try lookup.read { () throws(StoreError) in try session.store.position() }
            if newest - after > Self.behindMax {
                Output.error("\(newest - after) events behind; going on after position \(after), and leaving out none")
            }
        }
        let tellsOfGaps = hasBegun || isFromPosition
        hasBegun = true
        names.forgetPlaces()
        var position = after
        while true {
            let from = position
            let events = try lookup.read { () throws(StoreError) in
                if let node { return try session.store.events(of: node, after: from, limit: Self.page) }
                return try session.store.events(after: from, plan: plan, limit: Self.page)
            }
            if tellsOfGaps { tellOfGaps(after: from, events) }
            for event in events where plan == nil || event.plan == plan { print(event) }
            guard let last = events.last else { return position }
            position = last.position
            if events.count < Self.page { return position }
        }
    }

    /// Events leave the stream only with runs that are deleted.
    private func tellOfGaps(after position: Int64, _ events: [EventRow]) {
        guard plan == nil, node == nil, let last = events.last else { return }
        let missing = last.position - position - Int64(events.count)
        guard missing > 0 else { return }
        Output.error("\(missing) events after position \(position) were deleted with their runs")
    }

    private mutating func print(_ event: EventRow) {
        if !filter.isEverything, !filter.matches(names.address(of: event)) { return }
        let thing = names.thing(of: event)
        if options.json {
            Output.json(JSONShape.Event(event, thing: thing))
        } else {
            let run = event.plan.map { RunName($0).description } ?? "-"
            let parts = ["\(event.position)", event.at.rfc3339, run, event.kind.rawValue, thing ?? ""]
            Output.line((parts + [printable(event.detail ?? "")]).filter { !$0.isEmpty }.joined(separator: "  "))
        }
    }
}

/// What people call the subject of an event.
struct EventNames {
    let store: any Store
    private var specs: [PlanID: RunSpec] = [:]
    private var steps: [PlanID: [StepRow]] = [:]
    private var nodes: [NodeID: NodeRow] = [:]
    private var plans: [PlanID: PlanRow] = [:]

    init(store: any Store) { self.store = store }

    /// What may have changed is read again.
    mutating func forgetPlaces() { (specs, steps) = ([:], [:]) }

    private mutating func row(of node: NodeID) -> NodeRow? {
        if nodes[node] == nil { nodes[node] = (try? store.node(node)) ?? nil }
        return nodes[node]
    }

    /// What an event is about, for filters.
    mutating func address(of event: EventRow) -> EventAddress {
        let node = event.node.flatMap { row(of: $0) }
        let id = event.plan ?? node?.createdBy
        if let id, plans[id] == nil { plans[id] = (try? store.plan(id)) ?? nil }
        let plan = id.flatMap { plans[$0] }
        return EventAddress(
            of: event,
            lab: node?.lab ?? plan?.lab,
            node: node?.name,
            name: thing(of: event) ?? event.plan.map { RunName($0).description },
            host: plan?.host
        )
    }

    mutating func thing(of event: EventRow) -> String? {
        if let plan = event.plan, let step = event.step {
            if specs[plan] == nil { specs[plan] = try? store.spec(of: plan) }
            if (steps[plan]?.count ?? 0) <= Int(step) { steps[plan] = try? store.steps(of: plan) }
            if let spec = specs[plan], let rows = steps[plan], rows.indices.contains(Int(step)) {
                return spec.label(of: rows[Int(step)].spec)
            }
        }
        return event.node.flatMap { row(of: $0) }?.name.description
    }
}
