import Foundation
import Glibc
import MusterCore
import MusterDrivers
import MusterSupervision
import MusterTestKit
import Testing

/// What is particular to nodes on hosts: connections that break, leases, host keys, keepers that die.
@Suite(.disabled(if: SSHServer.absence != nil, "\(SSHServer.absence ?? "")"), .timeLimit(.minutes(3)))
struct SSHDriverTests {
    private static func shell(_ text: String) -> Command {
        Command(
            .shell(text),
            environment: ["PATH": "/usr/bin:/bin"],
            timeout: .seconds(100),
            grace: .seconds(60),
            leftovers: .end
        )
    }

    private static func refusal(_ body: () async throws -> Void) async throws -> StepError {
        do { try await body() } catch let error as StepError { return error }
        throw StepError(.unknown, "it was not refused")
    }

    /// The processes that keep the connections of a house.
    private static func masters(_ house: SSHHouse) -> [Int32] {
        ProcessTable.all().map(\.pid).filter {
            let command = ProcessTable.command(of: $0)
            return command.contains(house.folder) && command.contains("ControlMaster=yes")
        }
    }

    @Test func aCommandOutlivesTheConnectionAndItsEndIsFoundAgain() async throws {
        try await SSHHouse.with(.ssh) { house in
            let node = try await house.made()
            let driver = house.driver
            _ = try await driver.run(Self.shell("mkfifo up go"), on: node, operation: OperationID("prepare"))
            async let exit = driver.run(
                Self.shell("echo before; echo up > up; cat go; exit 5"),
                on: node,
                operation: OperationID("long")
            )
            _ = try await driver.run(Self.shell("cat up"), on: node, operation: OperationID("see"))
            let masters = Self.masters(house)
            #expect(masters.count == 1)
            for master in masters { kill(master, SIGKILL) }
            _ = try await driver.run(Self.shell("echo after > go"), on: node, operation: OperationID("go"))
            #expect(try await exit.status == 5)
            let output = try String(
                contentsOfFile: driver.outputPath(of: OperationID("long"), on: node),
                encoding: .utf8
            )
            #expect(output == "before\nafter\n")
            try await driver.destroy(node)
        }
    }

    @Test(arguments: RemoteWay.allCases)
    func whatAStateHasOnHostsIsFoundAndRemoved(_ way: RemoteWay) async throws {
        try await SSHHouse.with(way, hosts: 3) { house in
            let node = try await house.made()
            let host = house.hosts[1]
            let driver = house.another()
            let found = await driver.belongings()
            #expect(found.problems == [] && found.staleLeases == [])
            #expect(found.found.map(\.node) == [node.id])
            #expect(found.found.map(\.name) == [host.name])
            #expect(found.found.map(\.status) == ["folder and lease"])
            // Nothing is noted of it here any more: only who is told of the host finds it.
            try FileManager.default.removeItem(atPath: node.directory)
            #expect(await house.another().belongings() == Belongings())
            let told = house.another(known: house.hosts)
            let orphan = try #require(await told.belongings().found.first)
            // Another state's driver leaves it alone.
            #expect(await house.another(state: "other", known: house.hosts).belongings() == Belongings())
            try await told.remove(orphan, of: node)
            #expect(await told.belongings() == Belongings())
            let left = try FileManager.default.contentsOfDirectory(atPath: host.root)
            #expect(left.allSatisfy { $0.hasPrefix("lease.") }, "\(left)")
            let lease = try #require(left.first)
            #expect(try String(contentsOfFile: "\(host.root)/\(lease)", encoding: .utf8) == "free\n")
        }
    }

    @Test(arguments: RemoteWay.allCases)
    func leasesThatOthersLeftAreSaidWhenTheirTimeIsOver(_ way: RemoteWay) async throws {
        try await SSHHouse.with(way, hosts: 2) { house in
            let host = house.hosts[0]
            try FileManager.default.createDirectory(atPath: host.root, withIntermediateDirectories: true)
            try Data("held elsewhere/n7 1000000000 ana@build-1, node db/0\n".utf8)
                .write(to: URL(fileURLWithPath: "\(host.root)/lease.3"))
            let found = await house.another(known: house.hosts).belongings()
            #expect(found.found == [] && found.problems == [])
            #expect(found.staleLeases.map(\.host) == [host.name])
            #expect(found.staleLeases.first?.holder.contains("ana@build-1, node db/0") == true)
            #expect(found.staleLeases.first?.holder.contains("2001-09-09") == true)
        }
    }

