import Foundation
import Logging
import MusterCore
import MusterDrivers
import Testing

@testable import MusterEngine

/// Whoever reads reports is woken, and asks once.
@Suite struct ReportReaderTests {
    let folder: ReportFolder
    let inbox = Inbox()
    let reader: ReportReader

    init() throws {
        folder = try ReportFolder()
        reader = ReportReader(inbox: inbox, state: folder.state, logger: Logger(label: "test"))
    }

    private func handle(_ number: Int64) -> NodeHandle {
        NodeHandle(
            id: NodeID(number),
            name: NodeName(group: "app", index: Int(number)),
            lab: "shop",
            directory: folder.node(number),
            facts: [:],
            tenure: Tenure(Epoch(1))
        )
    }

    /// What has come; waits for it.
    private func next() -> [Director.Event] {
        inbox.take(timeout: .seconds(20)).compactMap { if case .event(let event) = $0 { event } else { nil } }
    }

    private func waiting(_ events: [Director.Event]) -> [NodeID] {
        events.compactMap { if case .reportsWaiting(let node) = $0 { node } else { nil } }
    }

    private func batch(_ events: [Director.Event]) -> ReportBatch? {
        events.lazy.compactMap { if case .reportsRead(_, let batch) = $0 { batch } else { nil } }.first
    }

    /// News may come once more before it.
    private func awaitBatch() throws -> ReportBatch {
        while true {
            let events = next()
            try #require(!events.isEmpty)
            if let batch = batch(events) { return batch }
        }
    }

    @Test func whatIsWrittenWakesAndIsReadFromWhereItIsTold() throws {
        reader.watch(handle(1))
        #expect(waiting(next()) == [NodeID(1)], "what was written before is asked for")
        reader.read(NodeID(1), after: nil)
        reader.awaitReading()
        #expect(inbox.isEmpty, "there is nothing to tell")
        try folder.append("SHUTDOWN\n")
        #expect(waiting(next()) == [NodeID(1)])
        try folder.append("BOOTING\n")
        reader.read(NodeID(1), after: nil)
        #expect(try awaitBatch().lines.count == 2)
        reader.stop()
    }

    @Test func aNodeThatIsForgottenIsNotHeard() throws {
        reader.watch(handle(1))
        reader.watch(handle(2))
        _ = next()
        reader.forget(NodeID(1))
        try folder.append("ISUP\n", 1)
        reader.read(NodeID(1), after: nil)
        reader.read(NodeID(2), after: nil)
        try folder.append("ISUP\n", 2)
        var heard: [NodeID] = []
        while heard.isEmpty {
            let events = next()
            try #require(!events.isEmpty)
            heard += waiting(events)
        }
        #expect(Set(heard) == [NodeID(2)])
        reader.stop()
    }

    @Test func aFileThatCannotBeReadIsToldOfOnce() throws {
        #expect(symlink("/etc/hostname", folder.reports(1)) == 0)
        reader.watch(handle(1), after: nil)
        #expect(batch(next())?.flaws.count == 1)
        for _ in 0..<3 {
            reader.read(NodeID(1), after: nil)
            reader.awaitReading()
        }
        #expect(inbox.isEmpty)
        unlink(folder.reports(1))
        try folder.append("ISUP\n")
        reader.read(NodeID(1), after: nil)
        #expect(try awaitBatch().lines.count == 1)
        reader.stop()
    }
}
