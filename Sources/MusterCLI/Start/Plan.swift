import ArgumentParser
import Foundation
import MusterCore
import MusterEngine
import MusterLab

struct Plan: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what would be done, and in which order.",
        discussion: """
              muster plan               groups in order, nodes, steps, tests
              muster plan --timeouts    every timeout, with the key that sets it
              muster plan --json        the same for programs
            """
    )
    @OptionGroup var options: GlobalOptions
    @OptionGroup var lab: LabOptions
    @Flag(help: "Every timeout, with the key that sets it.") var timeouts = false
    @Argument(help: "Groups; none means all.", completion: Completions.groups) var groups: [String] = []

    func run() async throws {
        let loader = LabLoader(options: options, lab: lab)
        let loaded = try loader.load()
        var selection = RunSelection()
        selection.groups = groups
        let up = try loader.spec(.up, of: loaded, selection)
        let suites = groups.isEmpty ? loaded.suites.map(\.spec) : []
        let changes = try changes(of: up, declared: groups.isEmpty ? Set(loaded.groups.map(\.name)) : nil)
        if options.json {
            var shape = PlanShape(lab: loaded.name, groups: up.groups, suites: suites)
            shape.changes = changes?.groups.map(JSONShape.GroupChange.init)
            return Output.json(shape)
        }
        if timeouts { return Output.lines(TimeoutList(groups: up.groups, suites: suites).lines) }
        Output.line("lab \(loaded.name): \(counted(loaded.nodeCount, "node")) in \(counted(up.groups.count, "group"))")
        for (index, group) in up.groups.enumerated() {
            let needs = group.needs.map { need in need.ready.map { "\(need.group) (\($0) ready)" } ?? need.group }
            let what = group.hasNodes ? counted(group.count, "node") : "no machines, orders others"
            Output.line(
                "\(index + 1). \(group.name): \(what)"
                    + (needs.isEmpty ? "" : ", after \(needs.joined(separator: ", "))")
            )
            for (number, step) in group.steps.enumerated() {
                let timeout = step.kind.creates ? "" : "  (at most \(step.timeout.shortText))"
                Output.line("     \(number + 1) \(printable(step.title))\(timeout)")
            }
            for condition in group.ready {
                Output.line("     ready: \(printable(condition.title))  (within \(condition.within.shortText))")
            }
        }
        for suite in suites {
            Output.line(
                "tests \(suite.name): \(counted(suite.tests.count, "test")) on \(suite.groups.joined(separator: ", "))"
                    + (suite.reruns > 0 ? ", up to \(counted(suite.reruns, "rerun"))" : "")
                    + ", \(suite.order.rawValue), each at most \(suite.timeout.shortText)"
            )
        }
        guard let changes else { return }
        Output.line("")
        Output.line(changes.isNothing ? "all of it is up, as the lab says" : "compared with what is up:")
        if !changes.isNothing { Output.lines(changes.lines) }
    }
}

extension Plan {
    /// What would be changed of what is up; nil where nothing ever was.
    private func changes(of up: RunSpec, declared: Set<String>?) throws -> LabChanges? {
        guard FileManager.default.fileExists(atPath: options.stateDirectory.database) else { return nil }
        let session = try StateSession.open(options, to: .read)
        let changes = try LabChangeQuestion.compare(up, declared: declared, session)
        return changes.groups.contains { $0.kept + $0.repaired + $0.remade.count + $0.removed.count > 0 }
            ? changes : nil
    }
}

/// Every timeout of a lab with the key that sets it.
struct TimeoutList {
    let groups: [GroupSpec]
    let suites: [SuiteSpec]

    var lines: [String] {
        var table = TextTable(header: ["WHAT", "TIMEOUT", "KEY"])
        for group in groups {
            for (index, step) in group.steps.enumerated() where !step.kind.creates {
                table.add([
                    "\(group.name):\(index + 1) \(printable(step.title))", step.timeout.shortText,
                    "groups.\(group.name).provision[\(index)].timeout",
                ])
            }
            for (index, condition) in group.ready.enumerated() {
                table.add([
                    "\(group.name) \(printable(condition.title))", condition.within.shortText,
                    "groups.\(group.name).ready[\(index)].within",
                ])
            }
        }
        for suite in suites {
            table.add(["tests of \(suite.name)", suite.timeout.shortText, "tests.\(suite.name).timeout"])
        }
        table.add(["between TERM and KILL", Defaults.grace.shortText, "fixed"])
        table.add(["before and after of a suite", Defaults.stepTimeout.shortText, "fixed"])
        return table.lines
    }
}

/// What `muster plan --json` prints.
struct PlanShape: Encodable {
    struct Group: Encodable {
        var group: String
        var count: Int
        var needs: [Need]
        var steps: [Step]
        var ready: [Condition]
        var onFailure: String

        enum CodingKeys: String, CodingKey {
            case group, count, needs, steps, ready
            case onFailure = "on_failure"
        }
    }
    struct Need: Encodable {
        var group: String
        var ready: Int?
    }
    struct Step: Encodable {
        var kind: String
        var title: String
        var timeoutMilliseconds: Int64
        var retries: Int
        var undo: Bool

        enum CodingKeys: String, CodingKey {
            case kind, title, retries, undo
            case timeoutMilliseconds = "timeout_ms"
        }
    }
    struct Condition: Encodable {
        var condition: String
        var withinMilliseconds: Int64

        enum CodingKeys: String, CodingKey {
            case condition
            case withinMilliseconds = "within_ms"
        }
    }
    struct Suite: Encodable {
        var suite: String
        var group: String
        var tests: [String]
        var reruns: Int
        var order: String
        var timeoutMilliseconds: Int64

        enum CodingKeys: String, CodingKey {
            case suite, group, tests, reruns, order
            case timeoutMilliseconds = "timeout_ms"
        }
    }
    var format = 1
    var lab: String
    /// Each after all it needs.
    var groups: [Group]
    var suites: [Suite]
    /// What would be changed of what is up; not there when nothing is.
    var changes: [JSONShape.GroupChange]?

    init(lab: String, groups: [GroupSpec], suites: [SuiteSpec]) {
        self.lab = lab
        self.groups = groups.map { group in
            Group(
                group: group.name,
                count: group.hasNodes ? group.count : 0,
                needs: group.needs.map { Need(group: $0.group, ready: $0.ready) },
                steps: group.steps.map { step in
                    Step(
                        kind: step.kind.word,
                        title: step.title,
                        timeoutMilliseconds: step.timeout.milliseconds,
                        retries: step.retry.times,
                        undo: step.undo != nil
                    )
                },
                ready: group.ready.map { Condition(condition: $0.title, withinMilliseconds: $0.within.milliseconds) },
                onFailure: group.onFailure.rawValue
            )
        }
        self.suites = suites.map { suite in
            Suite(
                suite: suite.name,
                group: suite.group,
                tests: suite.tests.map(\.name),
                reruns: suite.reruns,
                order: suite.order.rawValue,
                timeoutMilliseconds: suite.timeout.milliseconds
            )
        }
    }
}