    @Test func aHostThatCannotBeAskedIsSaid() async throws {
        try await SSHHouse.with(.ssh, hosts: 2) { house in
            var away = house.hosts[0]
            away.port = 1
            away.name = "away"
            let found = await house.another(known: [away, house.hosts[1]]).belongings()
            #expect(found.problems.count == 1)
            #expect(found.problems.first?.message.hasPrefix("away: ") == true, "\(found.problems)")
        }
    }

    @Test func aWatchOutlivesTheConnection() async throws {
        try await SSHHouse.with(.ssh) { house in
            let nap = DriverConformance.uniqueNap()
            var server = Self.shell("exec sleep \(nap)")
            server.timeout = nil
            let node = try await house.made(server: server)
            try await house.driver.watch(node)
            for master in Self.masters(house) { kill(master, SIGKILL) }
            for pid in ProcessHouse.processes(containing: nap) { kill(pid, SIGKILL) }
            guard case .lost(let id, let reason)? = await house.nextEvent() else {
                throw StepError(.lost, "no loss was reported")
            }
            #expect(id == node.id)
            #expect(reason.contains("signal 9"))
            try await house.driver.destroy(node)
        }
    }

    @Test func twoStatesNeverShareAHost() async throws {
        try await SSHHouse.with(.ssh, hosts: 1) { house in
            let other = house.another(state: "other")
            let mine = try await house.made("mine")
            let theirs = house.node("theirs")
            let error = try await Self.refusal {
                _ = try await other.create(theirs, operation: OperationID("create"), server: nil)
            }
            #expect(error.code == .refused)
            #expect(error.message.contains("state test, node node/1"), "\(error)")
            #expect(error.message.contains("host-0"), "\(error)")
            try await house.driver.destroy(mine)
            let facts = try await other.create(theirs, operation: OperationID("create"), server: nil)
            #expect(facts["directory"]?.hasSuffix("/other-n2") == true)
            try await other.destroy(theirs)
        }
    }

    @Test(arguments: RemoteWay.allCases)
    func ofManyStatesThatWantAHostAtOnceOneGetsIt(_ way: RemoteWay) async throws {
        // The shell of this host is quick enough for them to meet.
        for _ in 0..<(way == .local ? 10 : 1) {
            try await SSHHouse.with(way, hosts: 1) { house in
                let winners = await withTaskGroup(of: Int.self) { group in
                    for number in 0..<12 {
                        let driver = house.another(state: "state-\(number)")
                        let node = house.node("node-\(number)")
                        group.addTask {
                            let facts = try? await driver.create(node, operation: OperationID("create"), server: nil)
                            return facts == nil ? 0 : 1
                        }
                    }
                    return await group.reduce(0, +)
                }
                #expect(winners == 1)
            }
        }
    }

