/// Decides, for one suite of one run, what an attempt was worth and whether its test runs again.
///
/// ### A test
/// - runs at most `1 + reruns` times for its own failures;
/// - is repeated when its node was lost, at most `Defaults.infraAttemptsMax` times, and spends no rerun by that;
/// - ends exactly once: with the outcome of its last attempt.
package struct SuiteMachine: Sendable {
    package struct Test: Hashable, Sendable {
        /// Attempts that were planned so far.
        package var attempts = 0
        package var rerunsSpent = 0
        package var infraSpent = 0
        /// How it ended; nil while it has not.
        package var outcome: Outcome?
        /// What the last attempt for which it runs again was worth.
        package var lastFailure: Outcome?
        /// The nodes on which it has failed.
        package var failedOn: [NodeID] = []
        /// The place of the last of them.
        package var failedAt: NodeName?

        /// Failed, then passed.
        package var isFlaky: Bool { outcome == .pass && rerunsSpent > 0 }
    }

    /// What came of one attempt.
    package struct Verdict: Hashable, Sendable {
        package var outcome: Outcome
        package var note: String?
        /// Muster ended it on request: it says nothing about the test.
        package var isCancelled = false
        /// What the test has reported, as in `TestFindings`.
        package var results: String?
        /// Whether the test is to run again, as another attempt.
        package var runsAgain = false
    }

    package let spec: SuiteSpec
    let policies: TestPolicies
    /// What policies are told of it.
    let rules: SuiteRules
    package private(set) var tests: [Test]
    /// Tests that have not ended.
    package private(set) var remaining: Int
    /// Tests that have failed for good.
    private var failures = 0

    package init(spec: SuiteSpec, policies: TestPolicies = .declared) {
        self.spec = spec
        self.policies = policies
        rules = SuiteRules(spec)
        tests = Array(repeating: Test(), count: spec.tests.count)
        remaining = spec.tests.count
    }

    package var hasEnded: Bool { remaining == 0 }

    /// Whether so many tests have failed that the others are not run.
    var isGivenUp: Bool { spec.rules.stopAfter.map { failures >= $0 } ?? false }

    /// Whether some test makes its run fail.
    func hasFailed(flakyFails: Bool) -> Bool {
        tests.contains { $0.outcome?.countsAsError == true || flakyFails && $0.isFlaky }
    }

    /// Notes that another attempt of a test is planned, and numbers it from 1.
    mutating func planAttempt(of test: Int) -> Int {
        tests[test].attempts += 1
        return tests[test].attempts
    }

    /// Takes back what the store knows of a test: attempts that were planned, and those that ended.
    mutating func restore(plannedAttempt number: Int, of test: Int) {
        tests[test].attempts = max(tests[test].attempts, number)
    }

    mutating func restore(_ attempt: AttemptRow, of test: Int) {
        tests[test].rerunsSpent = max(tests[test].rerunsSpent, attempt.rerunsSpent)
        tests[test].infraSpent = max(tests[test].infraSpent, attempt.infraSpent)
        if attempt.outcome.isFailure, !attempt.isCancelled {
            noteFailure(attempt.outcome, of: test, on: attempt.nodeID, at: attempt.node)
        }
        guard !attempt.isCancelled, attempt.number == tests[test].attempts else { return }
        end(test, attempt.outcome)
    }

    private mutating func noteFailure(_ outcome: Outcome, of test: Int, on node: NodeID?, at place: NodeName?) {
        tests[test].lastFailure = outcome
        tests[test].failedAt = place
        guard let node else { return }
        tests[test].failedOn.removeAll { $0 == node }
        tests[test].failedOn.append(node)
    }

    /// Judges an attempt and spends what it costs.
    ///
    /// - Parameters:
    ///   - node: where it ran.
    ///   - place: the name of that.
    mutating func attemptEnded(
        _ verdict: Verdict,
        of test: Int,
        on node: NodeID? = nil,
        at place: NodeName? = nil
    ) -> Verdict {
        var verdict = verdict
        guard !verdict.isCancelled else { return verdict }
        if verdict.outcome != .infra {
            let counted = policies.success.outcome(of: ended(test, verdict.outcome))
            if counted != .infra { verdict.outcome = counted }
        }
        switch verdict.outcome {
        case .infra:
            tests[test].infraSpent += 1
            verdict.runsAgain = tests[test].infraSpent < Defaults.infraAttemptsMax
        case .fail, .error:
            noteFailure(verdict.outcome, of: test, on: node, at: place)
            if tests[test].rerunsSpent < spec.reruns, !isGivenUp,
                policies.rerun.place(after: ended(test, verdict.outcome)) != nil
            {
                tests[test].rerunsSpent += 1
                verdict.runsAgain = true
            }
        case .pass, .info, .warn, .skip: break
        }
        if !verdict.runsAgain { end(test, verdict.outcome) }
        return verdict
    }

    private func ended(_ test: Int, _ outcome: Outcome) -> EndedAttempt {
        let failures = tests[test].rerunsSpent + (outcome.isFailure ? 1 : 0)
        return EndedAttempt(suite: rules, test: spec.tests[test], outcome: outcome, failures: failures)
    }

    /// Where a test runs again that has failed, and has spent a rerun on it.
    func rerunPlace(of test: Int) -> SuitePolicy.RerunPlace {
        guard let outcome = tests[test].lastFailure else { return .any }
        let attempt = EndedAttempt(
            suite: rules,
            test: spec.tests[test],
            outcome: outcome,
            failures: tests[test].rerunsSpent
        )
        return policies.rerun.place(after: attempt) ?? .any
    }

    /// Whether an attempt, judged and paid for, has used up its node.
    func usesUpNode(_ verdict: Verdict, of test: Int) -> Bool {
        guard !verdict.isCancelled, verdict.outcome != .infra else {
            return policies.destructive.usesUpNode(spec.tests[test], after: nil)
        }
        let failures = tests[test].rerunsSpent + (verdict.outcome.isFailure && !verdict.runsAgain ? 1 : 0)
        let attempt = EndedAttempt(
            suite: rules,
            test: spec.tests[test],
            outcome: verdict.outcome,
            failures: failures
        )
        return policies.destructive.usesUpNode(spec.tests[test], after: attempt)
            || verdict.runsAgain && rerunPlace(of: test) == .fresh
    }

    /// Ends a test that cannot run.
    mutating func end(_ test: Int, _ outcome: Outcome) {
        if tests[test].outcome == nil { remaining -= 1 }
        failures += (outcome.isFailure ? 1 : 0) - (tests[test].outcome?.isFailure == true ? 1 : 0)
        tests[test].outcome = outcome
    }

    /// What the end of an attempt says: a script's exit 0 is a pass, 77 a skip, anything else a fail.
    ///
    /// - Parameter lost: why the node was lost while a test ran that was not meant to destroy it.
    package static func judge(
        _ outcome: ActOutcome,
        lost: String?,
        isCancelling: Bool,
        timeout: Duration,
        frame: TestFrame? = nil
    ) -> Verdict {
        switch outcome {
        case .succeeded: return lost.map { Verdict(outcome: .infra, note: $0) } ?? Verdict(outcome: .pass)
        case .failed(let error):
            if let lost { return Verdict(outcome: .infra, note: lost) }
            if error.code == .lost { return Verdict(outcome: .infra, note: error.message) }
            if error.code == .cancelled, isCancelling { return cancelled }
            return Verdict(outcome: .error, note: error.message)
        case .exited(let exit):
            if let lost { return Verdict(outcome: .infra, note: lost) }
            if exit.interrupted, isCancelling { return cancelled }
            if exit.findings?.restarts == true {
                // It has not come to its end, whatever it has said until now.
                let note = "it went away more than \(Defaults.restartsMax) times"
                return isCancelling ? cancelled : Verdict(outcome: .error, note: note, results: exit.findings?.results)
            }
            return judge(exit, timeout: timeout, frame)
        }
    }

    private static let cancelled = Verdict(outcome: .skip, note: "cancelled while it ran", isCancelled: true)

    private static func judge(_ exit: ProcessExit, timeout: Duration, _ frame: TestFrame?) -> Verdict {
        var notes: [String] = []
        var outcome: Outcome
        if let findings = exit.findings {
            outcome = findings.outcome
            if let note = findings.note { notes.append(note) }
        } else if let notStarted = exit.notStarted {
            outcome = .error
            notes.append(notStarted)
        } else if exit.timedOut {
            outcome = .fail
            notes.append("timed out after \(timeout.shortText)")
        } else if let signal = exit.signal {
            outcome = .fail
            notes.append("ended by signal \(signal)")
        } else if let frame {
            outcome = frame.outcome(ofExit: exit.status ?? -1)
            if outcome != .pass { notes.append("exit \(exit.status ?? -1)") }
        } else {
            switch exit.status {
            case 0: outcome = .pass
            case 77: outcome = .skip
            default:
                outcome = .fail
                notes.append("exit \(exit.status ?? -1)")
            }
        }
        // What never began has not been what its `result` expects.
        let began = exit.notStarted == nil && exit.findings?.notSetUp != true
        if began, let taken = frame?.interpreted(outcome), taken != outcome {
            notes.append("\(outcome.rawValue) counts as \(taken.rawValue) (result: \(frame?.result.rawValue ?? ""))")
            outcome = taken
        }
        if exit.outputDropped > 0 {
            notes.append("\(exit.outputDropped) bytes of output beyond the limit were dropped")
        }
        if exit.leftovers > 0 { notes.append("left \(exit.leftovers) processes behind, which were ended") }
        let note = notes.isEmpty ? nil : notes.joined(separator: "; ")
        return Verdict(outcome: outcome, note: note, results: exit.findings?.results)
    }
}
