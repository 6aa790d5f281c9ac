import Dispatch
import Foundation
import GRDB
import MusterCore
import MusterStore
import Synchronization
import Testing

@Suite struct SQLiteStoreTests {
    let folder = TemporaryFolder()

    // MARK: Settings

    @Test func theWritersConnectionSyncsFully() throws {
        let store = try SQLiteStore(path: folder.file())
        #expect(try store.writerPragma("synchronous") == "2")
        #expect(try store.writerPragma("journal_mode") == "wal")
        try commit(to: store) { fill(&$0, plan: 1) }
        #expect(try store.plan(PlanID(1)) != nil)
        #expect(try store.writerPragma("synchronous") == "2", "it stays so after reads and writes")
        let reopened = try SQLiteStore(path: folder.file())
        #expect(try reopened.writerPragma("synchronous") == "2")
        #expect(try reopened.writerPragma("busy_timeout") == "5000")
    }

    @Test func filesAreForTheirOwnerOnly() throws {
        let old = umask(0)
        defer { umask(old) }
        let store = try SQLiteStore(path: folder.file("a/b/muster.db"))
        try commit(to: store) { fill(&$0, plan: 1) }
        #expect(folder.mode("a/b") == 0o700)
        for file in ["muster.db", "muster.db-wal", "muster.db-shm"] {
            #expect(folder.mode("a/b/\(file)") == 0o600, "\(file)")
        }
    }

    @Test func aStateIsMadeInOneStepAndLeavesNoDraft() throws {
        do {
            let store = try SQLiteStore(path: folder.file())
            #expect(store.stateName.count == 6)
            #expect(store.stateName.allSatisfy { "0123456789abcdefghijklmnopqrstuvwxyz".contains($0) })
        }
        #expect(folder.files == ["state", "state/muster.db"])
    }

