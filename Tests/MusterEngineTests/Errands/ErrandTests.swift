import MusterCore
import MusterStore
import MusterTestKit
import Testing

@testable import MusterEngine

/// Scripts and notifications through the conductor and the store: at least once, whatever crashes.
@Suite struct ErrandTests {
    private static let ops = NoticeSink(.command([Template("ops")]), gap: .seconds(15))
    private static let hook = NoticeSink(.webhook(Template("http://hook")), gap: .seconds(60))

    /// Nodes with this table and these sinks.
    private func town(
        _ count: Int = 2,
        sinks: [NoticeSink] = [],
        change: (inout ModeSet) -> Void = { _ in }
    ) throws -> NodeTown {
        var town = try NodeTown(count)
        var modes = NodeTown.modes
        change(&modes)
        var spec = RunSpec(verb: .up, lab: "shop", labDirectory: "/lab")
        spec.modes = modes
        try town.ask(.submit(token: "up", spec: spec))
        // What they are told of begins here.
        spec.modes = nil
        spec.notify = sinks
        try town.ask(.submit(token: "up with sinks", spec: spec))
        return town
    }

    private func triggering(_ actions: String..., state: String = "SHUTDOWN") -> (inout ModeSet) -> Void {
        { $0.modes[0].rules.triggers.append(StateTriggers(state: state, actions: actions)) }
    }

    private func messages(_ town: NodeTown) -> [NoticeMessage] {
        town.errands.compactMap { if case .notices(let message) = $0 { message } else { nil } }
    }

    private func details(_ town: NodeTown, _ kind: EventRow.Kind) throws -> [String] {
        try town.store.events(after: 0, plan: nil, limit: 1000).filter { $0.kind == kind }.compactMap(\.detail)
    }

    // MARK: Scripts

    @Test func aScriptIsBegunAgainUntilItIsKnownToHaveEnded() throws {
        var town = try town(change: triggering("SCRIPT:tell.sh"))
        try town.report("SHUTDOWN")
        let errand = try #require(town.errands.first)
        guard case .script(let row) = errand else {
            Issue.record("it is no script")
            return
        }
        #expect(row.kind == .script(path: "tell.sh", folder: "/lab", mode: "M", state: "SHUTDOWN"))
        #expect(row.name.description == "app/0" && row.lab == "shop")
        try town.restart()
        #expect(town.errands == [errand, errand])
        try town.turn([.errandEnded(errand, failure: nil)])
        try town.restart()
        #expect(town.errands.count == 2)
        #expect(try details(town, .nodeActionFailed).isEmpty)
    }

    @Test func aScriptThatFailsIsAnEventOnce() throws {
        var town = try town(change: triggering("SCRIPT:tell.sh"))
        try town.report("SHUTDOWN")
        for _ in 0..<2 { try town.turn([.errandEnded(town.errands[0], failure: "it ended with 3")]) }
        #expect(try details(town, .nodeActionFailed) == ["SCRIPT:tell.sh: it ended with 3"])
        try town.restart()
        #expect(town.errands.count == 1)
    }

    @Test func numbersOfErrandsNeverComeAgain() throws {
        var town = try town(change: triggering("SCRIPT:tell.sh"))
        var numbers: Set<Int64> = []
        for _ in 0..<4 {
            try town.report("SHUTDOWN")
            guard case .script(let row)? = town.errands.last else { return }
            #expect(numbers.insert(row.number).inserted)
            try town.turn([.errandEnded(.script(row), failure: nil)])
            try town.restart()
            try town.report("BOOTING")
        }
        #expect(numbers.count == 4)
    }

    @Test func whatNobodyDoesIsSaidOnceByItsName() throws {
        var town = try town(change: triggering("PXERESET", "CHECKPORTREG"))
        for node in 0..<2 {
            for state in ["SHUTDOWN", "BOOTING", "SHUTDOWN"] { try town.report(state, of: node) }
        }
        let said = try details(town, .nodeActionFailed)
        #expect(said.count == 2)
        #expect(said[0].hasPrefix("PXERESET: no service") && said[1].hasPrefix("CHECKPORTREG: no service"))
    }

    // MARK: Notifications

    @Test func equalOnesGoTogetherAndTwoMessagesAreApart() throws {
        var town = try town(40, sinks: [Self.ops], change: triggering("NOTIFY"))
        try town.report("SHUTDOWN", of: 0)
        #expect(messages(town).map(\.content.entries.count) == [1], "the first goes at once")
        for node in 1..<40 { try town.report("SHUTDOWN", of: node) }
        #expect(messages(town).count == 1, "nothing goes while a message is under way")
        try town.turn([.errandEnded(town.errands[0], failure: nil)])
        #expect(messages(town).count == 1)
        #expect(town.core.timeToNextTimer().map { $0 > .seconds(14) && $0 <= .seconds(15) } == true)
        town.time.advance(by: .seconds(15))
        try town.turn([])
        let second = try #require(messages(town).last)
        #expect(second.content.entries.map(\.count) == [39])
        #expect(second.content.entries[0].text == "it is in M/SHUTDOWN")
        #expect(second.content.entries[0].subjects.count == 39 && second.content.entries[0].subjects[0] == "app/1")
        try town.turn([.errandEnded(.notices(second), failure: nil)])
        #expect(try details(town, .noticeSent) == ["shop: command ops: 1", "shop: command ops: 39"])
    }

