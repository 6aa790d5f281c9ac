import MusterCore

extension FMFPlan {
    /// A part of `discover`: which tests, in which order.
    struct Section: Sendable {
        /// What stands before the names of its tests.
        var prefix = ""
        /// The roles whose machines run its tests; nil for all.
        var roles: Set<String>?
        /// How long a test may take that does not say so.
        var duration: Duration = .seconds(300)
        /// Each finds tests by itself, so that they come in this order, and one may come twice.
        private var names: [FMFSelection] = []
        private var filters = FMFSelection()
        private var excluded: FMFSelection?
        private var included: FMFSelection?
        /// Tests that the plan itself has; nil of a section that looks for them in the tree.
        private var own: [FMFNode]?

        /// tmt's duration of tests that stand in a plan.
        static let scriptDuration: Duration = .seconds(3_600)
        private static let knownKeys = [
            "how", "name", "summary", "description", "test", "filter", "exclude", "include", "tests", "when", "where",
            "enabled", "order", "id", "link",
        ]
        /// What is elsewhere: other tests than those that are meant would be run without it.
        private static let elsewhere = ["url", "ref", "path", "dist-git-source"]

        init(duration: Duration = .seconds(300)) { self.duration = duration }

        init(_ part: FMFSubject, _ tally: inout FMFTally) throws(FMFError) {
            for key in Self.elsewhere where part[key] != nil {
                let hint = "clone it beside the lab, and run its tests as a suite of their own with '--fmf'"
                throw part.wrong(key, "is about another tree, and nothing is fetched", hint: hint)
            }
            for entry in part.data.entries {
                guard case .string(let key) = entry.key, !Self.knownKeys.contains(key) else { continue }
                tally.note("discover: \(key)")
            }
            switch part["how"]?.string ?? "fmf" {
            case "fmf": try readTree(part)
            case "shell": try readTests(part)
            case let how:
                let hint = "'fmf' finds tests in the tree, 'shell' has them in 'tests'"
                throw part.wrong("how", "is '\(how)', which finds no tests here", hint: hint)
            }
        }

        private mutating func readTree(_ part: FMFSubject) throws(FMFError) {
            func selection(
                _ key: String,
                _ names: [String] = [],
                _ filters: [String] = []
            ) throws(FMFError)
                -> FMFSelection
            {
                do throws(FMFError) {
                    return try FMFSelection(names: names, filters: filters)
                } catch {
                    let reason = error.diagnostics.first
                    throw part.wrong(key, "cannot be read: \(reason?.message ?? "")", hint: reason?.hint ?? "")
                }
            }
            let wanted = "a regular expression that is found in the name"
            for name in try part.lines("test", wants: wanted) { names.append(try selection("test", [name])) }
            filters = try selection("filter", [], try part.lines("filter", wants: "such as 'tag: slow'"))
            let out = try part.lines("exclude", wants: wanted)
            if !out.isEmpty { excluded = try selection("exclude", out) }
            let including = try part.lines("include", wants: wanted)
            if !including.isEmpty { included = try selection("include", including) }
        }

        private mutating func readTests(_ part: FMFSubject) throws(FMFError) {
            duration = Self.scriptDuration
            own = []
            for test in try part.parts("tests") {
                guard case .string(let name)? = test["name"], !name.isEmpty else {
                    throw test.wrong("name", "is missing: each test of 'how: shell' has a name")
                }
                guard test["test"] != nil else {
                    throw test.wrong("test", "is missing: the shell command of '\(name)'")
                }
                add(name.hasPrefix("/") ? name : "/" + name, test.data)
            }
            if own?.isEmpty == true {
                throw part.wrong("tests", "is missing: 'how: shell' has its tests there, each with 'name' and 'test'")
            }
        }

        /// Takes a test that the plan itself has. It runs in the root of the tree, unless it says where.
        mutating func add(_ name: String, _ data: FMFMap) {
            own = (own ?? []) + [FMFNode(name: name, data: data, sources: [], isSelected: true, inherited: data)]
        }

        /// Its tests in their order, also those that are not to be run.
        func nodes(of tree: FMFTree) throws(FMFError) -> [FMFNode] {
            if let own { return Self.sorted(own, of: tree) }
            var found: [FMFNode] = []
            for name in names.isEmpty ? [FMFSelection()] : names {
                var some: [FMFNode] = []
                for node in try tree.nodes(name) where try isMeant(node) { some.append(node) }
                found += Self.sorted(some, of: tree)
            }
            return found
        }

        private func isMeant(_ node: FMFNode) throws(FMFError) -> Bool {
            guard FMFSuite.kind(of: node) == .test, try filters.includes(node) else { return false }
            if let included, try !included.includes(node) { return false }
            return try excluded?.includes(node) != true
        }

        /// By `order`, and otherwise as they come.
        private static func sorted(_ nodes: [FMFNode], of tree: FMFTree) -> [FMFNode] {
            let orders = nodes.map { FMFSubject($0, of: tree).number("order") ?? 50 }
            return nodes.indices.sorted { (orders[$0], $0) < (orders[$1], $1) }.map { nodes[$0] }
        }
    }
}
