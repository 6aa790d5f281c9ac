import MusterCore
import MusterEngine
import MusterStore
import MusterTestKit
import Testing

/// Reports by files through the conductor and the store: each line once, whatever crashes.
@Suite struct ReportsTests {
    /// A node's file as its text, read as the reader of reports reads it.
    private struct Page {
        var lines: [String] = []
        func batch(after position: ReportPosition?, max: Int = 2) -> ReportBatch {
            var batch = ReportBatch(from: position)
            let begin = Int(position?.offset ?? 0)
            let read = lines[begin...].prefix(max)
            batch.lines = read.map { ReportBatch.Line(.state($0)) }
            let end = begin + read.count
            if end > begin { batch.to = ReportPosition(file: 1, offset: Int64(end), print: 0) }
            batch.isMore = end < lines.count
            return batch
        }
    }

    /// Answers what it was told to read, until there is nothing more to read.
    private func readAll(_ town: inout NodeTown, _ page: Page) throws {
        while !town.readings.isEmpty {
            guard case .readReports(let node, let position) = town.readings.removeFirst() else { return }
            try town.turn([.reportsRead(node, page.batch(after: position))])
        }
    }

    private func town(_ store: any Store = MemoryStore()) throws -> NodeTown {
        var town = try NodeTown(2, store: store)
        try town.ask(.useModes(lab: "shop", NodeTown.modes))
        town.readings = []
        return town
    }

    @Test func whoTakesUpATableAsksForWhatNodesHaveWritten() throws {
        var town = try NodeTown(2)
        try town.turn([.reportsWaiting(NodeID(1))])
        #expect(town.readings.isEmpty, "nothing decides about it yet")
        try town.ask(.useModes(lab: "shop", NodeTown.modes))
        #expect(
            town.readings == [
                .readReports(node: NodeID(1), after: nil), .readReports(node: NodeID(2), after: nil),
            ]
        )
    }

    @Test func eachLineCountsOnceOverRestarts() throws {
        var town = try town()
        var page = Page()
        for states in [["SHUTDOWN", "BOOTING", "ISUP"], ["SHUTDOWN"], ["BOOTING", "ISUP", "SHUTDOWN", "BOOTING"]] {
            page.lines += states
            try town.turn([.reportsWaiting(NodeID(1))])
            try readAll(&town, page)
            // The marks of reports would be forgotten by then.
            town.time.advance(by: .seconds(3 * 86_400))
            try town.restart()
            town.readings = []
            try town.turn([.reportsWaiting(NodeID(1))])
            try readAll(&town, page)
        }
        #expect(try town.states() == ["ISUP"] + page.lines)
        #expect(try town.states(1) == ["ISUP"])
    }

    @Test func whatWasReadFromSomewhereElseIsReadAgain() throws {
        var town = try town()
        let page = Page(lines: ["SHUTDOWN", "BOOTING"])
        let batch = page.batch(after: nil)
        try town.turn([.reportsRead(NodeID(1), batch)])
        try town.turn([.reportsRead(NodeID(1), batch)])
        #expect(town.readings == [.readReports(node: NodeID(1), after: batch.to)])
        #expect(try town.states() == ["ISUP", "SHUTDOWN", "BOOTING"])
    }

    /// The store fails before, after, or without an answer: nothing is lost, nothing counts twice.
    @Test(arguments: FaultyStore.Fault.allCases) func aCommitThatFailsLosesNothing(_ fault: FaultyStore.Fault) throws {
        // Five commits make the town.
        let store = FaultyStore(MemoryStore(), script: [3: fault])
        var town = try town(store)
        let page = Page(lines: ["SHUTDOWN", "BOOTING", "ISUP"])
        try town.turn([.reportsRead(NodeID(1), page.batch(after: nil))])
        // What it was told to watch again asks.
        try town.turn([.reportsWaiting(NodeID(1))])
        try readAll(&town, page)
        #expect(try town.states() == ["ISUP", "SHUTDOWN", "BOOTING", "ISUP"])
    }

    @Test func idsOfOneNodeAreNotThoseOfAnother() throws {
        var town = try town()
        var batch = ReportBatch(from: nil)
        batch.lines = [
            ReportBatch.Line(.state("SHUTDOWN"), id: "1"), ReportBatch.Line(.state("SHUTDOWN"), id: "1"),
        ]
        batch.to = ReportPosition(file: 1, offset: 10, print: 1)
        try town.turn([.reportsRead(NodeID(1), batch), .reportsRead(NodeID(2), batch)])
        #expect(try town.states(0) == ["ISUP", "SHUTDOWN"])
        #expect(try town.states(1) == ["ISUP", "SHUTDOWN"])
    }

    @Test func flawsAreEventsOnce() throws {
        var town = try town()
        var batch = ReportBatch(from: nil)
        batch.flaws = ["the line at byte 0: it is not UTF-8"]
        batch.to = ReportPosition(file: 1, offset: 3, print: 1)
        try town.turn([.reportsRead(NodeID(1), batch)])
        try town.restart()
        try town.turn([.reportsRead(NodeID(1), batch)])
        let events = try town.store.events(of: NodeID(1), after: 0, limit: 100)
        #expect(events.filter { $0.kind == .nodeReportRefused }.map(\.detail) == batch.flaws)
    }
}
