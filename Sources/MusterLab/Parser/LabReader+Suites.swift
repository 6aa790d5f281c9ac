internal import MusterCore

extension LabReader {
    mutating func readSuites(_ entry: YamlNode.Entry) {
        for entry in named(entry, "suites") ?? [] {
            checkName(entry.key, "suite", entry.keySpan)
            suites.append(SuiteDraft(spec: SuiteSpec(name: entry.key, group: ""), nameSpan: entry.keySpan))
            readSuite(suites.count - 1, entry)
        }
    }

    private mutating func readSuite(_ index: Int, _ entry: YamlNode.Entry) {
        let owner = "suite '\(entry.key)'"
        guard let fields = fields(entry.value, LabKeys.suite, of: owner, at: entry.keySpan) else { return }
        if let entry = fields["where"] { readWhere(index, entry) }
        if let entry = fields["needs"] {
            let needs = readNeeds(entry)
            suites[index].spec.needs = needs.map(\.need)
            suites[index].needSpans = needs.map(\.span)
        }
        if let reruns = fields["reruns"].flatMap({ integer($0, 0...LabKeys.rerunsMax) }) {
            suites[index].spec.reruns = reruns
        }
        readPolicy(index, fields)
        if let timeout = fields["timeout"].flatMap({ duration($0, example: "5m") }) {
            suites[index].spec.timeout = timeout
        }
        if let order = fields["order"].flatMap({ choice($0, SuiteSpec.Order.self) }) {
            suites[index].spec.order = order
        }
        suites[index].spec.before = fields["before"].flatMap { command($0, .suite(index)) }
        suites[index].spec.after = fields["after"].flatMap { command($0, .suite(index)) }
        if let entry = fields["flaky"], let word = choice(entry.value, key: entry.key, ["fail", "pass"]) {
            suites[index].flakyFails = word == "fail"
        }
        var testsAreKnown = true
        if let entry = fields["discover"] { testsAreKnown = readDiscover(index, entry) }
        if let entry = fields["roles"], let roles = readRoles(entry, suites[index].spec.name) {
            for test in suites[index].spec.tests.indices where suites[index].spec.tests[test].roles == nil {
                suites[index].spec.tests[test].roles = roles
            }
        }
        if let entry = fields["destructive"] { readDestructive(index, entry, testsAreKnown: testsAreKnown) }
    }

    private mutating func readWhere(_ index: Int, _ entry: YamlNode.Entry) {
        let names = texts(entry, wants: "the name of a group, or a list of them", mayBeSingle: true)
        if case .sequence(let nodes) = entry.value.value, nodes.isEmpty {
            sink.add(entry.value.span, "'where' names no group")
        }
        for (place, name) in names.enumerated() where names[..<place].contains(where: { $0.text == name.text }) {
            sink.add(name.span, "'where' names '\(name.text)' twice")
        }
        guard let first = names.first else { return }
        suites[index].spec.group = first.text
        if names.count > 1 { suites[index].spec.alsoOn = names.dropFirst().map(\.text) }
        suites[index].whereSpans = names.map(\.span)
    }

    /// Where tests run again, and what ends or renews nodes.
    private mutating func readPolicy(_ index: Int, _ fields: Fields) {
        var policy = SuitePolicy()
        if let place = fields["rerun-on"].flatMap({ choice($0, SuitePolicy.RerunPlace.self) }) {
            policy.rerunOn = place
        }
        if let entry = fields["rerun-when"] { policy.rerunWhen = outcomes(entry, LabKeys.rerunWords) }
        if let entry = fields["renew-after"] { policy.renewAfter = outcomes(entry, LabKeys.renewWords) }
        policy.stopAfter = fields["stop-after"].flatMap { integer($0, 1...LabKeys.stopAfterMax) }
        if let spares = fields["spares"].flatMap({ integer($0, 0...LabKeys.sparesMax) }) { policy.spares = spares }
        if policy != SuitePolicy() { suites[index].spec.policy = policy }
    }

