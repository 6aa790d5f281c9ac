import ArgumentParser
import Foundation
import MusterEngine

/// How another process begins with many nodes: it opens the state and takes in what a conductor needs.
enum EventsLoading {
    struct Figures {
        var milliseconds: Double
        /// Of a program that reads the same rows and keeps none.
        var floor: Double
        /// Megabytes that were resident afterwards, and more than before; and at most.
        var grown: Double
        var resident: Double
        var peak: Double
    }

    static func measure(_ folder: String) throws -> Figures {
        let child = try Child(["events-load", "--folder", folder])
        var records: [Child.Record] = []
        while let record = child.next() { records.append(record) }
        try child.end()
        guard records.count == 3 else { throw Child.Failure(description: "the state was not loaded") }
        let begin = ContinuousClock.now
        let database = try PlainSQLite(StateDirectory(path: folder).database)
        try database.read("SELECT * FROM nodes WHERE state <> 7")
        try database.read("SELECT * FROM node_states")
        return Figures(
            milliseconds: Double(records[1].at - records[0].at) / 1000,
            floor: begin.duration(to: .now).inSeconds * 1000,
            grown: Double(records[1].position - records[0].position) / 1024,
            resident: Double(records[1].position) / 1024,
            peak: Double(records[2].position) / 1024
        )
    }
}

/// What `events` has loaded. Its records carry kilobytes: resident before and after, and the most.
struct EventsLoad: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "events-load", shouldDisplay: false)
    @Option var folder: String

    func run() throws {
        Child.Record.now(Int64(Usage.residentMemory / 1024)).write()
        let bench = try Workbench(in: folder)
        let at = Child.time()
        withExtendedLifetime(bench) {
            Child.Record(position: Int64(Usage.residentMemory / 1024), at: at).write()
            Child.Record(position: Int64(Usage.peakMemoryInMegabytes * 1024), at: at).write()
        }
    }
}
