import MusterCore
import Testing

@Suite struct RebootGateTests {
    private let table = ModeTable(.sample)

    private func decide(
        _ request: RebootRequest,
        _ states: [Int64: String],
        change: (inout NodeStateRow) -> Void = { _ in }
    ) -> [RebootAnswer.Verdict] {
        RebootGate.decide(request, table: table) { node in
            guard let state = states[node.rawValue] else { return nil }
            var row = NodeStateRow(node: node, mode: "M", state: state, since: Timestamp(rawValue: 0))
            change(&row)
            return row
        }.map(\.verdict)
    }

    private func request(_ nodes: [Int64], isForced: Bool = false) -> RebootRequest {
        RebootRequest(nodes: nodes.map { NodeID($0) }, isForced: isForced)
    }

    private let cutShort = RebootAnswer.Verdict.refused("it is BOOT, and that would be cut short; --force does it")

    @Test func onlyNodesInAStateThatAllowsItAreAccepted() {
        // Refused ones beside each other must not let one through.
        let states: [Int64: String] = [1: "UP", 2: "BOOT", 3: "BOOT", 4: "UP", 5: "BOOT"]
        let soft = RebootAnswer.Verdict.accepted(.soft)
        #expect(decide(request([1, 2, 3, 4, 5]), states) == [soft, cutShort, cutShort, soft, cutShort])
        #expect(decide(request([2], isForced: true), states) == [.accepted(.wake)])
    }

    @Test func failedNodesAndThoseGivenUpAreAccepted() {
        #expect(decide(request([1]), [1: "BAD"]) == [.accepted(.soft)])
        #expect(decide(request([1]), [1: "OFF"]) { $0.flags.insert(.givenUp) } == [.accepted(.soft)])
        let unknown = decide(request([9]), [:])
        #expect(unknown == [.refused("nothing is known of its state")])
    }

    @Test func aNodeThatIsBeingRebootedIsRefused() {
        let pending = PendingCommand(
            name: "reboot",
            rung: 1,
            attempt: 1,
            deadline: NodeDeadline(at: Timestamp(rawValue: 9), order: 1)
        )
        let states: [Int64: String] = [1: "UP"]
        let refused = RebootAnswer.Verdict.refused("'reboot' is under way already")
        #expect(decide(request([1]), states) { $0.command = pending } == [refused])
        #expect(decide(request([1], isForced: true), states) { $0.command = pending } == [.accepted(.soft)])
    }

    @Test func nodesGoDownWithTheirHostIfThatIsRebooted() {
        // 1 and 2 are hosts; 11 runs on 1, 21 on 2, 111 on 11.
        var asked = request([1, 11, 21, 111])
        asked.hosts = [NodeID(11): NodeID(1), NodeID(21): NodeID(2), NodeID(111): NodeID(11)]
        let states: [Int64: String] = [1: "UP", 11: "UP", 21: "UP", 111: "UP"]
        #expect(
            decide(asked, states) == [
                .accepted(.soft), .withHost(NodeID(1)), .accepted(.soft), .withHost(NodeID(11)),
            ]
        )
        // A host that is refused takes nobody along.
        #expect(decide(asked, [1: "BOOT", 11: "UP", 21: "UP", 111: "BOOT"])[1] == .accepted(.soft))
    }

    @Test func theFirewallIsLeftOutAndANodeNamedTwiceIsAnsweredOnce() {
        var asked = request([1, 2, 1])
        asked.excluded = [NodeID(2)]
        asked.firstRungs = [NodeID(1): .powerCycle]
        #expect(decide(asked, [1: "UP", 2: "UP"]) == [.accepted(.powerCycle), .excluded])
    }

    @Test func anUnknownCommandIsRefused() {
        let asked = RebootRequest(nodes: [NodeID(1)], command: "jump")
        #expect(decide(asked, [1: "UP"]) == [.refused("the mode table has no command 'jump'")])
    }

    @Test func failuresCountByWhatTheyMean() {
        typealias Outcome = RebootSummary.Outcome
        let good = Outcome(name: "app/0", kind: "linux", end: .up)
        let bad = Outcome(name: "app/1", kind: "linux", onFailure: .nonfatal, end: .failed("x"))
        let ignored = Outcome(name: "app/2", kind: "linux", onFailure: .ignore, end: .failed("x"))
        let refused = Outcome(name: "db/0", kind: "bsd", end: .refused("x"))
        #expect(!RebootSummary([good, bad, ignored]).isFatal)
        #expect(RebootSummary([good, bad, ignored]).lines == ["1 of 3 linux nodes failed: app/1 (nonfatal)"])
        #expect(RebootSummary([good, refused]).isFatal && RebootSummary([refused]).lines.count == 1)
        #expect(RebootSummary([good]).lines.isEmpty)
    }
}