    @Test func theNameOfAStateCanBeGiven() throws {
        let store = try SQLiteStore(path: folder.file(), options: SQLiteStore.Options(stateName: "abc123"))
        #expect(store.stateName == "abc123")
        #expect(
            try SQLiteStore(path: folder.file(), options: SQLiteStore.Options(stateName: "other0")).stateName
                == "abc123"
        )
    }

    @Test func anEmptyFileBecomesAState() throws {
        mkdir(folder.file("state"), 0o700)
        #expect(FileManager.default.createFile(atPath: folder.file(), contents: Data()))
        #expect(try SQLiteStore.reading(path: folder.file()) == nil)
        let store = try SQLiteStore(path: folder.file())
        try commit(to: store) { fill(&$0, plan: 1) }
        #expect(try store.plan(PlanID(1)) != nil)
    }

    // MARK: Several at once

    @Test func manyMayMakeOneStateAtTheSameTime() throws {
        for round in 0..<10 {
            let path = folder.file("\(round)/muster.db")
            let names = Mutex<[String]>([])
            let errors = Mutex<[String]>([])
            DispatchQueue.concurrentPerform(iterations: 8) { number in
                do {
                    let store = try SQLiteStore(path: path)
                    _ = try store.submit(.cancel(PlanID(Int64(number))), at: Timestamp(rawValue: 0))
                    names.withLock { $0.append(store.stateName) }
                } catch { errors.withLock { $0.append("\(error)") } }
            }
            #expect(errors.withLock { $0 } == [])
            #expect(Set(names.withLock { $0 }).count == 1)
            #expect(try SQLiteStore(path: path).requests(after: 0).count == 8)
        }
    }

    @Test func clientsSubmitWhileTheConductorCommits() throws {
        let store = try SQLiteStore(path: folder.file())
        let path = folder.file()
        let errors = Mutex<[String]>([])
        let epoch = try store.register(host: "host", pid: 1, now: Timestamp(rawValue: 0))
        DispatchQueue.concurrentPerform(iterations: 3) { who in
            do {
                switch who {
                case 0:
                    for number in 1...300 as ClosedRange<Int64> {
                        var turn = Turn(now: Timestamp(rawValue: number), epoch: epoch)
                        fill(&turn, plan: number, steps: 3)
                        turn.events = [
                            EventRow(
                                position: 0,
                                epoch: epoch,
                                number: number,
                                at: turn.now,
                                kind: .planCreated,
                                plan: PlanID(number)
                            )
                        ]
                        try store.commit(turn)
                    }
                case 1:
                    let client = try SQLiteStore(path: path)
                    for number in 1...100 as ClosedRange<Int64> {
                        _ = try client.submit(.cancel(PlanID(number)), at: Timestamp(rawValue: number))
                    }
                default:
                    // A reader sees whole turns only.
                    let client = try SQLiteStore(path: path, options: SQLiteStore.Options(access: .reading))
                    var last: Int64 = 0
                    while last < 300 {
                        let events = try client.events(after: last, plan: nil, limit: 50)
                        for event in events {
                            let steps = try client.steps(of: PlanID(event.position))
                            if event.position != last + 1 || steps.count != 3 {
                                errors.withLock {
                                    $0.append("event \(event.position) after \(last): \(steps.count) steps")
                                }
                            }
                            last = event.position
                        }
                        if errors.withLock({ !$0.isEmpty }) { return }
                    }
                }
            } catch { errors.withLock { $0.append("\(who): \(error)") } }
        }
        #expect(errors.withLock { $0 } == [])
        #expect(try store.requests(after: 0).count == 100)
        #expect(try store.load().plans.count == 300)
    }

    // MARK: Reading only

    @Test func readingMakesNothingWhereNothingIs() throws {
        #expect(try SQLiteStore.reading(path: folder.file()) == nil)
        let error = storeError {
            _ = try SQLiteStore(path: folder.file(), options: SQLiteStore.Options(access: .reading))
        }
        #expect(error?.code == .failed)
        #expect(error?.message.contains(folder.file()) == true)
        #expect(folder.files == [])
    }

    @Test func readingSeesAStateAndCannotChangeIt() throws {
        do { try commit(to: try SQLiteStore(path: folder.file())) { fill(&$0, plan: 1, steps: 2) } }
        let before = folder.content()
        let reader = try #require(try SQLiteStore.reading(path: folder.file()))
        #expect(try reader.load().plans.count == 1)
        #expect(try reader.steps(of: PlanID(1)).count == 2)
        #expect(
            storeError { _ = try reader.register(host: "", pid: 1, now: Timestamp(rawValue: 0)) }?.code == .permission
        )
        #expect(
            storeError { _ = try reader.submit(.cancel(PlanID(1)), at: Timestamp(rawValue: 0)) }?.code == .permission
        )
        #expect(storeError { try reader.commit(Turn(now: Timestamp(rawValue: 0), epoch: 1)) }?.code == .permission)
        #expect(folder.content() == before)
        #expect(try reader.stateName == SQLiteStore(path: folder.file()).stateName)
    }

    // MARK: Work

    @Test func workIsCountedAndARowIsOneStatement() throws {
        let store = try SQLiteStore(path: folder.file())
        let epoch = try store.register(host: "host", pid: 1, now: Timestamp(rawValue: 0))
        var turn = Turn(now: Timestamp(rawValue: 0), epoch: epoch)
        fill(&turn, plan: 1, steps: 100)
        let before = store.counters
        try store.commit(turn)
        let after = store.counters
        #expect(after.commits - before.commits == 1)
        #expect(after.statements - before.statements == 1 + 1 + 1 + 100, "the epoch, the plan, its block, the steps")
        #expect(storeError { try store.commit(Turn(now: turn.now, epoch: 0)) }?.code == .fenced)
        #expect(store.counters.commits == after.commits, "what is refused is no commit")
    }

    @Test func openingAndLoadingDoesNotVisitWhatIsFinished() throws {
        func work(finished: Int) throws -> (Int, Int) {
            let path = folder.file("\(finished)/muster.db")
            let store = try SQLiteStore(path: path)
            let database = try DatabaseQueue(path: path)
            try database.write { db in
                for sql in [
                    """
                    INSERT INTO plans SELECT value, 'done-' || value, 0, 'shop', 6, 1, 0, 0, NULL, 'host', 1, 0, 0, 0,
                        value, NULL, NULL, 0, NULL, '{}', 0 FROM numbers
                    """,
                    "INSERT INTO plan_blocks SELECT DISTINCT 'shop', value >> 8 FROM numbers",
                    """
                    INSERT INTO steps SELECT value, 0, 1, 0, 0, 0, NULL, -1, 0, NULL, 0, NULL, x'', 3, 1, NULL, NULL,
                        NULL, 0, 0, NULL, 0, 0, 0, NULL, NULL FROM numbers
                    """,
                    """
                    INSERT INTO nodes SELECT value, 'shop', 'db', 0, 'process', 7, value, NULL, 0, 0, '{}', NULL, 0,
                        NULL,
                        NULL, NULL FROM numbers
                    """,
                    "INSERT INTO events SELECT value, 0, value, 0, 9, value, NULL, NULL, NULL FROM numbers",
                ] {
                    let numbers = """
                        WITH RECURSIVE numbers (value) AS (
                            SELECT 1 UNION ALL SELECT value + 1 FROM numbers WHERE value < \(finished))
                        """
                    try db.execute(sql: numbers + sql)
                }
            }
            try database.close()
            try commit(to: store) {
                fill(&$0, plan: Int64(finished) + 1, steps: 3)
                $0.nodes = [
                    NodeRow(
                        id: NodeID(Int64(finished) + 1),
                        lab: "shop",
                        name: NodeName(group: "db", index: 0),
                        driver: "process",
                        state: .ready,
                        createdBy: PlanID(Int64(finished) + 1),
                        heldBy: nil,
                        since: $0.now
                    )
                ]
                $0.events = [
                    EventRow(
                        position: 0,
                        epoch: $0.epoch,
                        number: 1,
                        at: $0.now,
                        kind: .planCreated,
                        plan: PlanID(Int64(finished) + 1)
                    )
                ]
            }
            let fresh = try SQLiteStore(path: path)
            let opening = fresh.counters.virtualMachineSteps
            #expect(try fresh.load().plans.count == 1)
            #expect(try fresh.plans(lab: "shop", limit: 1).count == 1)
            #expect(try fresh.plan(request: "request-\(finished + 1)") != nil)
            #expect(try fresh.nodes(lab: "shop", includingGone: false).count == 1)
            #expect(try fresh.events(after: 0, plan: PlanID(Int64(finished) + 1), limit: 9).count == 1)
            #expect(try fresh.durations(lab: "shop", suite: "api").isEmpty)
            return (opening, fresh.counters.virtualMachineSteps - opening)
        }
        // Both end at the same place of a block of 256 events, which is looked through whole.
        let few = try work(finished: 10 + 256)
        let many = try work(finished: 10 + 78 * 256)
        #expect(few.0 == many.0, "to open")
        #expect(few.1 == many.1, "to load and to look")
        #expect(few.1 > 0)
    }

    @Test func eventsOfAPlanAreFoundInEveryBlock() throws {
        let store = try SQLiteStore(path: folder.file())
        let epoch = try store.register(host: "host", pid: 1, now: Timestamp(rawValue: 0))
        var position: Int64 = 0
        func event(of plan: Int64?) -> EventRow {
            position += 1
            return EventRow(
                position: position,
                epoch: epoch,
                number: position,
                at: Timestamp(rawValue: 0),
                kind: .stepStarted,
                plan: plan.map(PlanID.init(_:))
            )
        }
        // Plan 1 in every turn, plan 2 in some blocks only, plan 3 once; between them a turn that is not written.
        for number in 0..<30 as Range<Int64> {
            var turn = Turn(now: Timestamp(rawValue: number), epoch: epoch)
            turn.events = (0..<40).map { _ in event(of: 1) } + [event(of: nil)]
            if number % 10 < 3 { turn.events.append(event(of: 2)) }
            if number == 17 { turn.events.append(event(of: 3)) }
            try store.commit(turn)
            turn.events = [
                EventRow(position: 0, epoch: epoch, number: position + 2, at: turn.now, kind: .stepStarted)
            ]
            #expect(storeError { try store.commit(turn) }?.code == .failed, "a gap")
        }
        let all = try store.events(after: 0, plan: nil, limit: .max)
        #expect(all.count == Int(position))
        for plan in [1, 2, 3, 4].map(PlanID.init(_:)) {
            for after in [0, 255, 256, 257, 700, position - 1, position] as [Int64] {
                let expected = all.filter { $0.plan == plan && $0.position > after }
                #expect(try store.events(after: after, plan: plan, limit: .max) == expected, "\(plan) after \(after)")
                #expect(try store.events(after: after, plan: plan, limit: 7) == Array(expected.prefix(7)))
            }
        }
    }

    @Test func aStateWithoutBlocksOfEventsIsBroughtUpToDate() throws {
        let path = folder.file()
        do {
            let store = try SQLiteStore(path: path)
            try commit(to: store) { turn in
                turn.events = (1...600).map {
                    EventRow(
                        position: $0,
                        epoch: turn.epoch,
                        number: $0,
                        at: turn.now,
                        kind: .stepStarted,
                        plan: $0 % 3 == 0 ? nil : PlanID($0 % 3)
                    )
                }
            }
        }
        let old = try DatabaseQueue(path: path)
        try old.write { db in
            try db.execute(
                sql: Self.backToThree + """
                    DROP TABLE event_blocks;
                    CREATE INDEX events_by_plan ON events (plan, position) WHERE plan IS NOT NULL;
                    UPDATE meta SET schema = 2;
                    """
            )
        }
        try old.close()
        let store = try SQLiteStore(path: path)
        #expect(try store.events(after: 0, plan: PlanID(2), limit: .max).count == 200)
        #expect(try store.events(after: 300, plan: PlanID(1), limit: .max).count == 100)
    }

    /// Makes of a state what the version before this schema would have made.
    private static let backToThree =
        MigrationTests.backToFour + """
            CREATE TABLE plan_specs (plan INTEGER PRIMARY KEY, spec TEXT NOT NULL) STRICT;
            INSERT INTO plan_specs SELECT id, spec FROM plans WHERE spec IS NOT NULL;
            INSERT OR IGNORE INTO event_blocks SELECT DISTINCT plan, position >> 8 FROM events WHERE plan IS NOT NULL;
            ALTER TABLE plans DROP COLUMN spec;
            ALTER TABLE plans DROP COLUMN first_event;
            DROP TABLE plan_blocks;
            CREATE INDEX plans_by_lab ON plans (lab, id);
            UPDATE meta SET schema = 3;
            """

    @Test func aStateWhosePlansAreInSeveralTablesIsBroughtUpToDate() throws {
        let path = folder.file()
        func events(_ store: SQLiteStore) throws -> [[EventRow]] {
            try (1...3).map { try store.events(after: 0, plan: PlanID($0), limit: .max) }
        }
        let before = try {
            let store = try SQLiteStore(path: path)
            try commit(to: store) { turn in
                for number in 1...300 as ClosedRange<Int64> {
                    fill(&turn, plan: number, steps: 1, state: number == 2 ? .running : .stopped)
                }
                turn.events = (1...600).map {
                    EventRow(
                        position: $0,
                        epoch: turn.epoch,
                        number: $0,
                        at: turn.now,
                        kind: .stepStarted,
                        plan: PlanID($0 % 3 + 1)
                    )
                }
            }
            return (try store.load(), try store.plans(lab: "shop", limit: 999), try events(store))
        }()
        #expect(before.1.count == 300)
        #expect(before.2.map(\.count) == [200, 200, 200])
        let old = try DatabaseQueue(path: path)
        try old.write { try $0.execute(sql: Self.backToThree) }
        try old.close()
        let store = try SQLiteStore(path: path)
        #expect(try store.load().plans.map(\.spec) == before.0.plans.map(\.spec))
        #expect(try store.plans(lab: "shop", limit: 999) == before.1)
        #expect(try store.plans(lab: "shop", limit: 2).map(\.id.rawValue) == [300, 299])
        #expect(try store.plans(lab: "other", limit: 2).isEmpty)
        #expect(try events(store) == before.2)
        #expect(try store.spec(of: PlanID(299)) != nil)
        // And goes on where it was.
        try commit(to: store) { turn in
            fill(&turn, plan: 301)
            turn.events = [EventRow(position: 0, epoch: turn.epoch, number: 1, at: turn.now, kind: .planCreated)]
            turn.events[0].plan = PlanID(301)
        }
        #expect(try store.events(after: 0, plan: PlanID(301), limit: 9).map(\.position) == [601])
        #expect(try store.plans(lab: "shop", limit: 999).count == 301)
    }

    @Test func eventsAreNumberedWithinTheirEpoch() throws {
        let store = try SQLiteStore(path: folder.file())
        for _ in 0..<2 {
            try commit(to: store) { turn in
                turn.events = (1...3).map {
                    EventRow(position: 0, epoch: turn.epoch, number: $0, at: turn.now, kind: .conductorStarted)
                }
            }
        }
        let numbers = try DatabaseQueue(path: folder.file()).read { db in
            try Row.fetchAll(db, sql: "SELECT epoch, n FROM events ORDER BY position").map {
                [$0[0], $0[1]] as [Int64]
            }
        }
        #expect(numbers == [[1, 1], [1, 2], [1, 3], [2, 1], [2, 2], [2, 3]])
    }

    @Test func aStateOutlivesItsStore() throws {
        let name: String
        do {
            let store = try SQLiteStore(path: folder.file())
            name = store.stateName
            try commit(to: store) { fill(&$0, plan: 1, steps: 2) }
        }
        let store = try SQLiteStore(path: folder.file())
        #expect(store.stateName == name)
        #expect(try store.load().plans.first?.steps.count == 2)
        #expect(try store.register(host: "host", pid: 2, now: Timestamp(rawValue: 9)) == 2)
    }

    @Test func theSameRequestIsStoredAsTheSameBytes() throws {
        let path = folder.file()
        let store = try SQLiteStore(path: path)
        try commit(to: store) {
            for number in 1...20 as ClosedRange<Int64> { fill(&$0, plan: number) }
        }
        let texts = try DatabaseQueue(path: path).read { try String.fetchAll($0, sql: "SELECT spec FROM plans") }
        #expect(texts.count == 20)
        #expect(Set(texts).count == 1)
        #expect(texts[0].contains("\"labDirectory\":\"/lab\""))
    }
}
