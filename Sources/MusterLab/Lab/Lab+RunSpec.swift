package import MusterCore

/// What a command asks of a lab, beside its verb.
package struct RunSelection: Sendable {
    /// A test of a suite.
    package struct Test: Hashable, Sendable {
        package var suite: String
        package var test: String
        package init(suite: String, test: String) {
            self.suite = suite
            self.test = test
        }
    }

    /// `up` and `down`: the groups that are named; none means all.
    package var groups: [String] = []
    /// `test`: names and globs of suites, of tests, or of both as `suite//test`; none means all.
    package var patterns: [String] = []
    /// `test --failed`: only these, of those that the patterns leave.
    package var failed: Set<Test>?
    package var keep: Keep?
    package var parallel: Int?
    /// `--fail-flaky`.
    package var flakyFails = false
    /// Absolute; instead of what the file says.
    package var resultsDirectory: String?
    /// How long each test took last, for `longest-first`.
    package var durations: [Test: Duration] = [:]

    package init() {}
}

/// Why a selection selects nothing that exists.
package struct SelectionError: Error, Hashable, Sendable, CustomStringConvertible {
    package var message: String
    package var description: String { message }
}

extension Lab {
    /// The run of a verb over what is selected, with only the groups that it needs.
    ///
    /// `directory` is the absolute path of the lab's folder. The hashes of `files` are left empty: whoever keeps the
    /// copies fills them in from `RunSpec.paths`.
    package func runSpec(
        _ verb: Verb,
        selection: RunSelection = RunSelection(),
        directory: String
    ) throws(SelectionError) -> RunSpec {
        var spec = RunSpec(verb: verb, lab: name, labFile: file, labDirectory: directory)
        switch verb {
        case .up, .exec, .plan, .reboot, .power, .provision:
            let named = try known(selection.groups)
            spec.groups = closure(over: named.isEmpty ? groups.map(\.name) : named)
        case .down:
            let named = try known(selection.groups)
            if named.isEmpty {
                spec.groups = groups
            } else {
                let down = dependents(of: named)
                spec.downGroups = groups.map(\.name).filter(down.contains)
                spec.groups = closure(over: spec.downGroups)
            }
        case .test:
            let chosen = try chosenSuites(selection)
            spec.suites = chosen.map(\.spec)
            spec.groups = closure(over: chosen.flatMap { $0.spec.groups + $0.spec.needs.map(\.group) })
            for suite in chosen where !suite.prepare.isEmpty || !suite.finish.isEmpty {
                let rounds = spec.rounds(of: suite.spec)
                for place in spec.groups.indices where suite.spec.groups.contains(spec.groups[place].name) {
                    spec.groups[place].steps += suite.planSteps(from: rounds?.start(of: spec.groups[place].name))
                }
            }
            for suite in chosen where suite.spec.rules.spares > 0 {
                guard let place = spec.groups.firstIndex(where: { $0.name == suite.spec.group }) else { continue }
                spec.groups[place].spares = max(spec.groups[place].spares ?? 0, suite.spec.rules.spares)
            }
            spec.flakyFails = selection.flakyFails || chosen.contains { $0.flakyFails }
            try spec.takeResults(resultFormats, chosen.flatMap(\.reports))
            if !spec.resultFormats.isEmpty {
                let own = resultsDirectory.hasPrefix("/") ? resultsDirectory : directory + "/" + resultsDirectory
                spec.resultsDirectory = selection.resultsDirectory ?? own
            }
        }
        // The file's `keep` is about tests: an `up` that took everything down when it succeeded would be of no use.
        spec.keep = selection.keep ?? (verb == .test ? keep : nil) ?? spec.keep
        if verb != .down {
            spec.modes = modes
            spec.notify = notify
            for place in notify.indices { spec.notify?[place].folder = directory }
        }
        if verb == .up || verb == .test { spec.lifetime = lifetime }
        spec.resolveMachines()
        spec.leavePlacesEmpty()
        spec.parallel = selection.parallel ?? parallel ?? RunSpec.parallelDefault
        return spec
    }

    // MARK: - Groups

    private func known(_ names: [String]) throws(SelectionError) -> [String] {
        let all = Set(groups.map(\.name))
        for name in names where !all.contains(name) {
            throw SelectionError(message: Self.unknown("group", name, among: groups.map(\.name)))
        }
        return names
    }

