import Foundation
package import MusterCore
package import MusterStore

/// Deletes stopped plans by their age: each only when its record is in a backup and synced, where one is wanted.
package struct Cleaner {
    private let store: any Store
    private let term: Term

    /// So many plans go at once: what is read for the backup is kept in memory.
    private static let plansAtOnce = 200

    /// - Parameter term: of who conducts the state now.
    package init(store: any Store, term: Term) {
        self.store = store
        self.term = term
    }

    /// - Parameters:
    ///   - end: plans that ended before it go.
    ///   - lab: nil for all.
    ///   - backup: the file to which records are appended, one JSON object a line, readable by its owner only.
    /// - Returns: how many plans were deleted.
    /// - Throws: `StoreError`, or what the file system says of the backup; what is in no backup is not deleted.
    package func clean(endedBefore end: Timestamp, lab: String?, backup: String?) throws -> Int {
        var deleted = 0
        while true {
            let gone = try cleanSome(endedBefore: end, lab: lab, backup: backup)
            deleted += gone
            if gone == 0 { return deleted }
        }
    }

    /// As `clean`, but at most so many plans as go at once: for a conductor that has other work too.
    package func cleanSome(endedBefore end: Timestamp, lab: String?, backup: String?) throws -> Int {
        var file: FileHandle?
        if let backup {
            if !FileManager.default.fileExists(atPath: backup) {
                let attributes: [FileAttributeKey: Any] = [.posixPermissions: 0o600]
                _ = FileManager.default.createFile(atPath: backup, contents: nil, attributes: attributes)
            }
            file = try FileHandle(forWritingTo: URL(fileURLWithPath: backup))
            try file?.seekToEnd()
        }
        defer { try? file?.close() }
        var rule = CleaningRule(endedBefore: end, lab: lab, limit: Self.plansAtOnce)
        if let file {
            let records = try store.whatWouldGo(rule)
            if records.isEmpty { return 0 }
            for record in records { try file.write(contentsOf: try Self.line(record)) }
            try file.synchronize()
            rule.only = Set(records.map(\.row.id))
        }
        return try store.clean(rule, by: term).count
    }

    private static func line(_ record: PlanRecord) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(Line(record)) + Data("\n".utf8)
    }

    /// A plan's record in a backup.
    private struct Line: Encodable {
        struct Step: Encodable {
            var step: Int32
            var action: String
            var state: String
            var tries: Int32
            var input: String?
            var output: String?
            var error: String?
        }
        struct Event: Encodable {
            var at: Int64
            var event: String
            var step: Int32?
            var detail: String?
        }
        var format = 1
        var run: String
        var lab: String
        var verb: String
        var result: String
        var reason: String?
        var created_at: Int64
        var ended_at: Int64?
        var request: RunSpec?
        var steps: [Step]
        var chunks: [String]
        var events: [Event]
        var flaws: [String]

        init(_ record: PlanRecord) {
            run = RunName(record.row.id).description
            lab = record.row.lab
            verb = record.row.verb.rawValue
            result = record.row.result.rawValue
            reason = record.row.reason
            created_at = record.row.createdAt.rawValue
            ended_at = record.row.endedAt?.rawValue
            request = record.spec
            steps = record.steps.map { step in
                Step(
                    step: step.index,
                    action: record.spec?.label(of: step.spec) ?? step.spec.action.rawValue,
                    state: step.state.rawValue,
                    tries: step.tries,
                    input: step.spec.input,
                    output: step.call?.output,
                    error: step.error?.message
                )
            }
            chunks = record.chunks.map(\.text)
            events = record.events.map { event in
                Event(at: event.at.rawValue, event: event.kind.rawValue, step: event.step, detail: event.detail)
            }
            flaws = record.flaws
        }
    }
}
