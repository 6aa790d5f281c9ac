import ArgumentParser
import Foundation
import MusterCore
import MusterLab

/// Tests of a tree without a lab file: the lab that is meant.
struct FMFRunOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Run the tests of a tree of fmf, without a lab file.", valueName: "folder"))
    var fmf: String?
    @Option(
        name: .customLong("filter"),
        help: ArgumentHelp("Of a tree: such as 'tag: slow'; repeatable.", valueName: "filter")
    )
    var filters: [String] = []
    @Option(
        name: .customLong("name"),
        help: ArgumentHelp("Of a tree: what is found in names; repeatable.", valueName: "regex")
    )
    var names: [String] = []
    @Option(
        name: .customLong("exclude"),
        help: ArgumentHelp("Of a tree: names to leave out; repeatable.", valueName: "regex")
    )
    var excluded: [String] = []
    @Option(
        name: .customLong("context"),
        help: ArgumentHelp("Of a tree: distro=fedora-40; repeatable.", valueName: "k=v")
    )
    var context: [String] = []
    @Option(
        name: .customLong("plan"),
        help: ArgumentHelp("Of a tree: a plan, for its tests and what is around them.", valueName: "name")
    )
    var plan: String?
    @Option(help: ArgumentHelp("Of a tree: how many machines (default 2).", valueName: "n")) var remotes: Int?
    @Option(help: ArgumentHelp("Of a tree: machines are containers of this image.", valueName: "image"))
    var image: String?
    @Option(
        name: .customLong("host"),
        help: ArgumentHelp("Of a tree: machines are these, over ssh; repeatable.", valueName: "user@host:port")
    )
    var hosts: [String] = []
    @Option(help: ArgumentHelp("Machines that stand in for others at once.", valueName: "n")) var spares: Int?
    @Option(help: ArgumentHelp("How often a failed test runs again.", valueName: "n")) var reruns: Int?
    @Option(name: .customLong("stop-after"), help: ArgumentHelp("End after so many failed tests.", valueName: "n"))
    var stopAfter: Int?

    static let labName = "fmf"
    static let suiteName = "fmf"

    func validate() throws {
        if fmf == nil {
            let given: [(String, Bool)] = [
                ("--filter", !filters.isEmpty), ("--name", !names.isEmpty), ("--exclude", !excluded.isEmpty),
                ("--context", !context.isEmpty), ("--plan", plan != nil), ("--remotes", remotes != nil),
                ("--image", image != nil), ("--host", !hosts.isEmpty),
            ]
            if let first = given.first(where: \.1) {
                throw ValidationError("\(first.0) goes with --fmf FOLDER; a lab file says it in 'discover'")
            }
        }
        if image != nil, !hosts.isEmpty {
            throw ValidationError("--image makes machines, and --host names them: give one of the two")
        }
        if !hosts.isEmpty, let remotes, remotes + (spares ?? 0) > hosts.count {
            throw ValidationError(
                "\(remotes + (spares ?? 0)) machines are wanted (--remotes, --spares), and --host names \(hosts.count)"
            )
        }
        for (name, value, range) in [
            ("--remotes", remotes, 1...LabKeys.countMax), ("--spares", spares, 0...LabKeys.sparesMax),
            ("--reruns", reruns, 0...LabKeys.rerunsMax), ("--stop-after", stopAfter, 1...LabKeys.stopAfterMax),
        ] {
            guard let value, !range.contains(value) else { continue }
            throw ValidationError(
                "\(name) wants a number from \(range.lowerBound) to \(range.upperBound), not \(value)"
            )
        }
    }

    /// The text of the lab file that says the same; nil without `--fmf`.
    var labText: String? {
        guard let fmf else { return nil }
        func list(_ key: String, _ values: [String]) -> [String] {
            values.isEmpty ? [] : ["\(key): [\(values.map(Self.quoted).joined(separator: ", "))]"]
        }
        var discover = ["path: \(Self.quoted(Paths.absolute(fmf)))"]
        discover +=
            list("filter", filters) + list("names", names) + list("exclude", excluded) + list("context", context)
        if let plan { discover.append("plan: \(Self.quoted(plan))") }
        return """
            lab: \(Self.labName)
            groups:
              remotes: { count: \(count), provision: [\(machine)] }
            tests:
              \(Self.suiteName):
                where: remotes
                discover: { fmf: { \(discover.joined(separator: ", ")) } }

            """
    }

    /// How many machines run tests at once.
    private var count: Int {
        remotes ?? (hosts.isEmpty ? 2 : max(1, hosts.count - (spares ?? 0)))
    }

    /// The step that makes one, in a lab file.
    private var machine: String {
        if let image { return "podman: { image: \(Self.quoted(image)) }" }
        if !hosts.isEmpty {
            return "ssh: { hosts: [\(hosts.map(Self.quoted).joined(separator: ", "))] }"
        }
        return "process: {}"
    }

    /// A text as YAML and the lab's own values take it as it is.
    private static func quoted(_ text: String) -> String {
        "'" + text.replacing("'", with: "''").replacing("${", with: "$${") + "'"
    }

    /// What the options change of the suites that run.
    func apply(to spec: inout RunSpec) {
        for suite in spec.suites.indices {
            if let reruns { spec.suites[suite].reruns = reruns }
            guard spares != nil || stopAfter != nil else { continue }
            var policy = spec.suites[suite].rules
            policy.spares = spares ?? policy.spares
            policy.stopAfter = stopAfter ?? policy.stopAfter
            spec.suites[suite].policy = policy
            guard let spares, let group = spec.groups.firstIndex(where: { $0.name == spec.suites[suite].group }) else {
                continue
            }
            spec.groups[group].spares = spares
        }
    }
}
