import Foundation
import GRDB
import Logging
import MusterCore
import MusterEngine
import MusterStore
import MusterTestKit
import NIOPosix
import Synchronization
import Testing

/// A database that another program holds for longer than anybody waits for a lock.
@Suite struct OutageTests {
    /// Calls that end when the test says so.
    private final class Gates: ActionHost {
        private let begun = AsyncStream.makeStream(of: String.self)
        private let ends = Mutex<[String: CheckedContinuation<Void, Never>]>([:])

        func plan(_ program: ProgramSpec, of id: PlanID) async -> Result<ChildPlan, StepError> {
            .failure(StepError(.noAction, "nobody plans here"))
        }

        func perform(_ call: ActionCall, in context: CallContext) async -> CallEnd {
            await withCheckedContinuation { continuation in
                ends.withLock { $0[call.action] = continuation }
                begun.continuation.yield(call.action)
            }
            return CallEnd(.succeeded, output: "{}")
        }

        func awaitBegin(of action: String) async { for await name in begun.stream where name == action { return } }
        func end(_ action: String) { ends.withLock { $0.removeValue(forKey: action) }?.resume() }
    }

    /// What the conductor logs, line by line.
    private final class Lines: LogHandler, Sendable {
        private let lines = Mutex<[String]>([])
        private let bell = Bell()
        var metadata: Logger.Metadata {
            get { [:] }
            set {}
        }
        var logLevel: Logger.Level {
            get { .notice }
            set {}
        }
        subscript(metadataKey _: String) -> Logger.Metadata.Value? {
            get { nil }
            set {}
        }

        func log(event: LogEvent) {
            lines.withLock { $0.append("\(event.message)") }
            bell.ring(0)
        }

        var all: [String] { lines.withLock { $0 } }
        func await(_ part: String) async {
            let changes = bell.listen()
            if all.contains(where: { $0.contains(part) }) { return }
            for await _ in changes where all.contains(where: { $0.contains(part) }) { return }
        }
    }

    /// A conductor over a real file, under a clock that is moved by hand.
    private final class Bench: Sendable {
        let folder: String
        let time = ManualTime()
        let gates = Gates()
        let lines = Lines()
        let bell = Bell()
        let store: FaultyStore
        private static let next = Atomic(0)

        init() throws {
            folder =
                FileManager.default.temporaryDirectory.path
                + "/muster-outage-\(getpid())-\(Bench.next.add(1, ordering: .relaxed).newValue)"
            let options = SQLiteStore.Options(busyTimeout: .milliseconds(20))
            store = FaultyStore(try SQLiteStore(path: folder + "/muster.db", options: options), script: [:])
        }

        deinit { try? FileManager.default.removeItem(atPath: folder) }

        func conductor() throws -> Conductor {
            let lines = lines
            return try Conductor(
                store: store,
                state: StateDirectory(path: folder),
                identity: ConductorCore.Identity(host: "here", pid: 1, seed: 7, queues: [:]),
                bell: bell,
                surroundings: CommandBuilder.Surroundings(environment: [:], secret: { _ in nil }),
                time: time,
                host: gates,
                logger: Logger(label: "test", factory: { _ in lines }),
                makeDrivers: { _ in [ScriptedDriver()] }
            )
        }

        /// Two calls, one after the other.
        func submission() -> PlanSubmission {
            var spec = RunSpec(verb: .plan, lab: "program", labDirectory: "/")
            spec.program = ProgramSpec(name: "root", actions: [ActionSpec(name: "a"), ActionSpec(name: "b")])
            return PlanSubmission(token: "t", spec: spec, steps: [.call(0), .call(1, after: [0])])
        }

        func until(_ isSo: () throws -> Bool) async throws {
            let turns = bell.listen()
            if try isSo() { return }
            for await _ in turns where try isSo() { return }
        }

        /// Another program's connection, which has the database to itself until it is closed.
        func hold() throws -> DatabaseQueue {
            var configuration = Configuration()
            configuration.allowsUnsafeTransactions = true
            let other = try DatabaseQueue(path: folder + "/muster.db", configuration: configuration)
            try other.writeWithoutTransaction { try $0.execute(sql: "BEGIN EXCLUSIVE") }
            return other
        }

        func release(_ other: DatabaseQueue) throws {
            try other.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
        }

        /// Waits until the conductor has tried to write so many times more.
        func awaitTries(_ count: Int) async {
            let (tries, continuation) = AsyncStream.makeStream(of: Void.self)
            store.beforeCommit.withLock { $0 = { continuation.yield() } }
            var left = count
            for await _ in tries {
                left -= 1
                if left == 0 { break }
            }
            store.beforeCommit.withLock { $0 = nil }
        }
    }

    @Test(.timeLimit(.minutes(5))) func aDatabaseHeldForHalfAMinuteEndsNothing() async throws {
        let bench = try Bench()
        let conductor = try bench.conductor()
        let running = Task { try await conductor.run(group: MultiThreadedEventLoopGroup.singleton) }
        conductor.submit(bench.submission())
        await bench.gates.awaitBegin(of: "a")
        let other = try bench.hold()
        bench.gates.end("a")
        await bench.lines.await("the store does not answer")
        bench.time.advance(by: .seconds(30))
        await bench.awaitTries(2)
        #expect(try bench.store.plan(request: "t")?.state == .running)
        try bench.release(other)
        await bench.lines.await("the store answers again")
        await bench.gates.awaitBegin(of: "b")
        bench.gates.end("b")
        try await bench.until { try bench.store.plan(request: "t")?.state == .stopped }
        #expect(try bench.store.plan(request: "t")?.result == .success)
        #expect(try bench.store.steps(of: PlanID(1)).map(\.tries) == [1, 1])
        conductor.stop()
        try await running.value
    }

    @Test(.timeLimit(.minutes(5))) func aDatabaseHeldForTooLongEndsTheConductorAndTheNextGoesOn() async throws {
        let bench = try Bench()
        let conductor = try bench.conductor()
        let running = Task { try await conductor.run(group: MultiThreadedEventLoopGroup.singleton) }
        conductor.submit(bench.submission())
        await bench.gates.awaitBegin(of: "a")
        let other = try bench.hold()
        bench.gates.end("a")
        await bench.lines.await("the store does not answer")
        for _ in 0..<2 {
            bench.time.advance(by: .seconds(59))
            await bench.awaitTries(2)
        }
        bench.time.advance(by: .seconds(10))
        let error = await #expect(throws: StoreError.self) { try await running.value }
        #expect(error?.code == .busy)
        try bench.release(other)
        let next = try bench.conductor()
        let again = Task { try await next.run(group: MultiThreadedEventLoopGroup.singleton) }
        // Nobody knows any more that it ended: it is called again.
        await bench.gates.awaitBegin(of: "a")
        bench.gates.end("a")
        await bench.gates.awaitBegin(of: "b")
        bench.gates.end("b")
        try await bench.until { try bench.store.plan(request: "t")?.state == .stopped }
        #expect(try bench.store.plan(request: "t")?.result == .success)
        next.stop()
        try await again.value
    }
}
