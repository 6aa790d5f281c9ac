import MusterTestKit
import Testing

@testable import MusterCore

/// What goes wrong in ATEX, by the numbers of its known weaknesses, does not go wrong here. Those about nodes are in an
/// extension of this suite. What the core does not decide is shown elsewhere:
/// - 1, results that cannot be stored: `SupervisorTests.aFullDiskLosesNoResult`,
///   `ConductorTests.aFullDiskEndsTheConductorAndLosesNothing`;
/// - 2, what a test that hangs has reported: `ResultBookTests.aReportedPassCountsAfterAnOrderlyEndOnly`,
///   `TestControlTests.aReportedPassIsNoneWhenTheTestHangsOrTalksNonsense`;
/// - 3, real machines of a killed conductor: `KillTests.processesAreNeverLost`;
/// - 5, loops that poll: `TidyTests.noBannedCalls`, `InboxTests.nothingIsLostBetweenPuttingAndWaiting`;
/// - 12, nodes without python: `DriverLabTests.aLabComesUpRunsItsTestsAndGoes`, in containers of busybox alone;
/// - 13, control: `ReportTests.rowsDoNotDependOnChunks`, `ReportTests.aStreamThatIsCutOffAnywhereHasOneFinalRow`,
///   `ReportTests.writersOfWholeResultsMayBeMixedAndOthersNot`, `DurationClockTests.durationsAreReadAsFmfWritesThem`;
/// - 14, deadlines that end what hangs: `FaultTests.aTimeoutEndsAllDescendants`;
/// - 16, an end that fails by itself: `FaultTests.ctrlCEndsTheRunAndTakesItDown`;
/// - 17, trees of fmf: `FMFGoldenTests.everyNodeOfAWholeTreeIsTheSameToTheByte`.
@Suite struct ATEXDefectTests {
    /// Making or setting up a node takes 10 s, a test 5, destroying 3, and all else 1.
    static func length(_ work: DirectorHarness.Work) -> Duration {
        switch work.act.spec.action {
        case .provision: .seconds(10)
        case .attempt: .seconds(5)
        case .destroy: .seconds(3)
        default: .seconds(1)
        }
    }

    /// Tests of which one is destructive and one fails at first, on two nodes with a setup, of which one arrives late.
    static func eventful() -> (spec: RunSpec, lab: DirectorHarness) {
        let app = group("app", 2, runs: 1, undo: true)
        let api = suite("api", on: "app", ["a", "bang", "b", "c", "d"], reruns: 1, after: true)
        return (run(.test, [app], [api]), DirectorHarness { $0.label == "api//b#1" ? .exits(1) : .succeeds })
    }

    static func late(_ work: DirectorHarness.Work) -> Duration {
        work.label.hasPrefix("app/1:1 process") ? .seconds(17) : length(work)
    }

    // MARK: Results

