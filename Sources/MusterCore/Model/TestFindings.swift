/// What a test said of itself on its control descriptor (`docs/formats/test-control.md`), and what that makes of its
/// attempt.
package struct TestFindings: Hashable, Sendable, Codable {
    /// How the attempt ends by it, given how its program ended.
    package var outcome: Outcome
    package var note: String?
    /// Its results and those of its parts, each a `TestResult`: the text of one JSON array. Nil for none.
    package var results: String?
    /// The test said that it goes away and is to be started again.
    package var restarts: Bool
    /// True when it never began, as what it needs is not there.
    package var notSetUp: Bool?

    package init(outcome: Outcome, note: String? = nil, results: String? = nil, restarts: Bool = false) {
        self.outcome = outcome
        self.note = note
        self.results = results
        self.restarts = restarts
    }
}
