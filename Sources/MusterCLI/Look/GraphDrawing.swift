import MusterCore
import MusterReport

/// A graph in each form that people and programs may want.
struct GraphDrawing {
    let graph: Graph
    let shape: GraphShape
    let lines: [String]

    /// - Parameter report: how a group stands; nil where nothing was ever done for it.
    init(
        lab: String,
        run: RunName?,
        groups: [GroupSpec],
        suites: [SuiteSpec],
        report: (GroupSpec) -> GroupReport?
    ) {
        let reports = groups.map { group in
            report(group)
                ?? GroupReport(
                    name: group.name,
                    needs: group.needs,
                    count: group.hasNodes ? group.count : 0,
                    state: .gone
                )
        }
        let title = run.map { "\(lab), run \($0)" } ?? lab
        graph = Graph(
            title: title,
            groups: reports,
            suites: suites.map { ($0.name, $0.group, $0.tests.count) }
        )
        shape = GraphShape(
            lab: lab,
            run: run?.description,
            groups: reports.map(GraphShape.Group.init),
            suites: suites.map { GraphShape.Suite(suite: $0.name, group: $0.group, tests: $0.tests.count) }
        )
        var table = TextTable(header: ["LEVEL", "GROUP", "STATE", "READY", "TOOK", "SLOWEST STEP", "NEEDS", "NOTE"])
        let levels = graph.levels
        for (place, report) in reports.enumerated().sorted(by: { levels[$0.offset] < levels[$1.offset] }) {
            let slowest = report.slowest.map { "\(printable($0.title)) on \($0.node), \($0.took.shortText)" } ?? ""
            table.add([
                "\(levels[place] + 1)", report.name, report.state.rawValue,
                report.count == 0 ? "" : "\(report.ready)/\(report.count)", report.took?.shortText ?? "", slowest,
                report.needs.map { need in need.ready.map { "\(need.group) (\($0))" } ?? need.group }
                    .joined(separator: ", "), printable(report.reason ?? ""),
            ])
        }
        var lines = ["lab \(title): \(counted(reports.count, "group"))"]
        lines += table.withoutEmptyColumns.lines
        for suite in suites {
            lines.append(
                "tests \(suite.name): \(counted(suite.tests.count, "test")) on \(suite.groups.joined(separator: ", "))"
            )
        }
        self.lines = lines
    }

    /// The steps of a program's plan. Those that only join others are left out: what needs them needs what they join.
    init(_ row: PlanRow, _ spec: RunSpec, _ steps: [StepRow]) {
        var places: [StepIndex: Int] = [:]
        var sources: [StepIndex: [Int]] = [:]
        var boxes: [Graph.Box] = []
        var arrows: [Graph.Arrow] = []
        var shown: [GraphShape.Step] = []
        for step in steps {
            var from: Set<Int> = []
            for need in step.needs {
                if let place = places[need] { from.insert(place) } else { from.formUnion(sources[need, default: []]) }
            }
            guard step.spec.action != .barrier else {
                sources[step.index] = from.sorted()
                continue
            }
            let label = spec.label(of: step.spec)
            let took = step.startedAt.flatMap { begin in step.endedAt.map { $0 - begin } }
            arrows += from.sorted().map { Graph.Arrow(from: $0, to: boxes.count) }
            places[step.index] = boxes.count
            boxes.append(
                Graph.Box(
                    title: "\(step.index + 1) \(label)",
                    state: step.state.rawValue + (step.tries > 1 ? ", try \(step.tries)" : ""),
                    detail: step.error?.message ?? took.map { "in \($0.shortText)" } ?? "",
                    tone: step.state.tone
                )
            )
            shown.append(
                GraphShape.Step(
                    step: Int(step.index) + 1,
                    action: label,
                    state: step.state.rawValue,
                    needs: from.sorted().map { shown[$0].step }
                )
            )
        }
        let name = RunName(row.id)
        let title = "\(spec.program?.name ?? row.verb.rawValue) of \(row.lab), run \(name)"
        graph = Graph(title: title, boxes: boxes, arrows: arrows)
        shape = GraphShape(lab: row.lab, run: name.description, groups: [], suites: [], steps: shown)
        var table = TextTable(header: ["LEVEL", "STEP", "STATE", "NEEDS", "NOTE"])
        for (place, box) in boxes.enumerated() {
            table.add([
                "\(graph.levels[place] + 1)", box.title, box.state,
                shown[place].needs.map(String.init).joined(separator: ", "), printable(box.detail),
            ])
        }
        lines = ["plan \(title): \(counted(boxes.count, "step"))"] + table.withoutEmptyColumns.lines
    }
}

extension StepState {
    fileprivate var tone: Graph.Tone {
        switch self {
        case .pending: .idle
        case .running, .suspended: .working
        case .success: .good
        case .error: .bad
        case .skipping, .skipped: .blocked
        case .cancelled: .gone
        }
    }
}

/// What `muster graph --json` prints.
struct GraphShape: Encodable {
    struct Need: Encodable {
        var group: String
        var ready: Int?
    }
    struct Slowest: Encodable {
        var step: String
        var node: String
        var tookMilliseconds: Int64

        enum CodingKeys: String, CodingKey {
            case step, node
            case tookMilliseconds = "took_ms"
        }
    }
    struct Group: Encodable {
        var group: String
        var state: String
        var ready: Int
        var count: Int
        var needs: [Need]
        var reason: String?
        var tookMilliseconds: Int64?
        var slowest: Slowest?
        var retries: Int
        var replaced: Int

        enum CodingKeys: String, CodingKey {
            case group, state, ready, count, needs, reason, slowest, retries, replaced
            case tookMilliseconds = "took_ms"
        }

        init(_ report: GroupReport) {
            group = report.name
            state = report.state.rawValue
            ready = report.ready
            count = report.count
            needs = report.needs.map { Need(group: $0.group, ready: $0.ready) }
            reason = report.reason
            tookMilliseconds = report.took?.milliseconds
            slowest = report.slowest.map {
                Slowest(step: $0.title, node: $0.node, tookMilliseconds: $0.took.milliseconds)
            }
            retries = report.retries
            replaced = report.replaced
        }
    }
    struct Suite: Encodable {
        var suite: String
        var group: String
        var tests: Int
    }
    struct Step: Encodable {
        var step: Int
        var action: String
        var state: String
        /// Numbers of steps.
        var needs: [Int]
    }
    var format = 1
    var lab: String
    var run: String?
    /// Each after all it needs.
    var groups: [Group]
    var suites: [Suite]
    /// Of a program's plan; not there for labs.
    var steps: [Step]?
}
