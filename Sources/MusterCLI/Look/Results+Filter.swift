import ArgumentParser
import MusterCore
import MusterLab
import MusterReport

/// Which tests `results` shows.
struct ResultsFilter: ParsableArguments {
    @Option(help: ArgumentHelp("Only these outcomes; also flaky, cancelled, pending.", valueName: "word,…"))
    var outcome: [String] = []
    @Option(help: ArgumentHelp("Only tests of such names; * stands for anything.", valueName: "glob"))
    var test: [String] = []
    @Option(help: "Only tests of this suite.") var suite: [String] = []
    @Option(help: "Only what ran on this node, or on one of this group.", completion: Completions.nodes)
    var node: String?
    @Flag(help: "Only what failed, or was lost to machines.") var failed = false
    @Flag(help: "Only what has no outcome yet.") var pending = false
    @Flag(help: "The parts too that tests reported.") var subtests = false

    /// An option that was given; nil when all tests are meant.
    var firstGiven: String? {
        if !outcome.isEmpty { return "--outcome" }
        if !test.isEmpty { return "--test" }
        if !suite.isEmpty { return "--suite" }
        if node != nil { return "--node" }
        if failed { return "--failed" }
        if pending { return "--pending" }
        return subtests ? "--subtests" : nil
    }

    private var outcomeWords: [String] { outcome.flatMap { $0.split(separator: ",").map(String.init) } }

    /// - Throws: what can be told without the run.
    func check() throws {
        for word in outcomeWords where ResultsQuery.Word(word) == nil {
            throw ValidationError("--outcome knows \(ResultsQuery.Word.all.joined(separator: ", ")), not '\(word)'")
        }
        if !outcome.isEmpty, outcomeWords.isEmpty {
            throw ValidationError("--outcome wants one of \(ResultsQuery.Word.all.joined(separator: ", "))")
        }
        for pattern in test where Glob(pattern) == nil {
            throw ValidationError("--test '\(pattern)' is no pattern: a '[' is never closed")
        }
    }

    /// The same for a run. What names nothing in it is refused, with what there is.
    func query(of report: RunReport) throws -> ResultsQuery {
        var query = ResultsQuery()
        query.words = Set(outcomeWords.compactMap { ResultsQuery.Word($0) })
        if failed { query.words.formUnion(ResultsQuery.failed) }
        if pending { query.words.insert(.pending) }
        query.showsParts = subtests
        let suites = report.suites.map(\.name)
        for name in suite where !suites.contains(name) {
            throw CLIError("\(report.run) has no suite '\(printable(name))'; \(Self.listed(suites, "it has"))")
        }
        let globs = test.compactMap { Glob($0) }
        let keys = report.tests.map { TestKey($0) }
        for (glob, pattern) in zip(globs, test) where !keys.contains(where: { Self.matches(glob, $0) }) {
            let names = keys.map(\.fullName)
            throw CLIError("no test of \(report.run) is '\(printable(pattern))'; \(Self.listed(names, "it has"))")
        }
        if let node {
            let attempts = report.tests.flatMap(\.attempts)
            var seen: Set<String> = []
            let nodes = attempts.compactMap(\.node).filter { seen.insert($0).inserted }
            guard nodes.contains(where: { $0 == node || $0.hasPrefix("\(node)/") }) else {
                let there = Self.listed(nodes, "they ran on")
                throw CLIError("no test of \(report.run) ran on '\(printable(node))'; \(there)")
            }
            query.node = node
        }
        if !suite.isEmpty || !globs.isEmpty {
            let wanted = Set(suite)
            query.accepts = { key in
                (wanted.isEmpty || wanted.contains(key.suite))
                    && (globs.isEmpty || globs.contains { Self.matches($0, key) })
            }
        }
        return query
    }

    private static func matches(_ glob: Glob, _ key: TestKey) -> Bool {
        glob.matches(key.name) || glob.matches(key.fullName)
    }

    private static func listed(_ names: [String], _ lead: String) -> String {
        guard !names.isEmpty else { return "\(lead) none" }
        let shown = names.prefix(8).map(printable).joined(separator: ", ")
        return "\(lead) \(shown)\(names.count > 8 ? " and \(names.count - 8) more" : "")"
    }
}