    @Test func aLeaseThatHasEndedIsTakenOverAndItsHolderIsTold() async throws {
        try await SSHHouse.with(.ssh, hosts: 1) { house in
            let mine = try await house.made("mine")
            let root = house.hosts[0].root
            let lease = try #require(
                try FileManager.default.contentsOfDirectory(atPath: root).first { $0.hasPrefix("lease") }
            )
            try Data("held test/n1 1000000000 state test, node node/1\n".utf8)
                .write(to: URL(fileURLWithPath: "\(root)/\(lease)"))
            let other = house.another(state: "other")
            let theirs = house.node("theirs")
            var node = theirs
            node.facts = try await other.create(theirs, operation: OperationID("create"), server: nil)
            let error = try await Self.refusal {
                _ = try await house.driver.run(Self.shell("true"), on: mine, operation: OperationID("late"))
            }
            #expect(error.code == .lost)
            #expect(error.message.contains("state other"), "\(error)")
            // What it made is removed, and the lease of the other one stays.
            try await house.driver.destroy(mine)
            let exit = try await other.run(Self.shell("true"), on: node, operation: OperationID("mine"))
            #expect(exit.succeeded)
            try await other.destroy(node)
        }
    }

    @Test func anotherHostKeyIsRefusedWithWhatToDo() async throws {
        try await SSHHouse.with(.ssh, hosts: 1) { house in
            let server = try SSHServer.shared.get()
            for (file, wanted) in [("wrong_hosts", "ssh-keygen -R"), ("no_hosts", "is not known")] {
                let host = server.host(0, root: house.hosts[0].root, knownHosts: "\(server.folder)/\(file)")
                let driver = house.another(hosts: [host])
                let error = try await Self.refusal {
                    _ = try await driver.create(house.node("node"), operation: OperationID("create"), server: nil)
                }
                #expect(error.code == .refused)
                #expect(error.message.contains(wanted), "\(error)")
            }
            #expect(!FileManager.default.fileExists(atPath: house.hosts[0].root))
        }
    }

    @Test func aHostThatIsNotThereIsPassedOver() async throws {
        try await SSHHouse.with(.ssh, hosts: 2) { house in
            var absent = house.hosts[1]
            absent.port = 1
            let driver = house.another(hosts: [house.hosts[0], absent])
            let node = house.node("node")
            let facts = try await driver.create(node, operation: OperationID("create"), server: nil)
            #expect(facts["address"] == SSHServer.addresses[0])
            let error = try await Self.refusal {
                _ = try await driver.create(house.node("more"), operation: OperationID("create"), server: nil)
            }
            #expect(error.message.contains("refused") && error.message.contains("another node"), "\(error)")
            try await driver.destroy(node)
        }
    }

    @Test(arguments: RemoteWay.allCases)
    func whatAKilledKeeperLeavesIsEnded(_ way: RemoteWay) async throws {
        try await SSHHouse.with(way) { house in
            let node = try await house.made()
            let nap = DriverConformance.uniqueNap()
            _ = try await house.driver.run(Self.shell("mkfifo up"), on: node, operation: OperationID("prepare"))
            async let exit = house.driver.run(
                Self.shell("(setsid sleep \(nap) &); echo up > up; sleep \(nap)"),
                on: node,
                operation: OperationID("kept")
            )
            _ = try await house.driver.run(Self.shell("cat up"), on: node, operation: OperationID("see"))
            for some in await Leftovers.find(nodes: house.folder) where some.kind == .supervisor {
                kill(some.pid, SIGKILL)
            }
            do {
                _ = try await exit
                Issue.record("it has ended")
            } catch let error as StepError {
                #expect(error.code == .lost)
            }
            #expect(ProcessHouse.processes(containing: nap) == [])
            try await house.driver.destroy(node)
        }
    }

    @Test func noSecretStandsInAnArgumentOrFileOfTheHost() async throws {
        try await SSHHouse.with(.ssh) { house in
            let node = try await house.made()
            let secret = "s3cret-\(DriverConformance.uniqueNap())"
            _ = try await house.driver.run(Self.shell("mkfifo up go"), on: node, operation: OperationID("prepare"))
            var command = Self.shell("test -n \"$TOKEN\" && echo up > up && cat go")
            command.secrets = ["TOKEN": secret]
            async let exit = house.driver.run(command, on: node, operation: OperationID("kept"))
            _ = try await house.driver.run(Self.shell("cat up"), on: node, operation: OperationID("see"))
            #expect(ProcessHouse.processes(containing: secret) == [])
            let folder = house.place(of: node)
            // What the command itself made has the modes it gave.
            for name in try FileManager.default.subpathsOfDirectory(atPath: folder)
            where SupervisorFiles.isReserved(name) {
                let path = "\(folder)/\(name)"
                let attributes = try FileManager.default.attributesOfItem(atPath: path)
                let mode = try #require(attributes[.posixPermissions] as? NSNumber).intValue
                #expect(mode & 0o077 == 0, "\(name) has the mode \(String(mode, radix: 8))")
                guard attributes[.type] as? FileAttributeType == .typeRegular else { continue }
                let data = try #require(FileManager.default.contents(atPath: path))
                #expect(data.range(of: Data(secret.utf8)) == nil, "it stands in \(name)")
            }
            _ = try await house.driver.run(Self.shell("echo > go"), on: node, operation: OperationID("go"))
            #expect(try await exit.succeeded)
            try await house.driver.destroy(node)
        }
    }

    @Test func aLongOutputComesWhole() async throws {
        try await SSHHouse.with(.ssh) { house in
            let node = try await house.made()
            let exit = try await house.driver.run(
                Self.shell("yes muster | head -c 5000000"),
                on: node,
                operation: OperationID("long")
            )
            #expect(exit.succeeded && exit.outputDropped == 0)
            let output = FileManager.default.contents(
                atPath: house.driver.outputPath(of: OperationID("long"), on: node)
            )
            #expect(output?.count == 5_000_000)
            try await house.driver.destroy(node)
        }
    }
}
