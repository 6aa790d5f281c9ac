import MusterTestKit
import Testing

@testable import MusterCore

/// Nodes that are made, replaced, and let go.
extension ATEXDefectTests {
    private func isMaking(_ work: DirectorHarness.Work) -> Bool { work.act.spec.action == .provision }

    /// Each of forty tests uses its node up. A node is destroyed in the turn in which its test ends, made anew in the
    /// turn in which that is done, and takes its test in the turn in which it is ready, whatever the others do.
    @Test("6: destroyed nodes are made anew side by side, while tests run") func replacements() {
        let spec = run(.test, [group("app", 10, runs: 1)], [suite("api", on: "app", (0..<40).map { "bang\($0)" })])
        var lab = TimedLab(spec, DirectorHarness()) {
            $0.act.spec.action == .attempt ? .seconds(1 + Int64($0.act.spec.b) * 7 % 20) : Self.length($0)
        }
        var makingMost = 0
        lab.run { lab in
            if !lab.runningTests.isEmpty { makingMost = max(makingMost, lab.lab.works.count(where: isMaking)) }
            #expect(!lab.testsAreLeft || lab.idleNodes.isEmpty, "at \(lab.elapsed)")
        }
        #expect(makingMost == 9)
        let lines = lab.chronicle.map { $0.split(separator: " ", maxSplits: 1).map(String.init) }
        for (place, line) in lines.enumerated() where line[1].hasPrefix("▶ api//") {
            #expect(lines[place - 1][0] == line[0] && lines[place - 1][1].hasSuffix(":2 run: ./setup-0: ok"))
        }
        for (place, line) in lines.enumerated() where line[1].hasPrefix("■ api//") {
            guard lines[place...].contains(where: { $0[1].hasPrefix("▶ api//") }) else { continue }
            #expect(lines[place + 1][0] == line[0] && lines[place + 1][1].hasSuffix(" destroy"))
        }
        // Each round of a node is its making, its test and its destruction.
        let tested = (0..<40).reduce(0) { $0 + 1 + $1 * 7 % 20 }
        let last = lab.lab.attempts(lab.plan).map { lab.seconds($0.endedAt) }.max() ?? 0
        #expect(last <= (40 * 20 + 30 * 3 + tested) / 10 + 20 + 3 + 20, "one after the other they take \(30 * 23)")
        #expect(lab.row?.result == .success)
        lab.lab.expectSound()
    }

    /// Whatever the lab says of a node that fails, as long as it does not say that a person is to be asked.
    @Test("7: where one group of a pool is broken the other runs all, and each counts its own failures")
    func brokenPool() {
        for policy in [FailurePolicy.fail, .skip, .replace] {
            var ext = group("ext", 3, onFailure: policy)
            ext.failedSetupsMax = 1
            var app = group("app", runs: 1, onFailure: .replace)
            app.failedSetupsMax = 2
            var api = suite("api", on: "ext", ["a", "b", "c", "d"])
            api.alsoOn = ["app"]
            var failures = 0
            var lab = DirectorHarness { work in
                if work.label.hasPrefix("ext"), work.act.spec.action == .provision {
                    return .fails(.refused, "used up")
                }
                guard work.label.hasPrefix("app/0:2 run"), failures < 2 else { return .succeeds }
                failures += 1
                return .exits(1)
            }
            let id = lab.submit(run(.test, [ext, app], [api]))
            lab.settle()
            #expect(lab.results(id) == ["a", "b", "c", "d"].map { "api//\($0)#1 pass" }, "\(policy)")
            #expect(Set(lab.attempts(id).compactMap(\.node?.group)) == ["app"], "\(policy)")
            #expect(lab.started("app/0:2 run").count == 3, "\(policy): both failures are within its own limit")
            #expect(lab.plan(id)?.state == .stopped && lab.nodeStates == [], "\(policy)")
            lab.expectSound("\(policy)")
        }
    }

    /// One node is let go early, one arrives when all tests are over, one cannot be destroyed at first.
    @Test("9: a run ends when all its nodes are gone, and not before") func releases() {
        var failures = 0
        let harness = DirectorHarness { work in
            guard work.label == "app/0 destroy", failures == 0 else { return .succeeds }
            failures += 1
            return .fails(.refused, "busy")
        }
        var lab = TimedLab(run(.test, [group("app", 3)], [suite("api", on: "app", ["a", "b"])]), harness) { work in
            switch work.label {
            case "app/2:1 process: ./server": .seconds(100)
            case "api//b#1": .seconds(50)
            case let label where label.hasSuffix("destroy"): .seconds(1000)
            default: Self.length(work)
            }
        }
        lab.run { lab in
            guard lab.row?.state.isFinal == true else { return }
            #expect(lab.lab.works.isEmpty && lab.lab.nodeStates == [])
        }
        #expect(lab.row?.state == .stopped && lab.row?.result == .warning, "what did not go at first is told")
        #expect(lab.lab.started("app/0 destroy").count == 2)
        #expect(lab.lab.started("destroy").count == 4)
        #expect(lab.row?.endedAt == lab.lab.now)
        #expect(lab.chronicle.last?.hasSuffix("destroy: ok") == true)
        lab.lab.expectSound()
    }

