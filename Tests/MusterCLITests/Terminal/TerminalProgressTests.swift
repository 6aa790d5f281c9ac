import MusterCore
import Testing

@testable import MusterCLI

@Suite struct TerminalProgressTests {
    private func group(_ name: String, of progress: RunProgress) -> GroupProgress? {
        progress.groups.first { $0.name == name }
    }

    @Test func groupsGoThroughTheirStates() {
        var stage = TerminalStage(TerminalLab.shop(.up), script: TerminalLab.failingTwice())
        stage.run(until: .seconds(5))
        #expect(stage.progress.groups.map(\.state) == [.working, .ready, .waiting, .waiting])
        #expect(group("app", of: stage.progress)?.reason == "waits for db (0 of 1 ready)")
        #expect(group("cache", of: stage.progress)?.elapsed(now: stage.now) == .milliseconds(3400))
        #expect(group("db", of: stage.progress)?.detail(now: stage.now) == "db/0 tcp: 5555 4s of 30s")
        stage.run(until: .seconds(14))
        #expect(group("app", of: stage.progress)?.state == .working)
        #expect(group("app", of: stage.progress)?.done == 0)
        stage.runToEnd()
        #expect(stage.progress.groups.map(\.state) == [.ready, .ready, .ready, .ready])
        #expect(stage.progress.nodesDone == 6 && stage.progress.isOver)
        #expect(stage.progress.problems.isEmpty, "\(stage.progress.problems)")
        #expect(stage.progress.replacements.map(\.node) == ["app/2"])
        #expect(stage.progress.replacements.first?.number == 1)
        #expect(stage.progress.replacements.first?.ended != nil)
    }

    @Test func aRetryShowsItsTryAndWhatFailedBefore() {
        var stage = TerminalStage(TerminalLab.shop(.up)) { label, number in
            if label.contains("app/0:2") { return (.seconds(5), number == 1 ? .exit(7) : .done) }
            return (.milliseconds(100), .done)
        }
        stage.run(until: .milliseconds(5_900))
        let between = group("app", of: stage.progress)?.detail(now: stage.now)
        #expect(between == "app/0 run: ./setup.sh --db ${db.0… failed: exit 7; try 2 of 2 next")
        stage.run(until: .milliseconds(11_000))
        let second = group("app", of: stage.progress)?.detail(now: stage.now)
        #expect(second?.contains("s of 2m, try 2 of 2 (exit 7)") == true, "\(second ?? "")")
        // The second try is measured from its own beginning.
        #expect(second?.contains(" 3s of 2m") == true, "\(second ?? "")")
    }

    @Test func whatNeedsAFailedGroupIsBlocked() {
        var stage = TerminalStage(TerminalLab.shop(.up)) { label, _ in
            label.hasPrefix("db/0") ? (.seconds(1), .exit(2)) : (.milliseconds(100), .done)
        }
        stage.runToEnd()
        #expect(stage.progress.groups.map(\.state) == [.failed, .ready, .blocked, .blocked])
        #expect(group("db", of: stage.progress)?.reason == "db/0 failed: exit 2")
        #expect(group("app", of: stage.progress)?.reason == "needs db, which failed")
        #expect(group("web", of: stage.progress)?.reason == "needs app, which is blocked")
        #expect(stage.progress.problems.map(\.text) == ["db/0 process: ./fake-db failed: exit 2"])
    }

    @Test func skippedNodesAreToldAndTolerated() {
        var spec = TerminalLab.shop(.up)
        spec.groups[2].onFailure = .skip
        var stage = TerminalStage(spec) { label, _ in
            label.hasPrefix("app/1:1") ? (.seconds(1), .exit(2)) : (.milliseconds(100), .done)
        }
        stage.runToEnd()
        #expect(group("app", of: stage.progress)?.state == .ready)
        #expect(group("app", of: stage.progress)?.done == 2)
        #expect(stage.progress.problems.map(\.isTolerated) == [true])
        #expect(stage.lines.count { $0.contains("the run goes on without app/1") } == 1)
    }

