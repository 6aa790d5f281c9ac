import MusterCore
import MusterReport
import MusterStore

/// Reads how the tests of a lab went in earlier runs.
struct PastRuns {
    let store: any Store

    /// For pages that show it beside each test. It is an extra: a run that cannot be read is left out of it.
    func history(before row: PlanRow) -> RunHistory {
        let builder = ReportBuilder(store: store)
        let rows = (try? earlier(than: row, limit: RunHistory.runsMax)) ?? []
        return RunHistory(rows.compactMap { row in (try? builder.tests(of: row)) ?? nil })
    }

    /// A run and those of its lab before it, at most so many in all, the newest first.
    func reports(upTo row: PlanRow, count: Int) throws(StoreError) -> [RunReport] {
        let builder = ReportBuilder(store: store)
        var reports: [RunReport] = []
        let rows = count > 1 ? try earlier(than: row, limit: count - 1) : []
        for row in [row] + rows {
            if let report = try builder.tests(of: row) { reports.append(report) }
        }
        return reports
    }

    private func earlier(than row: PlanRow, limit: Int) throws(StoreError) -> [PlanRow] {
        try store.plans(
            matching: PlanQuery(states: [.stopped], verbs: [.test], lab: row.lab, limit: limit, after: row.id)
        )
    }
}