    /// As many as the group and its spares say, and no others; in the place of one that is used up while tests are left
    /// comes one other; and what no test can use goes as soon as it is ready.
    @Test("10: no more nodes are there than are asked for, and those that no test can use go") func surplus() {
        for (nodes, spares, tests) in [(4, 1, 8), (10, 0, 3)] {
            var app = group("app", nodes)
            app.spares = spares > 0 ? spares : nil
            var api = suite("api", on: "app", (1..<tests).map { "t\($0)" } + ["bang"])
            var policy = SuitePolicy()
            policy.spares = spares
            api.policy = policy
            api.tests[tests - 1].priority = 1
            var lab = TimedLab(run(.test, [app], [api]), DirectorHarness()) {
                guard $0.act.spec.action == .attempt else { return Self.length($0) }
                return $0.label == "api//bang#1" ? .seconds(500) : .seconds(1000)
            }
            var most = 0
            lab.run { lab in
                most = max(most, lab.lab.rows.nodes.values.count { $0.state != .gone && $0.stepsStarted > 0 })
                let free = lab.idleNodes.count
                #expect(!lab.testsAreLeft || free <= spares, "at \(lab.elapsed): \(free) nodes are idle")
            }
            #expect(most == nodes + spares)
            #expect(lab.lab.rows.nodes.count <= nodes + spares + 1)
            #expect(lab.row?.result == .success)
            lab.lab.expectSound()
        }
    }

    /// Of nodes that are let go, used up, lost, or cancelled at any turn; also when an undo fails.
    @Test(
        "11: what was set up is undone on each node before it goes, and the suite's end runs",
        arguments: [true, false]
    )
    func undoing(_ fails: Bool) {
        func check(_ lab: TimedLab, _ comment: Comment) {
            guard let plan = lab.plan, let steps = lab.lab.rows.steps[plan] else { return }
            for node in lab.lab.rows.nodes.values {
                let own = steps.filter { $0.spec.node == node.id && $0.tries > 0 }
                let undone = own.filter { $0.spec.action == .undo }
                let begun = own.filter { $0.spec.action == .provision }.map(\.spec.b)
                guard !begun.isEmpty else { continue }
                #expect(Set(undone.map(\.spec.b)) == Set(begun), comment)
                // Only what could not be undone is tried again, in a teardown that overtakes a removal.
                let last = undone.suffix(begun.count).map(\.spec.b)
                #expect(last == last.sorted(by: >), comment)
                let succeeded = undone.filter { $0.state == .success }.map(\.spec.b)
                #expect(Set(succeeded).count == succeeded.count, comment)
                let destroyed = own.filter { $0.spec.action == .destroy }
                #expect(destroyed.count == 1 && destroyed[0].state == .success, comment)
                #expect(undone.allSatisfy { $0.endedAt.map { $0 <= destroyed[0].startedAt ?? $0 } ?? false }, comment)
            }
            #expect(lab.lab.nodeStates == [], comment)
            lab.lab.expectSound(comment)
        }
        let spec = Self.eventful().spec
        func start() -> TimedLab {
            let lab = DirectorHarness { work in
                if work.act.spec.action == .undo { return fails ? .exits(1) : .succeeds }
                return work.label == "api//b#1" ? .exits(1) : work.label == "api//c#1" ? .losesNode("gone") : .succeeds
            }
            return TimedLab(spec, lab, length: Self.late)
        }
        var undisturbed = start()
        undisturbed.run()
        check(undisturbed, "undisturbed")
        #expect(undisturbed.lab.started("api after").count == 1)
        for point in 0..<undisturbed.steps {
            var lab = start()
            lab.run(for: point)
            if let plan = lab.plan { lab.request(.cancel(plan)) }
            lab.run()
            check(lab, "cancelled after turn \(point)")
        }
    }

    /// A node whose setup hangs has failed at the deadline of that setup and is made anew, while another works; a test
    /// whose node was set up for twenty times the test's deadline has its whole time.
    @Test("14: a setup has its own deadline, and a test's time is its own") func times() {
        var app = group("app", 2, runs: 1, onFailure: .replace)
        app.steps[1].timeout = .seconds(105)
        var api = suite("api", on: "app", ["a", "b", "c", "d"])
        for test in api.tests.indices { api.tests[test].timeout = .seconds(5) }
        let hangs: (DirectorHarness.Work) -> Bool = { $0.act.node == NodeID(1) && $0.act.spec.b == 1 }
        // The supervisor ends what hangs.
        let harness = DirectorHarness { isMaking($0) && hangs($0) ? .timesOut : .succeeds }
        var lab = TimedLab(run(.test, [app], [api]), harness) { work in
            guard isMaking(work), work.act.spec.b == 1 else { return Self.length(work) }
            return hangs(work) ? app.steps[1].timeout : .seconds(100)
        }
        lab.run()
        let rows = lab.lab.attempts(lab.plan)
        #expect(rows.map { lab.seconds($0.endedAt) - lab.seconds($0.startedAt) } == [5, 5, 5, 5])
        #expect(rows.map { lab.seconds($0.startedAt) } == [110, 115, 120, 125], "nobody waits for the one that hangs")
        #expect(lab.lab.started("app/0:1").count == 2)
        #expect(lab.row?.state == .stopped && lab.lab.nodeStates == [])
        lab.lab.expectSound()
    }
}