    @Test func nodesThatWereUpBeforeAreReadyAtOnce() {
        var up = TerminalStage(TerminalLab.shop(.up)) { _, _ in (.milliseconds(300), .done) }
        up.runToEnd()
        var tests = TerminalStage(TerminalLab.shopTests(), after: up, script: TerminalLab.tested)
        #expect(tests.progress.groups.allSatisfy { $0.state == .ready && $0.done == $0.total })
        tests.runToEnd()
        // Only the node that a test used up is made anew; all others are as they were.
        #expect(tests.progress.replacements.map(\.node).count == 1)
        #expect(tests.progress.isOver && tests.progress.suites[0].done == 8)
    }

    @Test func testsAreCountedOnceByHowTheyEnded() {
        var stage = TerminalStage(TerminalLab.shopTests(), script: TerminalLab.tested)
        stage.lose(NodeName(group: "app", index: 1), after: .milliseconds(3100), reason: "its server ended")
        stage.run(until: .milliseconds(6200))
        #expect(!stage.progress.running.isEmpty)
        #expect(stage.progress.running.map(\.node) == stage.progress.running.map(\.node).sorted())
        stage.runToEnd()
        let suite = stage.progress.suites[0]
        #expect(suite.done == 8 && suite.total == 8)
        #expect(suite.flaky == 1 && suite.counts[.fail] == 1 && suite.counts[.skip] == 1 && suite.counts[.pass] == 5)
        #expect(suite.infraRetried == 1)
        let failure = stage.progress.failures.first
        #expect(stage.progress.failures.count == 1)
        #expect(failure?.name == "api//auth/ciphers" && failure?.attempts == 2 && failure?.isFinal == true)
        #expect(failure?.note == "exit 1")
        let reasons = Set(stage.progress.replacements.map(\.reason))
        #expect(reasons == ["its server ended", "used by a destructive test"])
    }

    @Test func aFailureThatRunsAgainIsShownAfterThoseThatAreFinal() {
        var stage = TerminalStage(TerminalLab.shopTests()) { label, number in
            if label.contains("login#1") { return (.milliseconds(100), .exit(5)) }
            if label.contains("login#2") { return (.seconds(60), .exit(0)) }
            if label.contains("ciphers") { return (.milliseconds(900), .exit(1)) }
            return TerminalLab.tested(label, number)
        }
        stage.run(until: .seconds(20))
        #expect(stage.progress.failures.map(\.name) == ["api//auth/ciphers", "api//login"])
        guard case .runsAgain = stage.progress.failures.last?.next else {
            Issue.record("\(stage.progress.failures)")
            return
        }
        #expect(stage.progress.running.contains { $0.name == "api//login" && $0.note == "rerun 1 of 1" })
    }

    @Test func testsThatCannotRunAreGatheredByCause() {
        var stage = TerminalStage(TerminalLab.shopTests()) { label, number in
            label.hasPrefix("db/0") ? (.seconds(1), .exit(2)) : TerminalLab.tested(label, number)
        }
        stage.runToEnd()
        #expect(stage.progress.unrun.map(\.count) == [8])
        #expect(stage.progress.unrun.first?.note == "db/0:1 process: ./fake-db failed: exit 2")
        #expect(stage.progress.failures.isEmpty)
    }

    @Test func aReaderThatComesLateSeesTheSame() {
        var stage = TerminalStage(TerminalLab.shopTests(keep: .always), script: TerminalLab.tested)
        stage.runToEnd()
        var late = RunProgress(spec: stage.spec)
        late.update(
            plan: stage.progress.plan!,
            steps: stage.progress.steps,
            nodes: Array(stage.progress.nodes.values),
            attempts: stage.progress.attempts,
            now: stage.now
        )
        #expect(late.groups == stage.progress.groups)
        #expect(late.suites == stage.progress.suites)
        #expect(late.failures == stage.progress.failures)
        #expect(late.replacements == stage.progress.replacements)
    }

