import Foundation
import MusterCore
import MusterReport

/// How a run is shown while it goes on.
protocol RunView: AnyObject, Sendable {
    /// The rows as they are now, with the events since the last time.
    func update(_ rows: RunRows, now: Timestamp)
    /// Time has passed.
    func tick(now: Timestamp)
    /// Tells how it stands, on request.
    func tell()
    /// A line that stays.
    func say(_ text: String)
    /// Leaves the terminal as it was.
    func close()
}

enum RunViews {
    static func make(spec: RunSpec, run: RunName, options: any VerbOptions) -> any RunView {
        SilentView()
    }

    /// The last lines: what came of it, failures first.
    static func summary(
        _ report: RunReport, interrupted: Bool, results: String?, files: [String], options: any VerbOptions
    ) {
        let text = SummaryText(width: 100, usesColor: false, isASCII: false)
        let lines = text.lines(
            report, summary: RunSummary(report, interrupted: interrupted), resultsPath: results.map(Paths.short),
            files: files
        )
        Output.lines(lines)
    }
}

/// Says nothing while the run goes on: for programs and for `--quiet`.
final class SilentView: RunView {
    func update(_ rows: RunRows, now: Timestamp) {}
    func tick(now: Timestamp) {}
    func tell() {}
    func say(_ text: String) { Output.note(text) }
    func close() {}
}