    private mutating func outcomes(_ entry: YamlNode.Entry, _ words: [String]) -> [Outcome] {
        (list(entry) ?? []).compactMap { choice($0, key: entry.key, words).flatMap(Outcome.init) }
    }

    /// Marks the tests that change their node for good. A pattern that finds none is a mistake that would cost nodes.
    private mutating func readDestructive(_ index: Int, _ entry: YamlNode.Entry, testsAreKnown: Bool) {
        for (pattern, span) in texts(entry, wants: "patterns of names of tests", mayBeSingle: true) {
            guard let glob = Glob(pattern) else {
                sink.add(span, "'\(pattern)' has a '[' without ']'")
                continue
            }
            var found = false
            for test in suites[index].spec.tests.indices where glob.matches(suites[index].spec.tests[test].name) {
                suites[index].spec.tests[test].destructive = true
                found = true
            }
            guard !found, testsAreKnown, let first = suites[index].spec.tests.first else { continue }
            let hint = "names are paths without extension, such as '\(first.name)'"
            sink.add(span, "'\(pattern)' is the name of no test of suite '\(suites[index].spec.name)'", hint: hint)
        }
    }

    // MARK: - Discovery

    /// Whether all tests are known now.
    private mutating func readDiscover(_ index: Int, _ entry: YamlNode.Entry) -> Bool {
        let errors = sink.errorCount
        let owner = "'discover'"
        guard let fields = fields(entry.value, LabKeys.discover, of: owner, at: entry.keySpan),
            let kind = kind(fields, LabKeys.discover, entry.value, of: owner), let entry = fields[kind]
        else { return false }
        if kind == "fmf" { return discoverTree(index, entry) }
        let tests = kind == "files" ? discoverFiles(entry) : readTests(index, entry)
        var seen: [String: (span: Span, what: String)] = [:]
        for (test, span) in tests {
            var test = test
            if kind == "files" { test.timeout = suites[index].spec.timeout }
            let what = if case .file(let path) = test.command { path } else { test.name }
            if let first = seen[test.name] {
                let same = first.what == what ? "" : ", from \(first.what) and \(what)"
                let message = "two tests of suite '\(suites[index].spec.name)' are named '\(test.name)'\(same)"
                sink.add(span, message, notes: first.span == span ? [] : [("the first", first.span)])
                continue
            }
            seen[test.name] = (span, what)
            suites[index].spec.tests.append(test)
        }
        return sink.errorCount == errors
    }

    private mutating func discoverFiles(_ entry: YamlNode.Entry) -> [(TestSpec, Span)] {
        var tests: [(TestSpec, Span)] = []
        var seen: Set<String> = []
        let patterns = texts(entry, wants: "patterns of files", mayBeSingle: true)
        if patterns.isEmpty, case .sequence(let nodes) = entry.value.value, nodes.isEmpty {
            sink.add(entry.value.span, "'files' names no pattern", hint: "such as \"tests/*.sh\"")
        }
        for (pattern, span) in patterns {
            do throws(FileGlob.Problem) {
                let paths = try FileGlob(pattern).files(in: files)
                if paths.isEmpty { refuseEmpty(pattern, span) }
                for path in paths where seen.insert(path).inserted {
                    tests.append((TestSpec(name: Self.name(ofFile: path), command: .file(path)), span))
                }
            } catch {
                let message =
                    switch error {
                    case .brokenSet: "'\(pattern)' has a '[' without ']'"
                    case .outside: "'\(pattern)' leads out of the lab's folder; tests are found below it"
                    case .empty: "'\(pattern)' names no file"
                    case .tooMany(let count): "'\(pattern)' looks at more than \(count) files and folders"
                    }
                sink.add(span, message)
            }
        }
        return tests
    }

    private mutating func refuseEmpty(_ pattern: String, _ span: Span) {
        let folder = pattern.split(separator: "/", omittingEmptySubsequences: false).dropLast()
            .prefix { !Glob.isPattern($0) }.filter { $0 != "." && !$0.isEmpty }.joined(separator: "/")
        let isThere = folder.isEmpty || files.names(in: folder) != nil
        let hint = isThere ? "" : "there is no folder '\(folder)' beside the lab file"
        sink.add(span, "no file matches '\(pattern)'", hint: hint)
    }

