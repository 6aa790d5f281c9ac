import ArgumentParser
import MusterCore
import MusterLab
import MusterStore

struct Test: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bring up what tests need, run them, take it down.",
        discussion: """
              muster test                     all suites; 'muster test api': one
              muster test --failed            what failed last time
              muster test --fmf ./tests --filter 'tag: quick' --remotes 4 --reruns 1

            Exit: 0 passed, 1 tests failed, 2 configuration, 3 machines failed, 5 paused, 6 flaky with --fail-flaky.
            After an interruption, `muster test` goes on with the interrupted run; --new begins another.
            """
    )
    @OptionGroup var options: GlobalOptions
    @OptionGroup var lab: LabOptions
    @OptionGroup var follow: FollowOptions
    @OptionGroup var fmf: FMFRunOptions
    @Flag(help: "Only tests that failed in the newest run that has ended.") var failed = false
    @Option(help: ArgumentHelp("When machines stay up: never, on-failure, always.", valueName: "when")) var keep:
        String?
    @Argument(help: ArgumentHelp("Suites or tests; * stands for anything.", valueName: "pattern")) var patterns:
        [String] = []

    func run() async throws {
        if fmf.fmf != nil, let file = options.file {
            throw CLIError(
                "--fmf makes a lab of its own, and -f names \(file): take one, or say 'discover: { fmf: … }' in the file"
            )
        }
        let loader = LabLoader(options: options, lab: lab)
        let loaded = try loader.load(text: fmf.labText)
        var selection = RunSelection()
        selection.patterns = patterns
        if let keep {
            guard let policy = Keep(rawValue: keep) else {
                throw CLIError("--keep knows never, on-failure and always, not '\(keep)'")
            }
            selection.keep = policy
        }
        // What cannot be is said before a state is made.
        try await AnsibleCheck(spec: try loader.spec(.test, of: loaded, selection)).run()
        let session = try StateSession.open(options, to: .make)
        if failed { selection.failed = try failedTests(session, lab: loaded.name) }
        selection.durations = try durations(of: loaded, session)
        var spec = try loader.spec(.test, of: loaded, selection)
        if let results = follow.results { spec.resultsDirectory = Paths.absolute(results) }
        follow.apply(to: &spec)
        fmf.apply(to: &spec)
        try spec.checkNodeLimit(lab.maxNodes)
        let files = LabFiles(session: session)
        spec.files = try files.keep(spec)
        spec.trees = try files.keepTrees(spec)
        try LabChangeQuestion.tellWhatStays(spec, session, options)
        let starter = RunStarter(session: session, options: options, follow: follow, startsNew: lab.new)
        // A run that goes on has its own.
        try await starter.start(spec) { spec in try await files.libraries(for: spec) }
    }

    private func durations(of lab: Lab, _ session: StateSession) throws -> [RunSelection.Test: Duration] {
        var durations: [RunSelection.Test: Duration] = [:]
        for suite in lab.suites.map(\.spec) where suite.order == .longestFirst {
            let known = try RunLookup(store: session.store).read { () throws(StoreError) in
                try session.store.durations(lab: lab.name, suite: suite.name)
            }
            for (test, duration) in known { durations[RunSelection.Test(suite: suite.name, test: test)] = duration }
        }
        return durations
    }

    private func failedTests(_ session: StateSession, lab: String) throws -> Set<RunSelection.Test> {
        let lookup = RunLookup(store: session.store)
        let row = try lookup.find(
            nil,
            lab: lab,
            where: { $0.verb == .test && $0.state.isFinal },
            what: "ended test run to repeat the failures of"
        )
        guard
            let report = try lookup.read({ () throws(StoreError) in
                try ReportBuilder(store: session.store).report(on: row.id)
            })
        else { return [] }
        let names = report.tests.filter { $0.outcome?.countsAgainst == true }.map {
            RunSelection.Test(suite: $0.suite, test: $0.name)
        }
        guard !names.isEmpty else {
            throw CLIError(
                "nothing failed in \(RunName(row.id)), the newest run that has ended",
                exitCode: ExitCodes.passed
            )
        }
        return Set(names)
    }
}

extension Outcome {
    /// Whether somebody who repeats failures wants this test again.
    var countsAgainst: Bool { isFailure || self == .infra }
}
