import Foundation
import Logging
import MusterCore
import MusterPlans
import MusterStore
import Testing

@testable import MusterPlans

/// A program deletes its own old plans while it performs.
@Suite struct CleaningTests {
    struct Echo: Action {
        struct Input: Codable, Sendable { var word: String }
        func run(_ input: Input, in context: RunContext) async throws -> String { input.word }
    }

    /// Passes on what is logged.
    struct Listener: LogHandler {
        let messages: AsyncStream<String>.Continuation
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) { messages.yield(event.message.description) }
    }

    @Test(.timeLimit(.minutes(5))) func anOldPlanGoesOnceItsRecordIsInTheBackup() async throws {
        let program = try Program()
        let backup = program.folder + "/old.jsonl"
        let first = try program.plans()
        first.register(Echo())
        let old = try await program.performing(first) {
            let handle = try await first.start(Echo.self, .init(word: "here"))
            _ = try await handle.result()
            return handle
        }
        let name = try await old.id
        let (messages, continuation) = AsyncStream.makeStream(of: String.self)
        let cleaning = Plans.Cleaning(olderThan: .zero, backup: backup, every: .seconds(3600))
        let logger = Logger(label: "test") { _ in Listener(messages: continuation) }
        let second = try program.plans(Plans.Options(cleaning: cleaning, logger: logger))
        second.register(Echo())
        try await program.performing(second) {
            for await message in messages where message.hasPrefix("deleted 1 ") { break }
        }
        #expect(try second.store.plan(request: old.token) == nil)
        #expect(try String(contentsOfFile: backup, encoding: .utf8).contains(name))
        let mode = try FileManager.default.attributesOfItem(atPath: backup)[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    @Test(.timeLimit(.minutes(5))) func aBackupThatCannotBeWrittenKeepsThePlan() async throws {
        let program = try Program()
        let first = try program.plans()
        first.register(Echo())
        let old = try await program.performing(first) {
            let handle = try await first.start(Echo.self, .init(word: "here"))
            _ = try await handle.result()
            return handle
        }
        let (messages, continuation) = AsyncStream.makeStream(of: String.self)
        let cleaning = Plans.Cleaning(olderThan: .zero, backup: program.folder + "/absent/old.jsonl")
        let logger = Logger(label: "test") { _ in Listener(messages: continuation) }
        let second = try program.plans(Plans.Options(cleaning: cleaning, logger: logger))
        second.register(Echo())
        try await program.performing(second) {
            for await message in messages where message.contains("could not be deleted") { break }
        }
        #expect(try second.store.plan(request: old.token) != nil)
    }
}
