import Testing

@testable import MusterCore

@Suite struct SuiteMachineTests {
    private func machine(reruns: Int) -> SuiteMachine {
        SuiteMachine(spec: suite("api", on: "app", ["one"], reruns: reruns))
    }

    /// Walks every history of outcomes up to nine attempts.
    @Test(arguments: 0...3)
    func everyHistoryEndsOnceWithinItsBudgets(_ reruns: Int) {
        let alphabet: [Outcome] = [.pass, .fail, .error, .infra]
        var ends = 0
        func walk(_ suite: SuiteMachine, failures: Int, infra: Int, cancelled: Int) {
            #expect(failures + infra < 12)
            var suite = suite
            let number = suite.planAttempt(of: 0)
            #expect(number == failures + infra + cancelled + 1, "attempts number on")
            if cancelled == 0 {
                var copy = suite
                let verdict = copy.attemptEnded(.init(outcome: .skip, isCancelled: true), of: 0)
                #expect(!verdict.runsAgain)
                #expect(copy.tests[0].outcome == nil, "what was ended on request says nothing about the test")
                walk(copy, failures: failures, infra: infra, cancelled: 1)
            }
            for outcome in alphabet {
                var next = suite
                let verdict = next.attemptEnded(.init(outcome: outcome), of: 0)
                let test = next.tests[0]
                let failed = failures + (outcome.isFailure ? 1 : 0)
                let lost = infra + (outcome == .infra ? 1 : 0)
                #expect(failed <= 1 + reruns)
                #expect(lost <= Defaults.infraAttemptsMax)
                #expect(test.rerunsSpent == min(failed, reruns), "a lost machine spends no rerun")
                #expect(test.infraSpent == lost)
                #expect(verdict.runsAgain == (test.outcome == nil))
                if let end = test.outcome {
                    ends += 1
                    #expect(end == outcome)
                    #expect(next.hasEnded)
                    #expect(test.isFlaky == (outcome == .pass && failures > 0))
                } else {
                    #expect(next.remaining == 1)
                    walk(next, failures: failed, infra: lost, cancelled: cancelled)
                }
            }
        }
        walk(machine(reruns: reruns), failures: 0, infra: 0, cancelled: 0)
        #expect(ends > 10)
    }

    @Test func endingTwiceCountsOnce() {
        var suite = SuiteMachine(spec: suite("api", on: "app", ["one", "two"]))
        suite.end(0, .infra)
        suite.end(0, .pass)
        #expect(suite.remaining == 1)
        #expect(!suite.hasEnded)
    }

    @Test func aSuiteWithoutTestsHasEnded() {
        #expect(SuiteMachine(spec: suite("api", on: "app", [])).hasEnded)
    }

    // MARK: Judging

    private static func exit(
        _ status: Int? = nil,
        signal: Int? = nil,
        timedOut: Bool = false,
        interrupted: Bool = false,
        notStarted: String? = nil,
        dropped: Int64 = 0,
        leftovers: Int = 0
    ) -> ActOutcome {
        let at = Timestamp(rawValue: 0)
        return .exited(
            ProcessExit(
                status: status,
                signal: signal,
                timedOut: timedOut,
                interrupted: interrupted,
                notStarted: notStarted,
                startedAt: at,
                endedAt: at,
                outputDropped: dropped,
                leftovers: leftovers
            )
        )
    }

    @Test func endsAreJudgedAsTheContractSays() {
        let table: [(ActOutcome, Outcome, String?)] = [
            (Self.exit(0), .pass, nil),
            (Self.exit(77), .skip, nil),
            (Self.exit(1), .fail, "exit 1"),
            (Self.exit(126), .fail, "exit 126"),
            (Self.exit(signal: 11), .fail, "ended by signal 11"),
            (Self.exit(signal: 9, timedOut: true), .fail, "timed out after 5m"),
            (Self.exit(notStarted: "not executable"), .error, "not executable"),
            (Self.exit(0, dropped: 7), .pass, "7 bytes of output beyond the limit were dropped"),
            (Self.exit(2, leftovers: 1), .fail, "exit 2; left 1 processes behind, which were ended"),
            (.failed(StepError(.lost, "supervisor is gone")), .infra, "supervisor is gone"),
            (.failed(StepError(.unresolved, "no secret.token")), .error, "no secret.token"),
            (.failed(StepError(.refused, "no space left")), .error, "no space left"),
            (.succeeded(facts: [:]), .pass, nil),
        ]
        for (end, outcome, note) in table {
            let verdict = SuiteMachine.judge(end, lost: nil, isCancelling: false, timeout: .seconds(300))
            #expect(verdict == .init(outcome: outcome, note: note), "\(end)")
            let lost = SuiteMachine.judge(end, lost: "boot lost", isCancelling: true, timeout: .seconds(300))
            #expect(lost.outcome == .infra && lost.note == "boot lost" && !lost.isCancelled, "\(end)")
        }
    }

    @Test func onlyWhatWasEndedOnRequestIsCancelled() {
        func judge(_ end: ActOutcome, _ isCancelling: Bool) -> SuiteMachine.Verdict {
            SuiteMachine.judge(end, lost: nil, isCancelling: isCancelling, timeout: .seconds(1))
        }
        #expect(judge(Self.exit(signal: 15, interrupted: true), true).isCancelled)
        #expect(judge(.failed(StepError(.cancelled, "ended on request")), true).isCancelled)
        #expect(!judge(Self.exit(0), true).isCancelled, "what ended by itself counts")
        #expect(judge(Self.exit(1), true).outcome == .fail)
        #expect(judge(Self.exit(signal: 15, interrupted: true), false).outcome == .fail)
    }
}
