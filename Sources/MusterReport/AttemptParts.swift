package import MusterCore

extension AttemptReport {
    /// What the test said of parts of itself, in its order.
    package var parts: [TestResult] { results.filter { $0.name != nil } }

    /// What the test said of itself as a whole; its last word where it said so several times.
    package var own: TestResult? { results.last { $0.name == nil } }
}

extension TestReport {
    /// All files of an attempt, relative to the folder of the results: the attempt's own, then those that the test
    /// named in results of the whole.
    func files(of attempt: AttemptReport) -> [String] {
        let named = attempt.results.lazy.filter { $0.name == nil }.flatMap { self.files(of: $0, in: attempt) }
        var seen: Set<String> = []
        return (attempt.files + named).filter { seen.insert($0).inserted }
    }

    /// The files that a result names, relative to the folder of the results.
    func files(of result: TestResult, in attempt: AttemptReport) -> [String] {
        result.files.map { ResultsPath.file(suite: suite, test: name, attempt: attempt.number, name: $0) }
    }
}

extension TestResult {
    /// The status as the test said it.
    package var word: String { status ?? outcome.rawValue }

    /// Whether people look at it first.
    var isBad: Bool { outcome == .fail || outcome == .error || outcome == .infra }
}

extension Array where Element == TestResult {
    /// At most so many, in their order: those that are bad go before others where not all can stay.
    func bounded(to limit: Int) -> [TestResult] {
        guard count > limit else { return self }
        var badLeft = Swift.min(limit, self.count(where: \.isBad))
        var othersLeft = limit - badLeft
        return filter { result in
            if result.isBad {
                badLeft -= 1
                return badLeft >= 0
            }
            othersLeft -= 1
            return othersLeft >= 0
        }
    }
}