    /// The groups named and all they need, in their order.
    private func closure(over names: [String]) -> [GroupSpec] {
        var wanted = Set(names)
        for group in groups.reversed() where wanted.contains(group.name) { wanted.formUnion(group.needs.map(\.group)) }
        return groups.filter { wanted.contains($0.name) }
    }

    /// The groups named and all that need them.
    private func dependents(of names: [String]) -> Set<String> {
        var found = Set(names)
        for group in groups where group.needs.contains(where: { found.contains($0.group) }) { found.insert(group.name) }
        return found
    }

    // MARK: - Tests

    /// Whether a pattern means a test: it is, or matches as a glob, the suite, the test, or `suite//test`.
    private struct Pattern {
        let text: String
        let suite: Glob?
        let test: Glob?
        let isPair: Bool

        init(_ text: String) {
            self.text = text
            if let pair = text.firstRange(of: "//") {
                suite = Glob(String(text[..<pair.lowerBound]))
                test = Glob(String(text[pair.upperBound...]))
                isPair = true
            } else {
                suite = Glob(text)
                test = suite
                isPair = false
            }
        }

        func matches(suite name: String) -> Bool { name == text || (suite?.matches(name) ?? false) }
        func matches(test name: String, suiteMatches: Bool) -> Bool {
            let testMatches = test?.matches(name) ?? false
            return isPair ? suiteMatches && testMatches : suiteMatches || testMatches || name == text
        }
    }

    private func chosenSuites(_ selection: RunSelection) throws(SelectionError) -> [Suite] {
        let patterns = selection.patterns.map(Pattern.init)
        var used = [Bool](repeating: false, count: patterns.count)
        var chosen: [Suite] = []
        for suite in suites {
            let bySuite = patterns.map { $0.matches(suite: suite.spec.name) }
            var picked = suite
            picked.spec.tests = suite.spec.tests.filter { test in
                var isPicked = patterns.isEmpty
                for (index, pattern) in patterns.enumerated()
                where pattern.matches(test: test.name, suiteMatches: bySuite[index]) {
                    used[index] = true
                    isPicked = true
                }
                return isPicked
            }
            if let failed = selection.failed {
                picked.spec.tests.removeAll {
                    !failed.contains(RunSelection.Test(suite: suite.spec.name, test: $0.name))
                }
            }
            guard !picked.spec.tests.isEmpty else { continue }
            picked.spec = prioritised(picked.spec, selection.durations)
            chosen.append(picked)
        }
        if let index = used.firstIndex(of: false) { throw SelectionError(message: unknownTest(patterns[index].text)) }
        if chosen.isEmpty {
            if suites.isEmpty {
                throw SelectionError(message: "\(file) has no tests: the key 'tests' is missing or empty")
            }
            throw SelectionError(message: "none of the tests that failed last is chosen, or in \(file) any more")
        }
        return chosen
    }

    /// Priorities as the order of the suite wants them: higher goes first, equal ones as listed.
    private func prioritised(_ suite: SuiteSpec, _ durations: [RunSelection.Test: Duration]) -> SuiteSpec {
        var suite = suite
        for index in suite.tests.indices {
            switch suite.order {
            case .asListed, .sameSnapshot: suite.tests[index].priority = 0
            case .priority: break
            case .longestFirst:
                let last = durations[RunSelection.Test(suite: suite.name, test: suite.tests[index].name)]
                suite.tests[index].priority = last?.milliseconds ?? .max
            }
        }
        return suite
    }

    private func unknownTest(_ pattern: String) -> String {
        if pattern.contains("//") || suites.isEmpty {
            return Self.unknown(
                "test",
                pattern,
                among: suites.flatMap { suite in
                    suite.spec.tests.map { "\(suite.spec.name)//\($0.name)" }
                }
            )
        }
        let names = suites.map(\.spec.name)
        let tests = suites.flatMap { $0.spec.tests.map(\.name) }
        return Self.unknown("suite or test", pattern, among: names + tests, shown: names)
    }

    /// `no group 'dbb'; did you mean 'db'? The groups are db, app`.
    private static func unknown(_ what: String, _ name: String, among all: [String], shown: [String]? = nil) -> String {
        var comparisons = 20_000
        let near = Nearest.word(to: name, among: all, comparisonsLeft: &comparisons)
        let shown = shown ?? all
        var listed = shown.prefix(20).joined(separator: ", ")
        if shown.count > 20 { listed += " … (\(shown.count - 20) more)" }
        let suggestion = near.map { "did you mean '\($0)'? " } ?? ""
        let there = shown.isEmpty ? "there are none" : "there are \(listed)"
        return "no \(what) '\(printable(name))'; \(suggestion)\(there)"
    }
}

