import ArgumentParser
import MusterCore
import MusterReport
import MusterStore

struct Results: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the results of tests, failures first.",
        discussion: """
              muster results               of the newest test run
              muster results r-7f3k        of this one
              muster results --jsonl       each attempt as a JSON line
              muster results --write DIR   write jsonl, junit, tap and html again
            """
    )
    @OptionGroup var options: GlobalOptions
    @Argument(help: "The run.", completion: Completions.runs) var run: String?
    @Flag(help: "Each attempt as a JSON line.") var jsonl = false
    @Option(help: ArgumentHelp("Write all formats again, into this folder.", valueName: "dir")) var write: String?

    func run() async throws {
        let session = try StateSession.open(options, to: .read)
        let lookup = RunLookup(store: session.store)
        let row = try lookup.find(run, where: { $0.verb == .test }, what: "test run")
        guard
            let report = try lookup.read({ () throws(StoreError) in
                try ReportBuilder(store: session.store).report(on: row.id)
            })
        else { throw CLIError("run \(RunName(row.id)) has no request any more") }
        if let write {
            let writer = ResultsWriter(
                directory: Paths.absolute(write),
                run: RunName(row.id),
                formats: Set(ResultFormat.allCases)
            )
            do {
                try ResultsPlacer(session: session).place(row.id, with: writer)
                try writer.write(report)
            } catch let error as ResultsError {
                throw CLIError(error.message, exitCode: ExitCodes.infrastructure)
            }
            if !options.json { Output.line("wrote \(writer.folder)") }
        }
        if jsonl {
            Output.raw(JSONLinesReport.render(report))
        } else if options.json {
            Output.json(
                RunResultShape(row: row, exitCode: RunSummary(report).exitCode, report: report, results: write)
            )
        } else if write == nil {
            RunViews.summary(report, interrupted: false, results: nil, files: [], options: options)
        }
    }
}