    @Test func theStatusSaysWhatIsReadyWorkingAndWaiting() throws {
        var stage = TerminalStage(TerminalLab.shop(.up), script: TerminalLab.failingTwice())
        stage.run(until: .seconds(14))
        var lines = stage.progress.statusLines()
        stage = TerminalStage(TerminalLab.shopTests(), script: TerminalLab.tested)
        stage.run(until: .seconds(5))
        lines += [""] + stage.progress.statusLines()
        lines += [""] + RunProgress(spec: TerminalLab.shop(.up)).statusLines()
        try TerminalGoldens.expect(lines, equals: "status-signal.txt")
    }

    @Test func plansOfProgramsAndExecsAreNoCrash() {
        var up = TerminalStage(TerminalLab.shop(.up)) { _, _ in (.milliseconds(300), .done) }
        up.runToEnd()
        var spec = RunSpec(verb: .exec, lab: "shop", labDirectory: "/lab")
        spec.exec = ExecSpec(
            nodes: [NodeName(group: "app", index: 0)],
            arguments: ["uname", "-a"],
            timeout: .seconds(60)
        )
        var stage = TerminalStage(spec, after: up) { _, _ in (.seconds(5), .exit(0)) }
        stage.run(until: .seconds(3))
        #expect(stage.progress.running.map(\.name) == ["uname -a"])
        #expect(stage.progress.running.map(\.node) == ["app/0"])
        #expect(!Screen.frame(stage.progress, width: 80, height: 24, style: .unicode).isEmpty)
        stage.runToEnd()
        #expect(stage.progress.isOver)
    }

    @Test func ordersAreShownByGroupAndByNode() {
        var up = TerminalStage(TerminalLab.shop(.up)) { _, _ in (.milliseconds(300), .done) }
        up.runToEnd()
        var spec = RunSpec(verb: .reboot, lab: "shop", labDirectory: "/lab")
        spec.groups = TerminalLab.shop(.up).groups.filter { $0.name == "app" }
        spec.order = NodeOrder(
            .command("reboot"),
            (0..<2).map { NodeOrder.Target(NodeName(group: "app", index: $0)) }
        )
        var progress = RunProgress(spec: spec)
        let begin = Timestamp(rawValue: 1_000_000)
        var row = PlanRow(
            id: PlanID(7),
            request: "r",
            verb: .reboot,
            lab: "shop",
            host: "here",
            epoch: 1,
            createdAt: begin
        )
        row.state = .running
        func step(_ index: StepIndex, _ state: StepState) -> StepRow {
            var step = StepRow(
                plan: row.id,
                index: index,
                isNew: true,
                spec: StepSpec(.command, a: index, node: NodeID(Int64(index) + 1)),
                needs: [],
                state: state,
                tries: 1
            )
            step.startedAt = begin
            if state == .error { step.error = StepError(.notReady, "given up: 'reboot' was not obeyed") }
            return step
        }
        progress.update(
            plan: row,
            steps: [step(0, .success), step(1, .running)],
            nodes: [],
            attempts: [],
            now: begin + .seconds(3)
        )
        #expect(progress.groups.map(\.done) == [1] && progress.groups.map(\.total) == [2])
        #expect(progress.groups.first?.state == .working)
        #expect(progress.running.map(\.name) == ["reboot"])
        #expect(progress.running.map(\.node) == ["app/1"])
        progress.update(
            plan: row,
            steps: [step(0, .success), step(1, .error)],
            nodes: [],
            attempts: [],
            now: begin + .seconds(4)
        )
        #expect(progress.groups.first?.state == .failed && progress.groups.first?.reason == "1 of 2 failed")
        #expect(progress.problems.count == 1)
    }
}
