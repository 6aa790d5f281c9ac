import MusterCore
import MusterReport
import MusterStore

extension Results {
    /// What changed between two runs; exit 1 when something is broken that was not.
    func showComparison(with name: String, _ session: StateSession) throws {
        let lookup = RunLookup(store: session.store)
        let before = try testRun(name, lookup)
        let after: PlanRow
        if let run {
            after = try testRun(run, lookup)
        } else {
            after = try lookup.find(
                nil,
                lab: before.lab,
                where: { $0.verb == .test },
                what: "test run of lab \(before.lab) to compare"
            )
        }
        guard before.id != after.id else {
            let same =
                run == nil
                ? "is the newest test run of lab \(after.lab): name an earlier one, muster results --compare RUN"
                : "is compared with itself: name two runs, muster results --compare BEFORE AFTER"
            throw CLIError("\(RunName(after.id)) \(same)")
        }
        let comparison = ResultsComparison(before: try tests(of: before, lookup), after: try tests(of: after, lookup))
        if options.json {
            Output.json(comparison)
        } else {
            let ink = RunViews.ink(options)
            Output.lines(comparison.lines(width: ink.width, usesColor: ink.usesColor, isASCII: ink.isASCII))
        }
        if comparison.hasNewFailures { throw RunEnd(exitCode: ExitCodes.testsFailed) }
    }

    /// Which tests fail now and then, in this run and those of its lab before it.
    func showFlaky(_ row: PlanRow, _ session: StateSession) throws {
        guard row.verb == .test else { throw noTestRun(row) }
        let count = last ?? 20
        let reports = try RunLookup(store: session.store).read { () throws(StoreError) in
            try PastRuns(store: session.store).reports(upTo: row, count: count)
        }
        let history = FlakyHistory(lab: row.lab, reports)
        if options.json { return Output.json(history) }
        let ink = RunViews.ink(options)
        Output.lines(history.lines(width: ink.width, usesColor: ink.usesColor, isASCII: ink.isASCII))
    }

    private func testRun(_ name: String, _ lookup: RunLookup) throws -> PlanRow {
        let row = try lookup.find(name)
        guard row.verb == .test else { throw noTestRun(row) }
        return row
    }

    private func noTestRun(_ row: PlanRow) -> CLIError {
        CLIError("\(RunName(row.id)) is no test run but one of \(row.verb.rawValue): muster runs")
    }

    private func tests(of row: PlanRow, _ lookup: RunLookup) throws -> RunReport {
        guard
            let report = try lookup.read({ () throws(StoreError) in
                try ReportBuilder(store: lookup.store).tests(of: row)
            })
        else { throw CLIError("run \(RunName(row.id)) has no request any more") }
        return report
    }
}
