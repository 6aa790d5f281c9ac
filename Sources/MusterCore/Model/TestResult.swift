/// A result that a test reported itself: of a part of it, or of the test as a whole.
package struct TestResult: Hashable, Sendable, Codable {
    /// The part, which may contain `/`; nil for the test itself.
    package var name: String?
    package var outcome: Outcome
    /// The status in the test's own word, where that is none of Muster's.
    package var status: String?
    package var note: String?
    /// Names of files as the test gave them, relative to the attempt's folder of files; the main output first.
    package var files: [String]
    /// What else the test said: the text of one JSON object.
    package var extra: String?

    package init(
        name: String? = nil,
        outcome: Outcome,
        status: String? = nil,
        note: String? = nil,
        files: [String] = [],
        extra: String? = nil
    ) {
        self.name = name
        self.outcome = outcome
        self.status = status
        self.note = note
        self.files = files
        self.extra = extra
    }
}
