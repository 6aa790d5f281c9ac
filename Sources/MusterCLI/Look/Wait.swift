import ArgumentParser
import Foundation
import MusterCore
import MusterEngine
import MusterLab
import MusterStore
import NIOPosix

struct Wait: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Wait until groups are ready, or nodes are in a state.",
        discussion: """
              muster wait app web ready --for 5m           groups, also while they are brought up
              muster wait app/0 app/1 'SHUTDOWN>ISUP'      each in this order, whatever comes between
              muster wait app LINUX/ISUP --any             the first of them
              muster wait app/0 ISUP --since 1200          what came after a position counts too

            Only what comes after the wait began counts, except for `ready`, which may be so already. Ends with 0 when
            it is so, with 3 and the reason when it cannot be any more, with 4 when the time is over.
            """
    )
    @OptionGroup var options: GlobalOptions
    @Option(name: .customLong("for"), help: "How long to wait: 30s, 5m.") var length = "10m"
    @Flag(help: "The first node is enough.") var any = false
    @Option(help: "So many nodes are enough.") var count: Int?
    @Option(help: ArgumentHelp("Count what came after this position.", valueName: "position")) var since: Int64?
    @Flag(help: "When nobody conducts, wait for somebody who does.") var waitForConductor = false
    @Argument(help: "Nodes or groups, and the condition.", completion: Completions.nodes) var words: [String]

    func validate() throws {
        if (try? DurationText.parse(length)) == nil {
            throw ValidationError("--for '\(length)' is no length of time: 30s, 5m, 1h30m")
        }
        if words.count < 2 { throw ValidationError("name nodes, then what to wait for: muster wait app/0 ready") }
        if any, count != nil { throw ValidationError("--any and --count exclude each other") }
    }

    func run() async throws {
        let session = try StateSession.open(options, to: .read)
        let deadline = HostTime().now() + (try DurationText.parse(length))
        let quorum: WaitQuorum = any ? .any : count.map { .count($0) } ?? .all
        if words.last == "ready" {
            let names = Array(words.dropLast())
            return try await waitUntilReady(names, session, deadline: deadline, quorum: quorum)
        }
        let nodes = try NodeLookup(store: session.store).find(Array(words.dropLast()))
        let condition = try checked(nodes, session)
        let desk: WaitDesk
        let ticket: WaitDesk.Ticket
        do {
            desk = try WaitDesk(store: session.store)
            ticket = try desk.wait(
                for: condition,
                of: nodes.map(\.id),
                quorum: quorum,
                since: since,
                deadline: deadline
            )
        } catch let error as WaitError {
            throw CLIError(error.message)
        } catch let error as StoreError {
            throw CLIError(error.message, exitCode: error.code.exitCode)
        }
        let names = Dictionary(uniqueKeysWithValues: nodes.map { ($0.id, $0.name.description) })
        let end: End
        do {
            end = try await follow(desk, ticket, condition, deadline, session, names)
        } catch let error as StoreError {
            throw CLIError(error.message, exitCode: error.code.exitCode)
        }
        try tell(end, names)
    }

    /// The condition, when its names are those of the tables of all nodes.
    private func checked(_ nodes: [NodeRow], _ session: StateSession) throws -> StateCondition {
        do {
            let condition = try StateCondition(words[words.count - 1])
            for lab in Set(nodes.map(\.lab)) {
                let set = try RunLookup(store: session.store).read { () throws(StoreError) in
                    try session.store.modes(of: lab)
                }
                guard let set else {
                    throw CLIError("lab '\(lab)' has no mode table; name one in its file: modes: container")
                }
                _ = try condition.checked(against: ModeTable(set))
            }
            return condition
        } catch let error as StateConditionError {
            throw CLIError(error.message)
        }
    }

    private struct End: Sendable {
        var wait: StateWait?
        var isTimeout = false
        /// Nobody is there who could bring it about.
        var isDeserted = false
    }

    /// Hears of news from whoever conducts, until the wait is over.
    private func follow(
        _ desk: WaitDesk,
        _ ticket: WaitDesk.Ticket,
        _ condition: StateCondition,
        _ deadline: Timestamp,
        _ session: StateSession,
        _ names: [NodeID: String]
    ) async throws -> End {
        let waitsForConductor = waitForConductor
        let (isQuiet, isJSON) = (options.quiet, options.json)
        return try await withThrowingTaskGroup(of: End?.self) { group in
            group.addTask {
                for await update in ticket.updates {
                    switch update {
                    case .arrived(_, let node, let standing):
                        if !isQuiet, !isJSON { Output.line("\(names[node] ?? "node"): \(standing.words(condition))") }
                    case .over(let wait, let isTimeout): return End(wait: wait, isTimeout: isTimeout)
                    }
                }
                return nil
            }
            group.addTask {
                try await HostTime().sleep(for: max(.zero, deadline - HostTime().now()))
                desk.advance(to: HostTime().now())
                return nil
            }
            group.addTask {
                while true {
                    let watch = try FolderWatch(session.state.path)
                    let link = await ConductorLink.connect(session.state, group: MultiThreadedEventLoopGroup.singleton)
                    if let link {
                        try desk.look()
                        for await _ in link.wakeUps { try desk.look() }
                    }
                    try desk.look()
                    guard waitsForConductor else { return End(wait: desk.standing(of: ticket.id), isDeserted: true) }
                    try await watch.change(of: [StateDirectory.socketName])
                }
            }
            defer { group.cancelAll() }
            for try await end in group { if let end, end.wait != nil { return end } }
            return End()
        }
    }

    private func tell(_ end: End, _ names: [NodeID: String]) throws {
        guard let wait = end.wait else { throw CLIError("the wait has ended without an answer") }
        if options.json {
            Output.json(Shape(wait, names, isTimeout: end.isTimeout))
        }
        if wait.isSatisfied { return }
        func list(_ nodes: [NodeID]) -> String { nodes.map { names[$0] ?? "?" }.joined(separator: ", ") }
        let what = words[words.count - 1]
        if end.isTimeout {
            throw CLIError(
                "after \(length) \(list(wait.pending)) did not get to '\(what)'; see: muster why \(list(Array(wait.pending.prefix(1))))",
                exitCode: ExitCodes.notObtained
            )
        }
        if end.isDeserted {
            throw CLIError(
                "nobody conducts this state, so nothing will happen to \(list(wait.pending)); begin something (muster up), or wait for it with --wait-for-conductor",
                exitCode: ExitCodes.infrastructure
            )
        }
        throw CLIError("\(list(wait.failed)) will not get to '\(what)'", exitCode: ExitCodes.infrastructure)
    }

    private struct Shape: Encodable {
        struct Node: Encodable {
            var node: String
            var standing: String
            var reason: String?
        }
        var format = 1
        var satisfied: Bool
        var timedOut: Bool
        /// Where to go on from: `--since`.
        var position: Int64
        var nodes: [Node]

        init(_ wait: StateWait, _ names: [NodeID: String], isTimeout: Bool) {
            satisfied = wait.isSatisfied
            timedOut = isTimeout
            position = wait.position
            nodes = zip(wait.nodes, wait.standings).map { node, standing in
                var reason: String?
                if case .failed(let text) = standing { reason = text }
                return Node(node: names[node] ?? "", standing: standing.word, reason: reason)
            }
        }

        enum CodingKeys: String, CodingKey {
            case format, satisfied, position, nodes
            case timedOut = "timed_out"
        }
    }
}

extension WaitStanding {
    fileprivate var word: String {
        switch self {
        case .pending: "pending"
        case .finished: "finished"
        case .failed: "failed"
        case .cancelled: "cancelled"
        }
    }

    fileprivate func words(_ condition: StateCondition) -> String {
        switch self {
        case .pending(let seen):
            if case .sequence(let patterns) = condition, patterns.indices.contains(seen - 1) {
                "\(patterns[seen - 1]) seen, \(patterns[min(seen, patterns.count - 1)]) is next"
            } else {
                "not yet"
            }
        case .finished: "there"
        case .failed(let reason): "failed: \(printable(reason))"
        case .cancelled: "not waited for any more"
        }
    }
}