    @Test func whatAsksForNotificationIsTold() throws {
        var town = try town(1, sinks: [Self.ops]) { modes in
            modes.modes[0].rules.timeouts = [StateTimeout(state: "SHUTDOWN", after: .seconds(60))]
        }
        func told() throws -> String? {
            let message = try #require(messages(town).last)
            try town.turn([.errandEnded(.notices(message), failure: nil)])
            town.time.advance(by: .seconds(15))
            return message.content.entries.first?.text
        }
        try town.report("BOOTING")
        #expect(try told()?.contains("no way from ISUP to BOOTING") == true)
        try town.report("NOSUCH")
        #expect(try told()?.contains("no state NOSUCH") == true)
        try town.report("SHUTDOWN")
        town.time.advance(by: .seconds(60))
        try town.turn([])
        #expect(try told()?.contains("SHUTDOWN") == true)
        #expect(messages(town).count == 3)
    }

    @Test func whatIsNotKnownToBeSentIsSentAfterARestart() throws {
        var town = try town(sinks: [Self.ops, Self.hook], change: triggering("NOTIFY"))
        try town.report("SHUTDOWN", of: 0)
        try town.report("SHUTDOWN", of: 1)
        #expect(messages(town).count == 2)
        try town.restart()
        let again = messages(town).dropFirst(2)
        #expect(again.map(\.content.entries.first?.count) == [2, 2])
        #expect(Set(again.map(\.sink)) == [Self.ops, Self.hook])
        for message in again { try town.turn([.errandEnded(.notices(message), failure: nil)]) }
        try town.restart()
        #expect(messages(town).count == 4)
        #expect(try town.store.load().errands.isEmpty)
    }

    @Test func aSinkThatFailsIsTriedAgainSoManyTimesAndHoldsUpNobody() throws {
        var town = try town(sinks: [Self.ops, Self.hook], change: triggering("NOTIFY"))
        try town.report("SHUTDOWN", of: 0)
        for message in messages(town) where message.sink == Self.hook {
            try town.turn([.errandEnded(.notices(message), failure: nil)])
        }
        for attempt in 1...Errands.triesMax {
            let message = try #require(messages(town).last { $0.sink == Self.ops })
            #expect(message.attempt == attempt)
            try town.turn([.errandEnded(.notices(message), failure: "it ended with 1")])
            // Said a second time, it changes nothing.
            try town.turn([.errandEnded(.notices(message), failure: "it ended with 1")])
            town.time.advance(by: .seconds(120))
            try town.turn([])
        }
        let failed = try details(town, .noticeFailed)
        #expect(failed.count == Errands.triesMax && failed.last?.contains("given up after 5 tries") == true)
        #expect(messages(town).count { $0.sink == Self.ops } == Errands.triesMax)
        #expect(try town.store.load().errands.isEmpty)
        try town.report("BOOTING", of: 0)
        try town.report("SHUTDOWN", of: 0)
        #expect(messages(town).last { $0.sink == Self.ops }?.attempt == 1)
        #expect(messages(town).count { $0.sink == Self.hook } == 2)
    }

    @Test func otherSinksTakeOverAndWhatWasMeantForTheOldOnesIsDropped() throws {
        var town = try town(sinks: [Self.ops], change: triggering("NOTIFY"))
        try town.report("SHUTDOWN", of: 0)
        var spec = RunSpec(verb: .up, lab: "shop", labDirectory: "/lab")
        spec.notify = [Self.hook]
        try town.ask(.submit(token: "again", spec: spec))
        #expect(try town.store.load().errands.isEmpty)
        try town.report("SHUTDOWN", of: 1)
        #expect(messages(town).last?.sink == Self.hook)
        try town.restart()
        #expect(messages(town).last?.sink == Self.hook)
    }

    @Test func manyAreBoundedInTheStore() throws {
        var town = try town(1, sinks: [Self.ops], change: triggering("NOTIFY"))
        for _ in 0..<(Errands.rowsMax + 20) {
            try town.report("SHUTDOWN")
            try town.report("BOOTING")
        }
        #expect(try town.store.load().errands.count == Errands.rowsMax)
    }

    // MARK: Triggers of single nodes

    @Test func theTableBringsTriggersOfNodesThatStay() throws {
        func trigger(_ action: String) -> NodeTriggers {
            NodeTriggers(node: "app/1", mode: nil, triggers: StateTriggers(state: "SHUTDOWN", actions: [action]))
        }
        var town = try town { $0.nodeTriggers = [trigger("SCRIPT:one.sh")] }
        func shutDown() throws -> Int {
            let before = town.errands.count
            for node in 0..<2 { for state in ["SHUTDOWN", "BOOTING"] { try town.report(state, of: node) } }
            return town.errands.count - before
        }
        #expect(try shutDown() == 1)
        #expect(try shutDown() == 1, "it is not for once")
        var modes = NodeTown.modes
        modes.nodeTriggers = [trigger("SCRIPT:two.sh")]
        try town.ask(.useModes(lab: "shop", modes))
        #expect(try shutDown() == 1)
        guard case .script(let row)? = town.errands.last, case .script(let path, _, _, _) = row.kind else { return }
        #expect(path == "two.sh")
        try town.ask(.useModes(lab: "shop", NodeTown.modes))
        #expect(try shutDown() == 0)
        #expect(try town.row(1)?.triggers.isEmpty == true)
    }
}
