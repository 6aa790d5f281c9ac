import MusterCore
import Testing

@testable import MusterCLI

@Suite struct TerminalLogTests {
    @Test func upWithARetryAReplacementAndAHeartbeat() throws {
        var stage = TerminalStage(TerminalLab.shop(.up), script: TerminalLab.failingTwice())
        stage.runToEnd()
        try TerminalGoldens.expect(stage.lines, equals: "log-up.txt")
    }

    @Test func testsWithALostNodeAndATeardown() throws {
        var stage = TerminalStage(TerminalLab.shopTests(), script: TerminalLab.tested)
        stage.lose(NodeName(group: "app", index: 1), after: .milliseconds(3100), reason: "its server ended: exit 139")
        stage.runToEnd()
        try TerminalGoldens.expect(stage.lines, equals: "log-test.txt")
    }

    @Test func coloursAndASCIIAreTheStylesOwn() {
        var stage = TerminalStage(TerminalLab.shop(.up), style: .color, script: TerminalLab.failingTwice())
        stage.runToEnd()
        #expect(stage.lines.contains { $0.contains("\u{1B}[32mcache/0 ready\u{1B}[0m") })
        stage = TerminalStage(TerminalLab.shopTests(), style: .ascii, script: TerminalLab.tested)
        stage.lose(NodeName(group: "app", index: 1), after: .milliseconds(3100), reason: "界")
        stage.runToEnd()
        #expect(stage.lines.allSatisfy { $0.allSatisfy(\.isASCII) })
    }

    @Test func testsThatCannotRunAreOneLine() {
        var spec = TerminalLab.shopTests()
        spec.groups[2].onFailure = .fail
        var stage = TerminalStage(spec) { label, number in
            label.hasPrefix("db/0") ? (.seconds(1), .exit(9)) : TerminalLab.tested(label, number)
        }
        stage.runToEnd()
        let told = stage.lines.filter { $0.contains("tests of api") }
        #expect(told == ["00:01.0 8 tests of api infra: not run: db/0:1 process: ./fake-db failed: exit 9"])
        #expect(stage.lines.last?.contains("test failed in") == true)
        #expect(stage.lines.contains("00:01.0 db/0 step process: ./fake-db failed: exit 9; muster logs db/0:1"))
    }

    @Test func cancellingSaysSoOnceAndCountsWhatWasGivenUp() {
        var stage = TerminalStage(TerminalLab.shopTests(keep: .never), script: TerminalLab.tested)
        stage.run(until: .milliseconds(3500))
        stage.ask(.cancel(stage.plan))
        let banner = Screen.frame(stage.progress, width: 80, height: 24, style: .unicode)
        #expect(banner.contains("  ■ cancelling: nothing new starts, running attempts are ended"))
        stage.runToEnd()
        #expect(stage.lines.count { $0.contains("cancelling:") } == 1)
        #expect(stage.lines.contains { $0.contains("cancelled 0.7s on app/0: cancelled while it ran") })
        #expect(stage.lines.contains { $0.contains("tests of api given up: not run: the run was cancelled") })
        #expect(stage.lines.last?.contains("test cancelled in") == true)
    }

    @Test func aHeartbeatComesAfterThirtySilentSecondsOnly() {
        var stage = TerminalStage(TerminalLab.shop(.up)) { label, _ in
            (label.hasPrefix("app/1") ? .seconds(200) : .seconds(1), .done)
        }
        stage.run(until: .seconds(20))
        var log = stage.log
        let due = log.heartbeatDue
        #expect(due != nil)
        guard let due else { return }
        #expect(log.heartbeat(now: due + .milliseconds(-1)) == nil)
        let line = log.heartbeat(now: due)
        #expect(line?.contains("... 5 of 6 ready; app/1 process: ./app") == true)
        #expect(log.heartbeat(now: due + .seconds(1)) == nil)
        #expect(log.heartbeatDue == due + .seconds(30))
        #expect(log.heartbeat(now: due + .seconds(30)) != nil)
        #expect(LineLog().heartbeatDue == nil)
    }

    @Test func noHeartbeatsOncePausedOrOver() {
        var spec = TerminalLab.shop(.up)
        spec.groups[2].onFailure = .pause
        var stage = TerminalStage(spec) { label, _ in
            label.contains("app/1:2") ? (.seconds(1), .exit(3)) : (.seconds(1), .done)
        }
        stage.runToEnd()
        #expect(stage.log.heartbeatDue == nil)
        #expect(
            stage.lines.last?.contains(
                "paused: app/1:2 run: ./setup.sh --db ${db.0.address} failed: exit 3; go on with: muster resume r-"
            ) == true
        )
        stage.ask(.resume(stage.plan))
        #expect(stage.lines.last?.contains("resumed: run r-") == true)
        #expect(stage.log.heartbeatDue != nil)
    }

    @Test func eventsOfOtherRunsAreNotTold() {
        let stage = TerminalStage(TerminalLab.shop(.up)) { _, _ in (.seconds(1), .done) }
        var log = LineLog()
        let other = EventRow(position: 1, epoch: 1, at: stage.now, kind: .planPaused, plan: PlanID(99), detail: "no")
        let nobody = EventRow(position: 2, epoch: 1, at: stage.now, kind: .conductorStarted)
        #expect(log.lines(for: [other, nobody], progress: stage.progress, now: stage.now).isEmpty)
    }

    @Test func anUnknownStepOrNodeIsNoCrash() {
        let stage = TerminalStage(TerminalLab.shop(.up)) { _, _ in (.seconds(1), .done) }
        var log = LineLog()
        for kind in EventRow.Kind.allCases {
            let event = EventRow(
                position: 1,
                epoch: 1,
                at: stage.now,
                kind: kind,
                plan: stage.plan,
                step: 9999,
                node: NodeID(9999)
            )
            _ = log.lines(for: [event], progress: stage.progress, now: stage.now)
        }
    }
}
