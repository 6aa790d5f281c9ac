import MusterCore
import MusterStore

/// Modes and states of nodes.
extension StoreConformance {
    private static var modes: ModeSet {
        var mode = ModeSpec(name: "LINUX")
        mode.transitions = [StateTransition(from: "*", to: "ISUP", label: Sample.text)]
        mode.rules.timeouts = [StateTimeout(state: "BOOTING", after: .seconds(3), action: .state("FAILED"))]
        mode.rules.invalid = .coerce("FAILED")
        var set = ModeSet()
        set.modes = [mode]
        set.commands = [CommandSpec(name: "reboot", rungs: [RungSpec(.soft, within: .seconds(75), attempts: 2)])]
        return set
    }

    private static func full(_ node: Int64) -> NodeStateRow {
        var row = NodeStateRow(
            node: NodeID(node),
            mode: "LINUX",
            state: Sample.text,
            since: Sample.at,
            nextMode: "INSTALL",
            bootMode: "OTHER",
            goal: "active",
            features: [.reportsUp, .answersPing]
        )
        row.modeSince = Sample.at + .seconds(1)
        row.flags = [.givenUp, .isLeftDown]
        (row.timeouts, row.notices, row.repairs) = (3, 70_000, 2)
        row.deadline = NodeDeadline(at: Sample.at + .seconds(9), order: 8_000_000_000)
        row.command = PendingCommand(
            name: "reboot",
            rung: 2,
            attempt: 4,
            deadline: NodeDeadline(at: Sample.at + .seconds(75), order: 7)
        )
        row.triggers = [NodeTrigger(mode: nil, state: "ISUP", actions: ["RESET", Sample.text], isOnce: false)]
        return row
    }

    /// A lab with nodes, as the turn that makes them writes it.
    private static func makeNodes(_ turn: inout Turn, _ numbers: [Int64]) {
        turn.plans = [Sample.plan(1)]
        turn.nodes = numbers.map { Sample.node($0) }
    }

