import ArgumentParser
import MusterCore
import MusterStore

struct Test: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bring up what tests need, run them, write results, take down what was brought up.",
        discussion: """
              muster test                     all suites
              muster test api                 one suite
              muster test 'api//tests/log*'   some tests
              muster test --failed            what failed last time
              muster test --keep on-failure   leave the machines up when something fails

            Exit: 0 passed, 1 tests failed, 2 configuration, 3 machines failed, 5 paused, 6 flaky with --fail-flaky.
            After an interruption, `muster test` goes on with the interrupted run; --new begins another.
            """
    )
    @OptionGroup var options: GlobalOptions
    @OptionGroup var lab: LabOptions
    @OptionGroup var follow: FollowOptions
    @Flag(help: "Only tests that failed in the newest run that has ended.") var failed = false
    @Option(help: ArgumentHelp("When machines stay up: never, on-failure, always.", valueName: "when")) var keep:
        String?
    @Argument(help: ArgumentHelp("Suites or tests; * stands for anything.", valueName: "pattern")) var patterns:
        [String] = []

    func run() async throws {
        let loaded = try LabLoader(options: options, lab: lab).load()
        let session = try StateSession.open(options, creating: true)
        var spec = try loaded.spec(
            verb: .test,
            patterns: patterns,
            onlyTests: failed ? try failedTests(session, lab: loaded.name) : nil,
            durations: { suite in
                try RunLookup(store: session.store).read { () throws(StoreError) in
                    try session.store.durations(lab: loaded.name, suite: suite)
                }
            }
        )
        if let keep {
            guard let policy = Keep(rawValue: keep) else {
                throw CLIError("--keep knows never, on-failure and always, not '\(keep)'")
            }
            spec.keep = policy
        }
        if let results = follow.results { spec.resultsDirectory = Paths.absolute(results) }
        follow.apply(to: &spec)
        try spec.checkNodeLimit(lab.maxNodes)
        spec.files = try LabFiles(session: session).keep(spec)
        try await RunStarter(session: session, options: options, follow: follow, startsNew: lab.new).start(spec)
    }

    private func failedTests(_ session: StateSession, lab: String) throws -> Set<String> {
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
        let names = report.tests.filter { $0.outcome?.countsAgainst == true }.map { "\($0.suite)//\($0.name)" }
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