    @Test("1: a test that cannot be started has one final row, and its run fails", arguments: StepError.Code.allCases)
    func lostTests(_ code: StepError.Code) throws {
        var lab = DirectorHarness { $0.label.hasPrefix("api//b#") ? .fails(code, "it cannot be") : .succeeds }
        let id = try lab.begin(run(.test, [group("app", 2)], [suite("api", on: "app", ["a", "b", "c"])]))
        lab.settle()
        if code.wantsPerson {
            #expect(lab.plan(id)?.state == .paused && lab.plan(id)?.result == .error, "it is no end yet")
            lab.request(.cancel(id))
            lab.settle()
        }
        #expect(lab.plan(id)?.state == .stopped)
        #expect(lab.plan(id)?.result == (code.wantsPerson ? .cancelled : .error))
        let rows = lab.attempts(id).filter { $0.test == "b" }
        #expect(rows.map(\.number) == Array(1...(code == .lost ? Defaults.infraAttemptsMax : 1)))
        #expect(rows.allSatisfy { $0.isCancelled || $0.outcome == (code == .lost ? .infra : .error) })
        #expect(rows.last?.note?.isEmpty == false)
        for test in ["a", "c"] { #expect(lab.attempts(id).filter { $0.test == test }.map(\.outcome) == [.pass]) }
        lab.expectSound()
    }

    @Test("2: a test that hangs has failed, also after it has reported a pass") func hangs() throws {
        for reports in [false, true] {
            var lab = DirectorHarness { $0.label.hasPrefix("api//b#") ? .timesOut : .succeeds }
            let id = try lab.begin(run(.test, [group("app")], [suite("api", on: "app", ["b", "a"], reruns: 1)]))
            lab.end("app/0:1")
            if reports {
                var exit = ProcessExit(signal: 9, timedOut: true, startedAt: lab.now, endedAt: lab.now)
                exit.findings = TestFindings(outcome: .fail, note: "timed out", results: #"[{"outcome":"pass"}]"#)
                let hung = try #require(lab.works.first { $0.label == "api//b#1" })
                lab.turn([.actEnded(hung.act, .exited(exit))])
                #expect(lab.attempts(id).last?.results == #"[{"outcome":"pass"}]"#, "what it has reported is kept")
            }
            lab.settle()
            #expect(lab.results(id) == ["api//a#1 pass", "api//b#1 fail", "api//b#2 fail"])
            #expect(lab.attempts(id).filter { $0.test == "b" }.allSatisfy { $0.note?.hasPrefix("timed out") == true })
            #expect(lab.plan(id)?.result == .error)
            lab.expectSound()
        }
    }

    /// What runs is waited for, or given up at once.
    @Test("3: after a kill at any turn nothing is forgotten, though nobody goes on", arguments: [true, false])
    func restart(_ waits: Bool) {
        let (spec, lab) = Self.eventful()
        var undisturbed = TimedLab(spec, lab, length: Self.late)
        undisturbed.run()
        for point in 0..<undisturbed.steps {
            var lab = TimedLab(spec, lab, length: Self.late)
            lab.run(for: point)
            let begun = lab.lab.started()
            lab.crash(.attached, goesOn: false)
            if waits { lab.run() }
            #expect(lab.lab.started() == begun, "killed after turn \(point): nothing begins unasked")
            if lab.row?.state.isFinal == false, let plan = lab.plan { lab.request(.halt(plan)) }
            let ran = lab.lab.started("api//").map { String($0.prefix { $0 != " " }) }
            let rows = lab.lab.attempts(lab.plan).filter { $0.startedAt != nil }
            #expect(rows.map { "api//\($0.test)#\($0.number)" }.sorted() == ran.sorted(), "killed after turn \(point)")
            #expect(!waits || rows.allSatisfy { !$0.isCancelled }, "killed after turn \(point)")
            #expect(Set(lab.lab.attempts(lab.plan).map(\.test)).count == 5, "killed after turn \(point)")
            lab.submit(down())
            lab.run()
            #expect(lab.lab.nodeStates == [], "killed after turn \(point): no machine is left")
            lab.lab.expectSound("killed after turn \(point)")
        }
    }

    // MARK: Order

    /// Also when the conductor is killed after any turn, with nodes that wait for the group that is needed.
    @Test("4: tests run on nodes of their groups, when the groups that they need are up") func dependencies() {
        var gui = suite("gui", on: "app", ["a", "b", "c", "d", "e", "f"])
        gui.alsoOn = ["ext"]
        let api = suite("api", on: "app", ["x", "y", "z"], needs: needs("db"))
        let spec = run(.test, [group("db"), group("app", 2), group("ext")], [gui, api], keep: .always)
        func start() -> TimedLab {
            TimedLab(spec, DirectorHarness()) { $0.label.hasPrefix("db/0:1") ? .seconds(100) : Self.length($0) }
        }
        var undisturbed = start()
        undisturbed.run()
        for point in 0...undisturbed.steps {
            var lab = start()
            lab.run(for: point)
            lab.crash(.attached)
            lab.run()
            let rows = lab.lab.attempts(lab.plan)
            let (own, others) = (rows.filter { $0.suite == "api" }, rows.filter { $0.suite == "gui" })
            #expect(others.map { lab.seconds($0.endedAt) } == [15, 15, 15, 20, 20, 20], "they need no db")
            #expect(Set(others.compactMap(\.node?.group)) == ["app", "ext"], "killed after turn \(point)")
            #expect(own.map { lab.seconds($0.startedAt) } == [100, 100, 105], "killed after turn \(point)")
            #expect(Set(own.compactMap(\.node?.group)) == ["app"], "killed after turn \(point)")
            #expect(lab.row?.result == .success)
            lab.lab.expectSound("killed after turn \(point)")
        }
    }

    @Test("15: two suites may have tests of one name, and a rerun has the place that its priority gives it")
    func reruns() {
        for order in [SuiteSpec.Order.asListed, .priority] {
            var api = suite("api", on: "app", ["a", "b", "c"], reruns: 1)
            api.order = order
            if order == .priority { api.tests[0].priority = 1 }
            let gui = suite("gui", on: "app", ["a", "b"])
            let lab = DirectorHarness { $0.label == "api//a#1" ? .exits(1) : .succeeds }
            var timed = TimedLab(run(.test, [group("app")], [api, gui]), lab, length: Self.length)
            timed.run()
            var begun = ["api//a#1", "api//b#1", "api//c#1", "gui//a#1", "gui//b#1"]
            begun.insert("api//a#2", at: order == .priority ? 1 : begun.count)
            #expect(timed.lab.started("//").map { String($0.prefix { $0 != " " }) } == begun)
            #expect(
                timed.lab.results(timed.plan) == begun.map { "\($0) \($0 == "api//a#1" ? "fail" : "pass")" }.sorted()
            )
            timed.lab.expectSound()
        }
    }

    // MARK: Cancel

    /// Asked for after any turn, also when the conductor is killed at once: what runs is ended, and nothing begins.
    @Test("8: a cancel at any instant is not lost", arguments: [nil] + TimedLab.Crash.allCases.map(Optional.some))
    func cancel(_ crash: TimedLab.Crash?) {
        func length(_ work: DirectorHarness.Work) -> Duration {
            work.act.spec.action == .attempt ? .seconds(3600) : Self.late(work)
        }
        let (spec, lab) = Self.eventful()
        var undisturbed = TimedLab(spec, lab, length: length)
        undisturbed.run()
        for point in 0..<undisturbed.steps {
            var lab = TimedLab(spec, lab, length: length)
            lab.run(for: point)
            guard let plan = lab.plan, lab.testsAreLeft else { continue }
            let moment = lab.lab.now
            let isAttempt: (String) -> Bool = { $0.contains("▶ api//") }
            let begun = lab.chronicle.count(where: isAttempt)
            lab.request(.cancel(plan))
            #expect(
                lab.lab.works.allSatisfy { $0.isInterrupted || $0.act.spec.action != .attempt },
                "cancelled after turn \(point)"
            )
            if let crash { lab.crash(crash) }
            lab.run()
            #expect(lab.chronicle.count(where: isAttempt) == begun, "cancelled after turn \(point)")
            #expect(lab.row?.state == .stopped && lab.row?.result == .cancelled, "cancelled after turn \(point)")
            #expect(lab.lab.now - moment < .seconds(120), "cancelled after turn \(point): no test is waited for")
            #expect(Set(lab.lab.attempts(plan).map(\.test)).count == 5, "cancelled after turn \(point)")
            #expect(lab.lab.nodeStates == [], "cancelled after turn \(point)")
            lab.lab.expectSound("cancelled after turn \(point)")
        }
    }

    @Test("8: a cancel in the turn that begins a test ends it", arguments: [true, false])
    func cancelBesideTheStart(_ comesFirst: Bool) throws {
        var lab = DirectorHarness()
        let id = try lab.begin(run(.test, [group("app")], [suite("api", on: "app", ["a", "b"])]))
        let setup = try #require(lab.works.first)
        let cancel = Director.Event.requested(RequestRow(id: 1000, request: .cancel(id)))
        let made = Director.Event.actEnded(setup.act, .succeeded(facts: [:]))
        lab.turn(comesFirst ? [cancel, made] : [made, cancel])
        #expect(lab.works.allSatisfy { $0.isInterrupted || $0.act.spec.action != .attempt })
        lab.settle()
        #expect(lab.started("api//").count <= (comesFirst ? 0 : 1))
        #expect(lab.results(id) == ["api//a#1 cancelled", "api//b#1 cancelled"])
        #expect(lab.plan(id)?.result == .cancelled)
        #expect(lab.nodeStates == [])
        lab.expectSound()
    }
}
