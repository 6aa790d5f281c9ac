import ArgumentParser
import Foundation
import MusterCore
import MusterDrivers
import MusterEngine
import MusterStore
import Synchronization

struct Reconcile: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ask what is true of machines; put the record right.",
        discussion: """
              muster reconcile

            Nodes that were lost meanwhile are known to be lost afterwards, and what exists outside although its
            node is gone is removed. A run that was interrupted is not gone on with: muster resume does that, and
            finds what it had begun to make.
            """
    )
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try StateSession.open(options, to: .write)
        let before = try nodes(of: session)
        try await settle(session)
        let outside = try await Outside(session, options: options)
        let kept: [(orphan: Census.Orphan, problem: String)]
        do {
            kept = try await outside.removeOrphans()
        } catch {
            await outside.close()
            throw error
        }
        await outside.close()
        let findings = Findings(before: before, after: try nodes(of: session), outside: outside, kept: kept)
        if options.json {
            Output.json(findings.shape)
        } else {
            findings.show()
            outside.show()
        }
        guard kept.isEmpty, outside.problems.isEmpty else { throw RunEnd(exitCode: ExitCodes.infrastructure) }
    }

    /// Has what supervisors and drivers know collected, as every start of a conductor does.
    private func settle(_ session: StateSession) async throws {
        let looks = Mutex(0)
        let follower = RunFollower(session) { Output.note($0) }
        // The first word of a conductor, own or another's, comes when it has settled.
        try await follower.follow(
            resuming: { nil },
            resumesAtOnce: false,
            look: {
                looks.withLock { looks in
                    looks += 1
                    return looks > 2 ? .isOver : .goesOn
                }
            }
        )
    }

    private func nodes(of session: StateSession) throws -> [NodeRow] {
        try RunLookup(store: session.store).read { () throws(StoreError) in
            try session.store.nodes(lab: nil, includingGone: false)
        }
    }

    /// What has come of it.
    private struct Findings {
        var before: [NodeRow]
        var after: [NodeRow]
        var outside: Outside
        var kept: [(orphan: Census.Orphan, problem: String)]

        /// Nodes of which something else is true than was on record.
        private var changed: [(was: NodeState?, is: NodeRow)] {
            let known = Dictionary(before.map { ($0.id, $0.state) }) { first, _ in first }
            return after.filter { known[$0.id] != $0.state }.map { (known[$0.id], $0) }
        }

        func show() {
            for (was, node) in changed {
                let reason = node.reason.map { ": " + printable($0) } ?? ""
                Output.line(
                    "\(node.name) is \(node.state.rawValue)\(was.map { ", was \($0.rawValue)" } ?? "")\(reason)"
                )
            }
            let same = after.count - changed.count
            if same > 0 { Output.line("\(counted(same, "node")) as recorded") }
            for node in after where node.state == .creating || node.state == .starting {
                guard let run = node.heldBy else { continue }
                Output.line(
                    "\(node.name) is half made by run \(RunName(run)); next: muster resume \(RunName(run)), or muster down"
                )
            }
            let gone = outside.orphans.count - kept.count
            if gone > 0 { Output.line("removed \(counted(gone, "machine")) that nobody owned") }
            for (orphan, problem) in kept {
                Output.note("\(printable(orphan.belonging.name)) could not be removed: \(printable(problem))")
            }
            if after.isEmpty, outside.orphans.isEmpty { Output.line("nothing is up, and nothing is left") }
        }

        var shape: Shape {
            let names = Set(kept.map(\.orphan.belonging.name))
            return Shape(
                nodes: after.map(JSONShape.Node.init),
                changed: changed.map(\.is.name.description),
                removed: outside.orphans.filter { !names.contains($0.name) },
                kept: kept.map { Shape.Kept(name: $0.orphan.belonging.name, reason: $0.problem) },
                stale_leases: outside.staleLeases,
                not_asked: outside.problems
            )
        }
    }

    private struct Shape: Encodable {
        struct Kept: Encodable {
            var name: String
            var reason: String
        }
        var format = 1
        var nodes: [JSONShape.Node]
        var changed: [String]
        var removed: [Outside.OrphanShape]
        var kept: [Kept]
        var stale_leases: [Outside.LeaseShape]
        var not_asked: [String]
    }
}