    static let nodeStateChecks: [Check] = [
        Check("all that is kept of a node's mode and state comes back, also at the next start") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            let plain = NodeStateRow(node: NodeID(2), mode: "LINUX", state: "ISUP", since: Sample.at)
            try writer.commit {
                makeNodes(&$0, [1, 2])
                $0.modeSets = ["shop": modes]
                $0.put(full(1))
                $0.put(plain)
                $0.reportMarks = [ReportMark(source: "node", id: Sample.text, at: Sample.at)]
            }
            try equal(store.nodeState(of: NodeID(1)), full(1), "the row")
            try equal(store.nodeStates(lab: nil), [full(1), plain], "all rows")
            try equal(store.modes(of: "shop"), modes, "the mode table")
            try equal(store.modes(of: "none"), nil, "a lab without one")
            let snapshot = try store.load()
            try equal(snapshot.nodeStates, [full(1), plain], "what a conductor begins with")
            try equal(snapshot.modeSets, ["shop": modes], "its mode tables")
            let mark = ReportMark(source: "node", id: Sample.text, at: Sample.at)
            try equal(snapshot.reportMarks, [mark], "reports that were taken")
        },
        Check("a node's row is replaced, and gone when the node is") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            try writer.commit {
                makeNodes(&$0, [1, 2])
                $0.modeSets = ["shop": ModeSet()]
                $0.put(full(1))
                $0.put(full(2))
            }
            let later = NodeStateRow(node: NodeID(1), mode: "B", state: "C", since: Sample.at + .seconds(1))
            try writer.commit {
                $0.put(full(1))
                $0.put(later)
                $0.nodeStatesGone = [NodeID(2)]
                $0.modeSets = ["shop": modes]
            }
            try equal(store.nodeStates(lab: nil), [later], "what is left")
            try equal(store.modes(of: "shop"), modes, "the newer table")
        },
        Check("reports are forgotten when they are old, and remembered anew when they come again") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            func mark(_ id: String, _ at: Timestamp) -> ReportMark { ReportMark(source: "node", id: id, at: at) }
            let begin = writer.now
            try writer.commit {
                $0.modeSets = ["shop": modes]
                $0.reportMarks = [mark("1", begin), mark("2", begin)]
            }
            writer.now = begin + ReportMark.age
            let late = writer.now
            try writer.commit { $0.reportMarks = [mark("2", late), mark("3", late)] }
            let ids = Set(try store.load().reportMarks.map(\.id))
            try equal(ids, ["2", "3"], "what is remembered")
        },
        Check("how far reports were read is kept as long as the node is") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            let first = ReportPosition(file: 7, offset: 9, print: -5)
            let later = ReportPosition(file: .max, offset: 8_000_000_000, print: .min)
            try writer.commit {
                makeNodes(&$0, [1, 2, 3])
                $0.modeSets = ["shop": modes]
                for node in 1...3 as ClosedRange<Int64> { $0.put(full(node)) }
                $0.reportPositions = [NodeID(1): first, NodeID(2): first]
            }
            try writer.commit {
                $0.reportPositions = [NodeID(1): later, NodeID(2): later]
                $0.nodeStatesGone = [NodeID(2)]
            }
            try equal(store.load().reportPositions, [NodeID(1): later], "what is kept")
        },
        Check("errands and sinks come back until they are done") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            let sinks = [
                NoticeSink(.command([Template("tell"), Template(Sample.text)])),
                NoticeSink(.webhook(Template(segments: [.literal("http://h/"), .secret("hook")])), gap: .seconds(60)),
            ]
            func row(_ number: Int64, _ kind: ErrandRow.Kind) -> ErrandRow {
                let name = NodeName(group: "app", index: 3)
                return ErrandRow(lab: "shop", number: number, node: NodeID(1), name: name, at: Sample.at, kind: kind)
            }
            func notice(_ number: Int64, _ sink: String) -> ErrandRow {
                row(number, .notice(sink: sink, text: Sample.text))
            }
            let script = row(5, .script(path: Sample.text, folder: "/lab", mode: "LINUX", state: "ISUP"))
            let rows = [script, notice(6, "a"), notice(7, "a"), notice(8, "a"), notice(6, "b")]
            try writer.commit {
                $0.noticeSinks = ["shop": sinks, "other": []]
                $0.errandsNew = rows
            }
            try equal(store.load().noticeSinks, ["shop": sinks, "other": []], "sinks")
            try equal(Set(store.load().errands), Set(rows), "errands")
            try writer.commit {
                $0.errandsNew = [notice(9, "b")]
                $0.errandsDone = [
                    ErrandDone(lab: "shop", sink: "a", number: 7), ErrandDone(lab: "shop", sink: nil, number: 6),
                    ErrandDone(lab: "none", sink: "b", number: 9),
                ]
                $0.noticeSinks = ["shop": []]
            }
            try equal(
                Set(store.load().errands),
                [script, notice(8, "a"), notice(6, "b"), notice(9, "b")],
                "what is left"
            )
            try writer.commit { $0.errandsDone = [ErrandDone(lab: "shop", sink: nil, number: 5)] }
            try equal(store.load().errands.contains(script), false, "the script is done")
            try equal(store.load().noticeSinks["shop"], [], "no sinks any more")
        },
        Check("events of a node are told in order, from a position on") { subject in
            let store = try subject.make()
            var writer = try Writer(store)
            var events = writer.events([.nodeState, .nodeState, .nodeMode, .nodeGivenUp])
            for (place, node) in [1, 2, 1, 1].enumerated() { events[place].node = NodeID(Int64(node)) }
            try writer.commit {
                makeNodes(&$0, [1, 2])
                $0.events = events
            }
            let all = try store.events(of: NodeID(1), after: 0, limit: 10)
            try equal(all.map(\.kind), [.nodeState, .nodeMode, .nodeGivenUp], "kinds")
            try equal(store.events(of: NodeID(1), after: all[0].position, limit: 1), [all[1]], "the next one")
        },
    ]
}
