import ArgumentParser
import MusterCore
import MusterReport
import MusterStore

struct Results: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the results of tests, failures first.",
        discussion: """
              muster results                            of the newest test run
              muster results r-7f3k --failed            what failed in this one
              muster results --outcome fail,flaky       also: --test, --suite, --node
              muster results --compare r-5x2c r-7f3k    what changed from one to the other
              muster results --flaky --last 50          what fails now and then
              muster results --jsonl                    each attempt as a JSON line
              muster results --write DIR                write all formats again

            Exit: 0, whatever the tests said; 1 when --compare finds tests newly failing.
            """
    )
    @OptionGroup var options: GlobalOptions
    @Argument(help: "The run; without it, the newest test run.", completion: Completions.runs) var run: String?
    @OptionGroup var filter: ResultsFilter
    @Option(help: ArgumentHelp("What changed since this run.", valueName: "run"), completion: Completions.runs)
    var compare: String?
    @Flag(help: "Tests that fail now and then, by their last runs.") var flaky = false
    @Option(help: ArgumentHelp("With --flaky: how many runs (default: 20).", valueName: "n")) var last: Int?
    @Flag(help: "Each attempt as a JSON line.") var jsonl = false
    @Option(help: ArgumentHelp("Write all formats again, into this folder.", valueName: "dir")) var write: String?

    func validate() throws {
        let ways = [
            compare != nil ? "--compare" : nil, flaky ? "--flaky" : nil, jsonl ? "--jsonl" : nil,
            write != nil ? "--write" : nil,
        ].compactMap(\.self)
        if let way = ways.first(where: { $0 == "--compare" || $0 == "--flaky" }), ways.count > 1 {
            let other = ways.first { $0 != way } ?? ""
            throw ValidationError("\(way) and \(other) answer different questions: ask one of them")
        }
        if let way = ways.first, let option = filter.firstGiven {
            throw ValidationError("\(option) chooses tests to be shown, \(way) is about all of them: leave one out")
        }
        if let last {
            guard flaky else {
                throw ValidationError("--last goes with --flaky: muster results --flaky --last \(last)")
            }
            guard last >= 2 else {
                throw ValidationError("--last wants a number from 2: one run alone changes nothing")
            }
        }
        try filter.check()
    }

    func run() async throws {
        let session = try StateSession.open(options, to: .read)
        if let compare { return try showComparison(with: compare, session) }
        let lookup = RunLookup(store: session.store)
        let row = try lookup.find(run, where: { $0.verb == .test }, what: "test run")
        if flaky { return try showFlaky(row, session) }
        guard
            let report = try lookup.read({ () throws(StoreError) in
                try ReportBuilder(store: session.store).report(on: row.id)
            })
        else { throw CLIError("run \(RunName(row.id)) has no request any more") }
        if let write { try writeAgain(row, report, into: write, session) }
        if jsonl { return Output.raw(JSONLinesReport.render(report)) }
        let query = try filter.query(of: report)
        if options.json {
            Output.json(ResultsShape(row: row, report: report, query: query, results: write))
        } else if filter.firstGiven != nil {
            let ink = RunViews.ink(options)
            Output.lines(query.lines(report, width: ink.width, usesColor: ink.usesColor, isASCII: ink.isASCII))
        } else if write == nil {
            RunViews.summary(report, interrupted: false, results: nil, files: [], options: options)
        }
    }

    private func writeAgain(
        _ row: PlanRow,
        _ report: RunReport,
        into directory: String,
        _ session: StateSession
    ) throws {
        let writer = ResultsWriter(
            directory: Paths.absolute(directory),
            run: RunName(row.id),
            formats: Set(ResultFormat.allCases)
        )
        do {
            try ResultsPlacer(session: session).place(row.id, with: writer)
            try writer.write(report, history: PastRuns(store: session.store).history(before: row))
        } catch let error as ResultsError {
            throw CLIError(error.message, exitCode: ExitCodes.infrastructure)
        }
        if !options.json { Output.line("wrote \(writer.folder)") }
    }
}

/// What `results` prints with `--json`.
struct ResultsShape: Encodable {
    var format = 1
    var run: JSONShape.Run
    /// That of the whole run, whatever is shown of it.
    var exitCode: Int32
    var results: String?
    var problems: [String]
    var tests: [ResultsQuery.Shape]

    enum CodingKeys: String, CodingKey {
        case format, run, results, problems, tests
        case exitCode = "exit_code"
    }

    init(row: PlanRow, report: RunReport, query: ResultsQuery, results: String?) {
        run = JSONShape.Run(row, isConducted: true)
        exitCode = RunSummary(report).exitCode
        self.results = results
        problems = report.problems
        tests = query.shapes(report)
    }
}
