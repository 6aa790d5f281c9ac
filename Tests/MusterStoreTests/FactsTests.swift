import MusterCore
import MusterStore
import Testing

/// Facts of nodes are read by a short way when nothing in them is escaped.
@Suite struct FactsTests {
    let folder = TemporaryFolder()

    @Test func factsComeBackAsTheyWere() throws {
        let facts: [[String: String]] = [
            [:], ["address": "127.64.0.1"], ["a": "", "": "b"], ["quote": "say \"so\"", "path": "C:\\x"],
            ["line": "one\ntwo\ttab", "bell": "\u{7}"], ["city": "Zürich", "face": "🙂", "comma": "a,b:{c}"],
            ["slash": "http://h/p"], ["x": "{\"a\":\"b\"}"],
        ]
        let store = try SQLiteStore(path: folder.file())
        let now = Timestamp(rawValue: 1_700_000_000_000_000)
        let epoch = try store.register(host: "here", pid: 1, now: now)
        var turn = Turn(now: now, term: Term(conductor: .sole, epoch: epoch))
        var plan = PlanRow(
            id: PlanID(1),
            request: "made",
            verb: .up,
            lab: "shop",
            host: "here",
            epoch: epoch,
            createdAt: now
        )
        plan.state = .stopped
        turn.plans = [plan]
        turn.newSpecs = [PlanID(1): RunSpec(verb: .up, lab: "shop", labDirectory: "/lab")]
        turn.nodes = facts.enumerated().map { index, facts in
            NodeRow(
                id: NodeID(Int64(index + 1)),
                lab: "shop",
                name: NodeName(group: "app", index: index),
                driver: "process",
                state: .ready,
                createdBy: PlanID(1),
                heldBy: nil,
                facts: facts,
                since: now
            )
        }
        _ = try store.commit(turn)
        #expect(try store.nodes(lab: "shop", includingGone: false).map(\.facts) == facts)
        #expect(try store.load(nil, for: .sole).nodes.map(\.facts) == facts)
    }
}
