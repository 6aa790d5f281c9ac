import Foundation
import GRDB
import MusterCore
import MusterStore
import Testing

@Suite struct SQLiteFaultTests {
    let folder = TemporaryFolder()

    private func makeState(plans: Int64 = 1, steps: Int = 3) throws {
        let store = try SQLiteStore(path: folder.file())
        try commit(to: store) {
            for number in 1...plans { fill(&$0, plan: number, steps: steps) }
        }
    }

    private func change(_ sql: String) throws {
        let database = try DatabaseQueue(path: folder.file())
        try database.write { try $0.execute(sql: sql) }
        try database.close()
    }

    private func open(_ access: SQLiteStore.Options.Access) throws {
        _ = try SQLiteStore(path: folder.file(), options: SQLiteStore.Options(access: access))
    }

    // MARK: A newer version

    @Test(arguments: [SQLiteStore.Options.Access.writing, .reading])
    func aNewerSchemaIsRefusedAndLeftAsItIs(access: SQLiteStore.Options.Access) throws {
        try makeState()
        try change("UPDATE meta SET schema = 99; DROP TABLE steps")
        let before = folder.content()
        let error = try #require(storeError { try open(access) })
        #expect(error.code == .newer)
        for part in [folder.file(), "99", "up to 9", "--state"] { #expect(error.message.contains(part), "\(part)") }
        #expect(folder.content() == before)
    }

    // MARK: Corruption

    @Test(arguments: [SQLiteStore.Options.Access.writing, .reading])
    func garbageIsRefusedAndLeftAsItIs(access: SQLiteStore.Options.Access) throws {
        mkdir(folder.file("state"), 0o700)
        let garbage = Data((0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        try garbage.write(to: URL(fileURLWithPath: folder.file()))
        let error = try #require(storeError { try open(access) })
        #expect(error.code == .corrupt)
        for part in [folder.file(), "not touched", "copy", "muster.db-wal"] {
            #expect(error.message.contains(part), "\(part)")
        }
        #expect(folder.content() == garbage)
        #expect(folder.files == ["state", "state/muster.db"])
    }

    @Test(arguments: [50, 100, 3_000, 4_096, 8_192, 40_960, 81_920])
    func aTruncatedDatabaseIsRefused(length: Int) throws {
        try makeState(plans: 50, steps: 50)
        let size = try #require(folder.content()).count
        try #require(size > 100_000)
        #expect(truncate(folder.file(), length) == 0)
        let before = folder.content()
        let error = storeError {
            let store = try SQLiteStore(path: folder.file())
            _ = try store.load()
        }
        #expect(error?.code == .corrupt)
        #expect(folder.content() == before)
    }

    @Test func aPageOfGarbageInsideIsAnErrorNotACrash() throws {
        try makeState(plans: 50, steps: 50)
        let size = try #require(folder.content()).count
        for page in 1..<(size / 4096) {
            var content = try #require(folder.content())
            for place in (page * 4096)..<(page * 4096 + 4096) { content[place] = UInt8(truncatingIfNeeded: place &* 7) }
            let other = folder.file("broken/\(page)/muster.db")
            try FileManager.default.createDirectory(
                atPath: folder.file("broken/\(page)"),
                withIntermediateDirectories: true
            )
            try content.write(to: URL(fileURLWithPath: other))
            let error = storeError {
                let store = try SQLiteStore(path: other)
                _ = try store.load()
                for number in 1...50 as ClosedRange<Int64> { _ = try store.steps(of: PlanID(number)) }
            }
            if let error { #expect(error.code == .corrupt, "page \(page): \(error)") }
        }
    }

    @Test func anotherProgramsDatabaseIsRefusedAndLeftAsItIs() throws {
        mkdir(folder.file("state"), 0o700)
        for table in ["notes (text TEXT)", "meta (key TEXT, value TEXT)"] {
            try? FileManager.default.removeItem(atPath: folder.file())
            try change("CREATE TABLE \(table)")
            let before = folder.content()
            let error = storeError { try open(.writing) }
            #expect(error?.code == .corrupt)
            #expect(error?.message.contains("not one of Muster's") == true)
            #expect(folder.content() == before)
        }
    }

    @Test(arguments: [
        "UPDATE plans SET state = 99 WHERE id = 1", "UPDATE plans SET verb = -1 WHERE id = 1",
        "UPDATE plans SET result = 5 WHERE id = 1", "UPDATE plans SET phase = 4 WHERE id = 1",
        "UPDATE plans SET spec = NULL WHERE id = 1", "UPDATE plans SET spec = '{\"verb\":' WHERE id = 1",
        "UPDATE plans SET spec = '{}' WHERE id = 1",
        "UPDATE plans SET spec = replace(spec, '\"up\"', '\"fly\"') WHERE id = 1",
        "UPDATE steps SET action = 77 WHERE plan = 1 AND step = 1", "UPDATE steps SET state = 8 WHERE plan = 1",
        "UPDATE steps SET needs = x'000000' WHERE plan = 1", "UPDATE steps SET needs = x'ffffff7f' WHERE plan = 1",
        "UPDATE steps SET a = 99999999999 WHERE plan = 1", "UPDATE steps SET error_code = 1000 WHERE plan = 1",
        "UPDATE steps SET tries = -3 WHERE plan = 1", "UPDATE steps SET threshold = -1 WHERE plan = 1",
        "DELETE FROM steps WHERE plan = 1 AND step = 0", "UPDATE steps SET step = 9 WHERE plan = 1 AND step = 2",
        "INSERT INTO timers VALUES (1, 3, 0)", "INSERT INTO timers VALUES (1, 99999999999, 0)",
        "INSERT INTO attempts VALUES (1, 0, 1, 's', 't', 9, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0)",
        """
        INSERT INTO nodes VALUES (1, 'shop', 'db', 0, 'process', 88, 1, NULL, 0, 0, '{}', NULL, 0, NULL, NULL, NULL)
        """,
        """
        INSERT INTO nodes VALUES (1, 'shop', 'db', 0, 'process', 2, 1, NULL, 0, 0, '[]', NULL, 0, NULL, NULL, NULL)
        """,
    ])
    func aBrokenRowSetsItsRunAsideWithAMessage(damage: String) throws {
        try makeState(plans: 2)
        try change(damage)
        let store = try SQLiteStore(path: folder.file())
        let snapshot = try store.load()
        #expect(snapshot.plans.map(\.row.id.rawValue) == [2])
        #expect(snapshot.nodes.isEmpty)
        #expect(Array(snapshot.broken.keys) == [PlanID(1)])
        #expect(snapshot.broken[PlanID(1)]?.isEmpty == false)
        // The lists still work, and what is asked for by name says what is wrong.
        #expect(try store.plans(lab: nil, limit: 9).contains { $0.id == PlanID(2) })
        for read in [
            { _ = try store.plan(PlanID(1)) }, { _ = try store.spec(of: PlanID(1)) },
            { _ = try store.steps(of: PlanID(1)) }, { _ = try store.attempts(of: PlanID(1)) },
            { _ = try store.timers(of: PlanID(1)) }, { _ = try store.node(NodeID(1)) },
        ] {
            if let error = storeError(read) { #expect(error.code == .corrupt) }
        }
    }

    @Test func aRequestThatCannotBeReadStaysWhereItIs() throws {
        try makeState()
        try change("INSERT INTO inbox (id, at, request) VALUES (1, 0, '{\"dance\":{}}'), (2, 0, 'x')")
        let store = try SQLiteStore(path: folder.file())
        let id = try store.submit(.cancel(PlanID(1)), at: Timestamp(rawValue: 0))
        #expect(try store.requests(after: 0).map(\.id) == [id])
    }

    // MARK: No space

    @Test func aFullDiskLosesNothing() throws {
        try makeState()
        let store = try SQLiteStore(path: folder.file(), options: SQLiteStore.Options(pagesMax: 60))
        let epoch = try store.register(host: "host", pid: 1, now: Timestamp(rawValue: 0))
        var last: Int64 = 1
        var error: StoreError?
        while error == nil, last < 1_000 {
            error = storeError {
                var turn = Turn(now: Timestamp(rawValue: last), epoch: epoch)
                fill(&turn, plan: last + 1, steps: 100)
                try store.commit(turn)
            }
            if error == nil { last += 1 }
        }
        #expect(error?.code == .full)
        for part in [folder.file(), "space", "again"] { #expect(error?.message.contains(part) == true, "\(part)") }
        #expect(last > 1)
        let snapshot = try store.load()
        #expect(snapshot.plans.map(\.row.id.rawValue) == Array(1...last), "all that was committed, nothing else")
        #expect(snapshot.plans.allSatisfy { $0.steps.count == ($0.row.id.rawValue == 1 ? 3 : 100) })
        // Space again: the same conductor goes on.
        let roomy = try SQLiteStore(path: folder.file())
        var turn = Turn(now: Timestamp(rawValue: 0), epoch: epoch)
        fill(&turn, plan: last + 1, steps: 100)
        try roomy.commit(turn)
        #expect(try roomy.load().plans.count == Int(last) + 1)
    }

    @Test func noSpaceForANewStateLeavesNothingBehind() throws {
        let error = storeError {
            _ = try SQLiteStore(path: folder.file(), options: SQLiteStore.Options(pagesMax: 3))
        }
        #expect(error?.code == .full)
        #expect(folder.files == ["state"])
    }

    // MARK: Another process

    @Test func aDatabaseThatIsHeldIsBusyAndThenGoesOn() throws {
        let store = try SQLiteStore(
            path: folder.file(),
            options: SQLiteStore.Options(busyTimeout: .milliseconds(20))
        )
        let epoch = try store.register(host: "host", pid: 1, now: Timestamp(rawValue: 0))
        var turn = Turn(now: Timestamp(rawValue: 0), epoch: epoch)
        fill(&turn, plan: 1)
        let other = try DatabaseQueue(path: folder.file())
        try other.inTransaction(.immediate) { _ in
            let error = storeError { try store.commit(turn) }
            #expect(error?.code == .busy)
            #expect(error?.message.contains(folder.file()) == true)
            return .rollback
        }
        #expect(try store.plan(PlanID(1)) == nil)
        try store.commit(turn)
        #expect(try store.plan(PlanID(1)) != nil)
    }

    // MARK: No permission

    @Test func aFolderThatCannotBeMadeNamesTheWayOut() throws {
        #expect(FileManager.default.createFile(atPath: folder.file("state"), contents: Data("a file".utf8)))
        let error = try #require(storeError { try open(.writing) })
        #expect(error.code == .permission)
        for part in [folder.file("state"), "--state"] { #expect(error.message.contains(part), "\(part)") }
        #expect(try SQLiteStore.reading(path: folder.file()) == nil)
    }

    @Test func aFolderWithoutPermissionNamesTheWayOut() throws {
        mkdir(folder.file("lab"), 0o700)
        chmod(folder.file("lab"), 0o555)
        chmod(folder.path, 0o755)
        let error = try #require(
            try withoutSuperpowers { storeError { _ = try SQLiteStore(path: folder.file("lab/.muster/muster.db")) } }
        )
        #expect(error.code == .permission)
        for part in [folder.file("lab/.muster"), "Permission denied", "--state DIR"] {
            #expect(error.message.contains(part), "\(part)")
        }
        #expect(folder.files == ["lab"])
        chmod(folder.file("lab"), 0o755)
    }

    @Test func aStateOfSomebodyElseNamesTheWayOut() throws {
        try makeState()
        let before = folder.content()
        chmod(folder.path, 0o755)
        for (folderMode, fileMode) in [(0o700, 0o600), (0o755, 0o600), (0o755, 0o644)] as [(mode_t, mode_t)] {
            chmod(folder.file("state"), folderMode)
            chmod(folder.file(), fileMode)
            let error = try #require(try withoutSuperpowers { storeError { try open(.writing) } })
            #expect(error.code == .permission, "\(error)")
            #expect(error.message.contains("--state DIR"))
        }
        #expect(folder.content() == before)
        #expect(folder.files == ["state", "state/muster.db"])
    }

    /// Runs `body` as somebody who may not do everything: on this thread alone, the kernel checks files for user 65534.
    private func withoutSuperpowers<Value>(_ body: () throws -> Value) throws -> Value {
        guard geteuid() == 0 else { return try body() }
        let symbol = try #require(dlsym(nil, "setfsuid"), "the C library has no setfsuid")
        // The C library declares it exactly so: setfsuid(2).
        let setfsuid = unsafeBitCast(symbol, to: (@convention(c) (uid_t) -> CInt).self)
        _ = setfsuid(65534)
        defer { _ = setfsuid(0) }
        return try body()
    }
}