    /// `tests/api/login.sh` is the test `tests/api/login`; a name that is all extension stays.
    static func name(ofFile path: String) -> String {
        let slash = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        guard let dot = path[slash...].lastIndex(of: "."), dot > slash else { return path }
        return String(path[..<dot])
    }

    private mutating func readTests(_ suite: Int, _ entry: YamlNode.Entry) -> [(TestSpec, Span)] {
        var tests: [(TestSpec, Span)] = []
        guard let nodes = list(entry) else { return tests }
        if nodes.isEmpty { sink.add(entry.value.span, "'list' holds no test") }
        for (number, node) in nodes.enumerated() {
            let owner = "test \(number + 1) of suite '\(suites[suite].spec.name)'"
            guard let fields = fields(node, LabKeys.test, of: owner) else { continue }
            var name: String?
            if let entry = fields["name"] { name = text(entry, wants: "a name").flatMap { testName($0, entry) } }
            let run = fields["run"].flatMap { command($0, .suite(suite)) }
            var test = TestSpec(name: name ?? "", command: .run(run ?? Template("")))
            test.timeout = fields["timeout"].flatMap { duration($0, example: "5m") } ?? suites[suite].spec.timeout
            let priorities = -LabKeys.priorityMax...LabKeys.priorityMax
            test.priority = fields["priority"].flatMap { integer($0, priorities) }.map(Int64.init) ?? 0
            if let entry = fields["roles"] { test.roles = readRoles(entry, test.name) }
            test.tags = fields["tags"].map { texts($0, wants: "tags", mayBeSingle: false).map(\.text) } ?? []
            if name != nil, run != nil { tests.append((test, fields["name"]?.value.span ?? node.span)) }
        }
        return tests
    }

    /// The nodes that a test runs on at once; nil where something of it is wrong.
    private mutating func readRoles(_ entry: YamlNode.Entry, _ owner: String) -> [TestRole]? {
        guard let entries = named(entry, "roles") else { return nil }
        if entries.isEmpty {
            sink.add(
                entry.value.span,
                "'roles' names none",
                hint: "for instance 'server: {}' and 'client: { count: 2 }'"
            )
        }
        let errors = sink.errorCount
        var roles: [TestRole] = []
        for entry in entries {
            checkName(entry.key, "role", entry.keySpan)
            guard let fields = fields(entry.value, LabKeys.role, of: "role '\(entry.key)'", at: entry.keySpan) else {
                return nil
            }
            var role = TestRole(name: entry.key)
            if let count = fields["count"].flatMap({ integer($0, 1...TestSpec.membersMax) }) { role.count = count }
            if let on = fields["on"] { role.on = text(on, wants: "the name of a group") }
            let runs = fields["runs"].flatMap { choice($0.value, key: $0.key, LabKeys.runs) }
            if runs == "nothing" { role.isIdle = true }
            roles.append(role)
        }
        guard sink.errorCount == errors, !roles.isEmpty else { return nil }
        // Who runs it comes first: its output is the attempt's.
        return roles.filter { $0.isIdle != true } + roles.filter { $0.isIdle == true }
    }

    /// A name becomes a path below the results and a part of `suite//test#2`.
    private mutating func testName(_ name: String, _ entry: YamlNode.Entry) -> String? {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        let isPath = (parts.first == "" ? parts.dropFirst() : parts[...]).allSatisfy {
            !$0.isEmpty && $0 != "." && $0 != ".."
        }
        let hasControls = name.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F }
        guard isPath, !hasControls, !name.contains("#"), name.utf8.count <= 200 else {
            let message = "'\(name)' is no name for a test: at most 200 bytes, no '#', no '//', no '..'"
            sink.add(entry.value.span, message)
            return nil
        }
        return name
    }
}
