import Foundation
import MusterCore
import Testing

@testable import MusterEngine

/// What nodes write into their files of reports, whatever they make of them.
@Suite struct ReportFileTests {
    let folder: ReportFolder

    init() throws { folder = try ReportFolder() }

    private func states(_ batch: ReportBatch) -> [String] {
        batch.lines.map { line in
            if case .state(let state) = line.content { return state + (line.id.map { "#\($0)" } ?? "") }
            return "\(line.content)"
        }
    }

    @Test func aLineIsAStateAStateWithAnIdOrAnObject() {
        func line(_ text: String) -> ReportBatch.Line? { try? ReportLine.read(Array(text.utf8))?.get() }
        #expect(line("ISUP") == ReportBatch.Line(.state("ISUP")))
        #expect(line(" ISUP \r") == ReportBatch.Line(.state("ISUP")))
        #expect(line("ISUP id=4711") == ReportBatch.Line(.state("ISUP"), id: "4711"))
        #expect(line("clean wait id=a") == ReportBatch.Line(.state("clean wait"), id: "a"))
        #expect(line(#"{"state": "ISUP", "id": "x y"}"#) == ReportBatch.Line(.state("ISUP"), id: "x y"))
        #expect(line(#"{"event": "done", "goal": "active"}"#) == ReportBatch.Line(.event("done", goal: "active")))
        #expect(ReportLine.read(Array("  ".utf8)) == nil)
    }

    @Test(arguments: [
        "a/b", "a>b", "id=", "ISUP id=", "{", "{}", "[1]x,", #"{"state": 1}"#, #"{"state": "A", "event": "B"}"#,
        #"{"state": "A", "goal": "B"}"#, #"{"state": "A", "node": "app/1"}"#, #"{"state": ""}"#, "\u{1}",
        "ISUP id=" + String(repeating: "x", count: 129), String(repeating: "S", count: 65),
    ]) func anythingElseIsNone(_ text: String) {
        guard case .failure = ReportLine.read(Array(text.utf8)) else {
            Issue.record("it is taken for a report")
            return
        }
    }

    @Test func bytesThatAreNoTextAreNone() {
        guard case .failure(let flaw) = ReportLine.read([0x41, 0xFF]) else {
            Issue.record("it is taken for a report")
            return
        }
        #expect(flaw.message.contains("UTF-8"))
    }

    @Test func eachLineIsReadOnceAndAPartOfOneWaitsForItsEnd() throws {
        #expect(folder.file(1).read(after: nil) == ReportBatch(from: nil))
        try folder.append("SHUTDOWN\nBOOT")
        let first = folder.file(1).read(after: nil)
        #expect(states(first) == ["SHUTDOWN"] && first.to?.offset == 9 && !first.isMore)
        #expect(folder.file(1).read(after: first.to).to == first.to)
        try folder.append("ING\nISUP id=1\n")
        let second = folder.file(1).read(after: first.to)
        #expect(states(second) == ["BOOTING", "ISUP#1"])
        #expect(folder.file(1).read(after: second.to) == ReportBatch(from: second.to))
    }

    @Test func garbageIsToldOfAndStopsNothing() throws {
        try folder.append("ISUP\n\u{1}\n{\n\nSHUTDOWN\n")
        let batch = folder.file(1).read(after: nil)
        #expect(states(batch) == ["ISUP", "SHUTDOWN"])
        #expect(batch.flaws.count == 2)
        #expect(batch.flaws.first?.contains("byte 5") == true && batch.flaws.last?.hasPrefix("1 more") == true)
    }

    @Test func aLongFileIsReadInPieces() throws {
        let count = 20_000
        try folder.append(String(repeating: "ISUP\n", count: count))
        var position: ReportPosition?
        var read = 0
        var pieces = 0
        while true {
            let batch = folder.file(1).read(after: position)
            #expect(batch.flaws.isEmpty)
            read += batch.lines.count
            pieces += 1
            position = batch.to
            if !batch.isMore { break }
        }
        #expect(read == count && pieces > 1)
    }

    /// Its end may look like a report.
    @Test(arguments: [5_000, 100_000]) func aLineThatIsTooLongIsLeftOutWholeHoweverItIsRead(_ length: Int) throws {
        try folder.append("SHUTDOWN\n" + String(repeating: "x", count: length))
        var position: ReportPosition?
        var flaws = 0
        var seen: [String] = []
        func readAll() {
            while true {
                let batch = folder.file(1).read(after: position)
                flaws += batch.flaws.count
                seen += states(batch)
                position = batch.to
                if !batch.isMore { return }
            }
        }
        readAll()
        try folder.append("\nISUP\n")
        readAll()
        #expect(seen == ["SHUTDOWN", "ISUP"] && flaws == 1)
        try folder.append(String(repeating: "y", count: 5_000))
        readAll()
        try folder.append(" LOST\nBOOTING\n")
        readAll()
        #expect(seen == ["SHUTDOWN", "ISUP", "BOOTING"] && flaws == 2)
    }

    @Test func anotherFileIsReadFromItsBeginning() throws {
        try folder.append("SHUTDOWN\nBOOTING\n")
        let before = folder.file(1).read(after: nil)
        // Cut.
        #expect(truncate(folder.reports(1), 0) == 0)
        try folder.append("ISUP\n")
        let cut = folder.file(1).read(after: before.to)
        #expect(states(cut) == ["ISUP"] && cut.flaws.count == 1)
        // Cut and written again to the same length.
        #expect(truncate(folder.reports(1), 0) == 0)
        try folder.append("LOST\n")
        #expect(states(folder.file(1).read(after: cut.to)) == ["LOST"])
        // Replaced.
        let other = folder.path + "/other"
        try "ISUP\nISUP\n".write(toFile: other, atomically: false, encoding: .utf8)
        #expect(rename(other, folder.reports(1)) == 0)
        let replaced = folder.file(1).read(after: cut.to)
        #expect(states(replaced) == ["ISUP", "ISUP"] && replaced.flaws.count == 1)
        // Away: where it was read to is kept.
        unlink(folder.reports(1))
        #expect(folder.file(1).read(after: replaced.to).to == replaced.to)
    }

    @Test func linksPipesAndFoldersAreNotRead() throws {
        try folder.append("ISUP\n", 2)
        let secret = folder.path + "/secret"
        try "ISUP\n".write(toFile: secret, atomically: false, encoding: .utf8)
        func refused(_ make: (String) -> Int32, _ word: String) {
            let path = folder.reports(1)
            unlink(path)
            rmdir(path)
            #expect(make(path) == 0)
            let batch = folder.file(1).read(after: nil)
            #expect(batch.lines.isEmpty && batch.to == nil, "\(word)")
            #expect(batch.flaws.count == 1 && batch.flaws[0].contains(word), "\(batch.flaws)")
        }
        refused({ symlink(secret, $0) }, "link")
        refused({ symlink(folder.reports(2), $0) }, "link")
        refused({ link(folder.reports(2), $0) }, "another name")
        refused({ mkfifo($0, 0o600) }, "no plain file")
        refused({ mkdir($0, 0o700) }, "no plain file")
        // The node's whole folder is a link to another node's.
        let own = folder.node(3)
        rmdir(own)
        #expect(symlink(folder.node(2), own) == 0)
        let batch = folder.file(3).read(after: nil)
        #expect(batch.lines.isEmpty && batch.flaws.count == 1)
    }
}
