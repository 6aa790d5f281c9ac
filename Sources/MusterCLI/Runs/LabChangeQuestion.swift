import Foundation
import MusterCore
import MusterStore

/// Shows what a run would change of what is up, and asks where something would go.
struct LabChangeQuestion {
    let session: StateSession
    let options: any VerbOptions
    /// `--yes`.
    let isAgreed: Bool

    /// The request with what it may take away.
    ///
    /// - Throws: `CLIError` when something would go, and nobody has agreed to it.
    func agreed(_ spec: RunSpec, declared: Set<String>?) throws -> RunSpec {
        let changes = try Self.compare(spec, declared: declared, session)
        guard let going = changes.changes else {
            if !options.json, changes.hasAny { for line in changes.lines { Output.note(line) } }
            return spec
        }
        let shown = changes.lines.joined(separator: "\n")
        if let (group, needed) = changes.leftOut.first {
            let names = (spec.groups.filter(\.hasNodes).map(\.name) + changes.leftOut.map(\.group))
                .reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
            throw CLIError(
                "\(shown)\n'\(group)' is up and needs '\(needed)', which would be made anew; bring both up: muster up \(names.joined(separator: " "))"
            )
        }
        if !isAgreed {
            guard !options.json, Terminal.isTTY(STDIN_FILENO), Terminal.isTTY(STDERR_FILENO) else {
                throw CLIError("\(shown)\nnothing was changed; if nodes may go for that: --yes")
            }
            Output.note(shown)
            guard Self.ask("Go on? Nodes are destroyed. [y/N] ") else {
                throw CLIError("nothing was changed")
            }
        } else if !options.json {
            Output.note(shown)
        }
        var spec = spec
        spec.changes = going
        return spec
    }

    static func compare(_ spec: RunSpec, declared: Set<String>?, _ session: StateSession) throws -> LabChanges {
        try RunLookup(store: session.store).read { () throws(StoreError) in
            let nodes = try session.store.nodes(lab: spec.lab, includingGone: false)
            var made: [PlanID: RunSpec] = [:]
            for id in Set(nodes.map(\.createdBy)) { made[id] = try session.store.spec(of: id) }
            return LabChanges(bringingUp: spec, declared: declared, nodes: nodes) { made[$0] }
        }
    }

    /// Says which machines tests use although the lab has them otherwise by now.
    static func tellWhatStays(_ spec: RunSpec, _ session: StateSession, _ options: any VerbOptions) throws {
        guard !options.json else { return }
        for group in try compare(spec, declared: nil, session).groups where !group.remade.isEmpty {
            let reason = group.reason.map { ": \(printable($0))" } ?? ""
            Output.note(
                "'\(group.name)' is used as it is, though the lab has it otherwise by now\(reason); anew: muster up --yes"
            )
        }
    }

    private static func ask(_ question: String) -> Bool {
        Output.write(question, to: STDERR_FILENO)
        let answer = readLine(strippingNewline: true)?.lowercased() ?? ""
        return answer == "y" || answer == "yes"
    }
}

extension LabChanges {
    /// Whether there is anything to compare with, and to say of it.
    var hasAny: Bool { !isNothing && groups.contains { $0.kept > 0 || $0.repaired > 0 } }

    /// A line for each group that does not stay as it is.
    var lines: [String] {
        var table = TextTable(header: ["GROUP", "CHANGE"])
        for group in groups where !group.isAsBefore {
            var parts: [String] = []
            if group.kept > 0 { parts.append("\(group.kept) kept") }
            if group.added > 0 { parts.append("\(group.added) added") }
            if group.repaired > 0 { parts.append("\(group.repaired) made again, not ready") }
            if !group.remade.isEmpty { parts.append("\(group.remade.count) made anew") }
            if !group.removed.isEmpty { parts.append("\(group.removed.count) taken away") }
            table.add([
                group.name,
                parts.joined(separator: ", ") + (group.reason.map { ": \(printable($0))" } ?? ""),
            ])
        }
        return table.lines
    }
}

extension JSONShape {
    /// What bringing a group up would change.
    struct GroupChange: Encodable {
        var group: String
        var kept: Int
        var added: Int
        var repaired: Int
        var remade: [String]
        var removed: [String]
        var reason: String?

        init(_ group: LabChanges.Group) {
            self.group = group.name
            kept = group.kept
            added = group.added
            repaired = group.repaired
            remade = group.remade.map(\.name.description)
            removed = group.removed.map(\.name.description)
            reason = group.reason
        }
    }
}
