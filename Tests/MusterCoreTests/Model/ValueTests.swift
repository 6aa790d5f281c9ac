import MusterCore
import Testing

@Suite struct ValueTests {
    @Test(arguments: [
        (Duration.zero, "0ms"), (.milliseconds(250), "250ms"), (.milliseconds(999), "999ms"), (.seconds(1), "1s"),
        (.milliseconds(2500), "2.5s"), (.milliseconds(2560), "2.5s"), (.seconds(59), "59s"), (.seconds(60), "1m"),
        (.seconds(90), "1m30s"), (.seconds(3600), "1h"), (.seconds(7200 + 60), "2h1m"), (.seconds(90_061), "1d1h1m1s"),
        (.milliseconds(-1500), "-1.5s"),
    ])
    func durationsReadAsPeopleWriteThem(_ length: Duration, _ text: String) {
        #expect(length.shortText == text)
    }

    @Test func pointsAndLengthsStayInTheirRange() {
        let point = Timestamp(rawValue: 1_000_000)
        #expect(point + .seconds(2) == Timestamp(rawValue: 3_000_000))
        #expect((point + .seconds(2)) - point == .seconds(2))
        #expect(Timestamp(rawValue: .max) + .seconds(1) == Timestamp(rawValue: .max))
        #expect(Timestamp(rawValue: .min) + .seconds(-1) == Timestamp(rawValue: .min))
        #expect(Duration.seconds(Int64.max).microseconds == .max)
        #expect(Duration.seconds(Int64.min).microseconds == .min)
        #expect(Duration.nanoseconds(-1500).microseconds == -1)
    }

    @Test(arguments: [
        ("", "''"), ("word", "'word'"), ("two words", "'two words'"), ("it's", "'it'\\''s'"),
        ("$(rm -r /)", "'$(rm -r /)'"),
        ("a\nb", "'a\nb'"), ("'", "''\\'''"), ("ü\u{301}", "'ü\u{301}'"),
    ])
    func aQuotedValueIsOneShellWord(_ text: String, _ quoted: String) {
        #expect(Template.shellQuoted(text) == quoted)
    }

    @Test func templatesPutValuesInAndShowNoSecret() throws {
        let node = NodeName(group: "db", index: 0)
        let template = Template(segments: [
            .literal("./go --db "), .node(node, field: "address"), .literal(" --key="), .secret("key"),
        ])
        #expect(template.source == "./go --db ${db.0.address} --key=${secret.key}")
        #expect(template.nodes == [node])
        #expect(template.secrets == ["key"])
        let value = { (segment: Template.Segment) -> String in if case .secret = segment { "it's" } else { "::1" } }
        #expect(try template.resolved(quoted: true, value) == "./go --db '::1' --key='it'\\''s'")
        #expect(try template.resolved(quoted: false, value) == "./go --db ::1 --key=it's")
        #expect(throws: StepError.self) {
            try template.resolved(quoted: true) { _ throws(StepError) in throw StepError(.unresolved, "no such secret")
            }
        }
    }

    @Test func delaysGrowToTheirLimitAndVaryALittle() {
        let policy = RetryPolicy(times: 9, every: .seconds(2), backoff: 2)
        #expect((0..<4).map { policy.delay(beforeRetry: $0, chance: 0.5) } == [2, 4, 8, 16].map { .seconds($0) })
        #expect(policy.delay(beforeRetry: 0, chance: 0) == .milliseconds(1800))
        #expect(policy.delay(beforeRetry: 0, chance: 0.999_999) < .milliseconds(2200))
        for n in [8, 50, 1_000_000] {
            for chance in [0, 0.5, 0.999] {
                let delay = policy.delay(beforeRetry: n, chance: chance)
                #expect(delay <= RetryPolicy.delayMax && delay >= .seconds(270), "retry \(n): \(delay)")
            }
        }
        #expect(RetryPolicy(times: 1, every: .zero).delay(beforeRetry: 0, chance: 0.9) == .zero)
        #expect(
            RetryPolicy(times: 1, every: .seconds(8), backoff: 0.5).delay(beforeRetry: 2, chance: 0.5) == .seconds(2)
        )
    }

    @Test func planStatesChangeAsTheTableSays() {
        let legal: [PlanState: Set<PlanState>] = [
            .pending: [.scheduled, .planning, .stopped], .scheduled: [.planning, .stopped],
            .planning: [.planned, .stopped], .planned: [.running, .stopped], .running: [.paused, .stopped],
            .paused: [.running, .stopped], .stopped: [],
        ]
        for state in PlanState.allCases {
            for next in PlanState.allCases {
                #expect(state.mayBecome(next) == legal[state]?.contains(next), "\(state) → \(next)")
            }
            #expect(state.isFinal == (state == .stopped))
        }
    }

    @Test func stepStatesSayWhetherTheyHaveEnded() {
        #expect(StepState.allCases.filter(\.hasEnded) == [.success, .error, .skipped, .cancelled])
        #expect(StepState.allCases.filter(\.satisfiesNeeds) == [.success, .skipped])
        #expect(Outcome.allCases.filter(\.isFailure) == [.fail, .error])
    }

    @Test func exitsSayWhatWentWrong() {
        let at = Timestamp(rawValue: 0)
        let table: [(ProcessExit, StepError.Code?)] = [
            (ProcessExit(status: 0, startedAt: at, endedAt: at), nil),
            (ProcessExit(status: 3, startedAt: at, endedAt: at), .exited),
            (ProcessExit(signal: 11, startedAt: at, endedAt: at), .signalled),
            (ProcessExit(signal: 9, timedOut: true, startedAt: at, endedAt: at), .timedOut),
            (ProcessExit(signal: 15, interrupted: true, startedAt: at, endedAt: at), .cancelled),
            (ProcessExit(notStarted: "no interpreter", startedAt: at, endedAt: at), .notStarted),
        ]
        for (exit, code) in table {
            #expect(exit.error?.code == code)
            #expect(exit.succeeded == (code == nil))
        }
    }

    @Test func refusalsReadBack() {
        let text = "t1 in-use 'db' in use by run r-7f3k (up); wait for it"
        let refusal = Refusal(text)
        #expect(refusal?.token == "t1")
        #expect(refusal?.code == "in-use")
        #expect(refusal?.message == "'db' in use by run r-7f3k (up); wait for it")
        #expect(Refusal("t1 in-use") == nil)
    }
}