extension RunSpec {
    /// What the lab's file has written, and what the plans want besides.
    fileprivate mutating func takeResults(
        _ formats: [ResultFormat],
        _ reports: [ResultFile]
    ) throws(SelectionError) {
        resultFormats =
            formats
            + ResultFormat.allCases.filter { format in
                !formats.contains(format) && reports.contains { $0.format == format }
            }
        var named: [ResultFile] = []
        for file in reports where file.name != nil && !named.contains(file) {
            if let other = named.first(where: { $0.name == file.name }) {
                let both = "\(other.format.rawValue) and \(file.format.rawValue)"
                throw SelectionError(message: "plans want their results as \(both) in one file, '\(file.name ?? "")'")
            }
            named.append(file)
        }
        resultFiles = named.isEmpty ? nil : named
    }
}

extension Lab.Suite {
    /// The steps that a plan adds to the setup of each machine. What comes at its end undoes the first of them: it runs
    /// whatever of the others has failed.
    ///
    /// - Parameter start: which machine of the plan the first node of the group is.
    func planSteps(from start: Int?) -> [ProvisionStep] {
        let commands = prepare.isEmpty ? [":"] : prepare.map { command($0, start ?? 0) }
        return commands.enumerated().map { place, command in
            var step = ProvisionStep(.run(Template(command)))
            step.name = "prepare \(place + 1) of \(spec.name)"
            if place == 0, !finish.isEmpty {
                step.undo = Template(finish.map { "( \(self.command($0, start ?? 0))\n)" }.joined(separator: " && "))
            }
            return step
        }
    }

    /// A phase for some machines of the plan ends at once on the nodes that are others.
    private func command(_ phase: FMFPlan.Phase, _ start: Int) -> String {
        guard let machines = phase.machines, let count = spec.nodeRoles?.count, count > 0 else {
            return command(phase.step)
        }
        let places = machines.sorted().map(String.init).joined(separator: "|")
        return """
            case $(((${MUSTER_NODE##*/} + \(start)) % \(count))) in \(places)) ;; *) exit 0 ;; esac
            \(command(phase.step))
            """
    }

    private func command(_ step: FMFStep) -> String {
        switch step {
        case .packages(let packages): packages.command
        case .script(let script):
            // The folder that its tests find as well.
            """
            TMT_PLAN_DATA=${MUSTER_NODE_DIR:-$PWD}/tmt/\(spec.name)/plan-data
            TMT_PLAN_ENVIRONMENT_FILE=${TMT_PLAN_DATA%/*}/variables.env
            export TMT_PLAN_DATA TMT_PLAN_ENVIRONMENT_FILE
            mkdir -p -- "$TMT_PLAN_DATA" || exit 2
            \(script)
            """
        }
    }
}

extension RunSpec {
    /// The files of the lab that the run uses, by their paths relative to its folder, each once: tests, files for
    /// nodes, and commands that begin with a path of the lab.
    package var paths: [String] {
        var paths: Set<String> = []
        func add(_ command: Template?) {
            guard case .literal(let text)? = command?.segments.first, text.hasPrefix("./") else { return }
            let word = text.dropFirst(2).prefix { !$0.isWhitespace && !";&|<>()'\"`$\\".contains($0) }
            if !word.isEmpty { paths.insert(String(word)) }
        }
        for group in groups {
            for step in group.steps {
                add(step.undo)
                switch step.kind {
                case .process(let command), .machine(_, let command): add(command)
                case .run(let command): add(command)
                case .files(let files):
                    for file in files { if case .lab(let path) = file.source { paths.insert(path) } }
                case .template(let template): paths.insert(template.from)
                case .script(let script): paths.insert(script.file)
                case .ansible(let play): paths.insert(play.playbook)
                }
            }
            for condition in group.ready { if case .run(let command) = condition.probe { add(command) } }
        }
        for suite in suites {
            add(suite.before)
            add(suite.after)
            for test in suite.tests {
                switch test.command {
                case .file(let path): paths.insert(path)
                case .run(let command): if test.frame == nil { add(command) }
                }
            }
        }
        return paths.sorted()
    }
}
