import Foundation
import MusterCore
import MusterLab
import MusterTestKit
import Testing

@testable import MusterCLI

// What the tests of the scheduler share: short ways to say a lab, and how its groups stand.

/// A group of nodes of one `process` step, followed by `runs` commands, each with an undo.
func scheduled(_ name: String, _ count: Int = 1, needs: [String] = [], runs: Int = 0) -> GroupSpec {
    var group = GroupSpec(name: name, count: count)
    group.needs = needs.map { Need(group: $0) }
    group.steps = [ProvisionStep(.process(run: Template("./server")))]
    for number in 0..<runs { group.steps.append(ProvisionStep(.run(Template("./p\(number + 2)")))) }
    for index in group.steps.indices { group.steps[index].undo = Template("./u\(index + 1)") }
    return group
}

func request(_ verb: Verb, _ groups: [GroupSpec] = [], parallel: Int = 64) -> RunSpec {
    var spec = RunSpec(verb: verb, lab: "lab", labDirectory: "/lab")
    spec.groups = groups
    spec.parallel = parallel
    return spec
}

func takeDown(_ groups: String..., options: DownOptions? = nil) -> RunSpec {
    var spec = request(.down)
    spec.downGroups = groups
    spec.downOptions = options
    return spec
}

extension DirectorHarness {
    /// Asks for a run that is not refused.
    mutating func begin(_ spec: RunSpec, sourceLocation: SourceLocation = #_sourceLocation) throws -> PlanID {
        let id = submit(spec)
        return try #require(id, sourceLocation: sourceLocation)
    }

    /// How the groups stand, from the rows alone, as `muster status` reads them.
    var standings: GroupStandings {
        var standings = GroupStandings(
            lab: "lab",
            nodes: rows.nodes.values.sorted {
                ($0.name.group, $0.name.index, $0.id) < ($1.name.group, $1.name.index, $1.id)
            }
        )
        let newest = rows.plans.values.sorted { $0.id > $1.id }.filter { $0.verb.bringsUp || $0.verb == .down }
        for row in newest.filter({ !$0.state.isFinal }) + newest.filter(\.state.isFinal) {
            guard let spec = rows.specs[row.id] else { continue }
            standings.take(RecordedRun(row: row, spec: spec, steps: rows.steps[row.id] ?? []))
        }
        standings.complete()
        return standings
    }

    /// `failed: db/0 failed: exit 1`
    func standing(_ group: String) -> String {
        guard let standing = standings[group] else { return "unknown" }
        return standing.state.rawValue + (standing.reason.map { ": \($0)" } ?? "")
    }

    /// What a wait for these to be ready comes to: `there`, `pending`, or why never.
    func wait(_ names: String..., quorum: WaitQuorum = .all) -> String {
        let targets = names.map { text -> ReadyWait.Target in
            NodeName(text).map { ReadyWait.Target.node($0) } ?? .group(text)
        }
        let wait = ReadyWait(targets, quorum: quorum, among: [standings]) { _ in true }
        return wait.isSatisfied ? "there" : wait.hopelessness ?? "pending"
    }

    var refusals: [Refusal] {
        rows.events.filter { $0.kind == .requestRefused }.compactMap { Refusal($0.detail ?? "") }
    }
}

/// A lab file that has no files beside it.
struct NoFiles: FileTree {
    func kind(of path: String) -> FileKind? { nil }
    func names(in folder: String) -> [String]? { nil }
}

func readLab(_ text: String) throws(LabError) -> Lab {
    try LabParser.parse(text: "muster: 1\nlab: lab\n" + text, file: "lab.yaml", files: NoFiles())
}
