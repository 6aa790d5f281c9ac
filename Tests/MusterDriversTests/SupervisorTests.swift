import Foundation
import MusterCore
import MusterDrivers
import MusterSupervision
import MusterTestKit
import Testing

/// What is particular to supervisors of this host.
@Suite struct SupervisorTests {
    private static let path = ["PATH": "/usr/bin:/bin"]

    private static func shell(_ text: String) -> Command {
        Command(.shell(text), environment: path, timeout: .seconds(60), leftovers: .end)
    }

    @Test func aBrokenMessageHarmsNobody() async throws {
        try await ProcessHouse.with { house in
            let node = try await house.made()
            let hello = SupervisorRequest(number: 1, epoch: 1, body: .hello(version: Wire.version)).frame
            var bad: [[UInt8]] = [
                Array("GET / HTTP/1.1\r\n\r\n".utf8), [0xFF, 0xFF, 0xFF, 0xFF], [0, 0, 0, 0], [1, 0, 0, 0, 9],
                [13, 0, 0, 0] + [UInt8](repeating: 0xEE, count: 13),
            ]
            bad.append([UInt8(hello.count - 3), 0, 0, 0] + hello.dropFirst(4) + [7])
            for bytes in bad {
                let answer = try talk(to: node, bytes)
                let reply = try SupervisorReply(payload: Array(answer.dropFirst(4)))
                guard case .refused(.malformed, let message) = reply.body else {
                    Issue.record("\(bytes) was answered with \(reply)")
                    continue
                }
                #expect(message.contains("no request"))
            }
            let exit = try await house.driver.run(Self.shell("true"), on: node, operation: OperationID("after"))
            #expect(exit.succeeded)
        }
    }

    /// Sends bytes over a connection of its own and returns everything that comes back.
    private func talk(to node: NodeHandle, _ bytes: [UInt8]) throws -> [UInt8] {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array("\(node.directory)/\(SupervisorFiles.socket)".utf8)
        try #require(path.count < 108)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(code == 0)
        _ = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return answer }
            answer += buffer[..<count]
        }
    }

    @Test func aSupervisorInheritsNothing() async throws {
        try await ProcessHouse.with { house in
            // Without close-on-exec, as a careless conductor would hold its lock.
            let lock = open(house.folder + "/conductor.lock", O_RDWR | O_CREAT, 0o600)
            defer { close(lock) }
            #expect(flock(lock, LOCK_EX | LOCK_NB) == 0)
            let node = try await house.made()
            let pid = try await house.supervisor(of: node).pid
            let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").map {
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/fd/\($0)")) ?? ""
            }
            #expect(!descriptors.contains { $0.contains("conductor.lock") || $0.contains(".lock") })
            #expect(descriptors.contains("/dev/null"))
            let entry = try #require(ProcessTable.entry(pid))
            #expect(entry.session == pid, "it has a session of its own")
            #expect(entry.parent != getpid(), "it is nobody's child here")
            let attributes = try FileManager.default.attributesOfItem(atPath: node.directory)
            #expect((attributes[.posixPermissions] as? NSNumber)?.uint16Value == 0o700)
            for name in [SupervisorFiles.socket, SupervisorFiles.log, SupervisorFiles.facts] {
                let attributes = try FileManager.default.attributesOfItem(atPath: node.directory + "/" + name)
                let mode = (attributes[.posixPermissions] as? NSNumber)?.uint16Value
                #expect(mode.map { $0 & 0o077 } == 0, "\(name) is private")
            }
        }
    }

    @Test func theFilesOfAnOperationSayWhatHappened() async throws {
        try await ProcessHouse.with { house in
            let node = try await house.made()
            var command = Self.shell("echo hi; exit 3")
            command.secrets = ["TOKEN": "x"]
            let exit = try await house.driver.run(command, on: node, operation: OperationID("files"))
            func object(_ name: String) throws -> [String: Any] {
                let data = try #require(FileManager.default.contents(atPath: "\(node.directory)/op-files/\(name)"))
                return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
            }
            let spec = try object("spec.json")
            #expect(spec["shell"] as? String == "echo hi; exit 3")
            #expect(spec["secret_names"] as? [String] == ["TOKEN"])
            #expect(spec["environment"] as? [String: String] == Self.path)
            let started = try object("started")
            #expect(started["boot_id"] as? String == ProcessTable.bootID())
            #expect(started["pid"] as? Int ?? 0 > 1)
            let record = try object("exit")
            #expect(record["status"] as? Int == 3)
            #expect(record["signal"] is NSNull)
            #expect(record["started_at"] as? Int64 == exit.startedAt.rawValue)
            #expect(record["ended_at"] as? Int64 == exit.endedAt.rawValue)
            #expect(record["output_kept"] as? Int == 3)
            let names = try FileManager.default.contentsOfDirectory(atPath: node.directory + "/op-files").sorted()
            #expect(names == ["exit", "output", "spec.json", "started"])
        }
    }

    @Test func aNodeIsMadeAnewWhereASupervisorDied() async throws {
        try await ProcessHouse.with { house in
            let nap = DriverConformance.uniqueNap()
            let server = Command(.shell("exec sleep \(nap)"), environment: Self.path, timeout: nil, leftovers: .keep)
            let node = try await house.made(server: server)
            let supervisor = try await house.supervisor(of: node)
            kill(supervisor.pid, SIGKILL)
            let facts = try await house.driver.create(node, operation: OperationID("second"), server: server)
            #expect(facts["address"] != nil)
            #expect(ProcessHouse.processes(containing: nap).count == 1, "the first server is gone, the second is there")
            await #expect(throws: StepError.self) {
                try await house.driver.powerOn(node, operation: OperationID("bad/name"))
            }
            try await house.driver.destroy(node)
            #expect(ProcessHouse.processes(containing: nap).isEmpty)
        }
    }

    @Test func leftoversAreFoundAndRemoved() async throws {
        try await ProcessHouse.with { house in
            let nap = DriverConformance.uniqueNap()
            let server = Command(
                .shell("env -i sleep \(nap) & exec sleep \(nap)"),
                environment: Self.path,
                timeout: nil,
                leftovers: .keep
            )
            let alive = try await house.made("alive", server: server)
            let orphaned = try await house.made("orphaned", server: server)
            try await house.killSupervisor(of: orphaned)
            let found = await Leftovers.find(nodes: house.folder)
            #expect(found.filter { $0.kind == .supervisor }.map(\.directory) == [alive.directory])
            #expect(
                Set(found.filter { $0.kind == .process }.map(\.directory)) == [alive.directory, orphaned.directory]
            )
            #expect(found.allSatisfy { $0.kind == .supervisor || $0.operation == "create" })
            #expect(await Leftovers.find(nodes: house.folder + "-other").isEmpty)
            #expect(await Leftovers.find(nodes: String(house.folder.dropLast())).isEmpty, "a prefix is no folder")
            #expect(await house.driver.remove(found).isEmpty)
            #expect(await Leftovers.find(nodes: house.folder).isEmpty)
        }
    }

    @Test func aSupervisorEndsItsNodeOnTERM() async throws {
        try await ProcessHouse.with { house in
            let nap = DriverConformance.uniqueNap()
            let server = Command(
                .shell("(setsid env -i sleep \(nap) &) ; exec sleep \(nap)"),
                environment: Self.path,
                timeout: nil,
                leftovers: .keep
            )
            let node = try await house.made(server: server)
            let found = try await house.supervisor(of: node)
            kill(found.pid, SIGTERM)
            let identity = ProcessIdentity(pid: found.pid, startTime: found.startTime)
            #expect(await ended(identity))
            #expect(ProcessHouse.processes(containing: nap).isEmpty)
            #expect(!FileManager.default.fileExists(atPath: node.directory + "/" + SupervisorFiles.socket))
            try await house.driver.destroy(node)
        }
    }

    @Test func aSupervisorThatIsStoppedIsRemoved() async throws {
        try await ProcessHouse.with { house in
            let nap = DriverConformance.uniqueNap()
            let server = Command(.shell("exec sleep \(nap)"), environment: Self.path, timeout: nil, leftovers: .keep)
            let node = try await house.made(server: server)
            kill(try await house.supervisor(of: node).pid, SIGSTOP)
            #expect(await house.driver.remove(await Leftovers.find(nodes: house.folder)).isEmpty)
            #expect(ProcessHouse.processes(containing: nap).isEmpty)
        }
    }

    private func ended(_ identity: ProcessIdentity) async -> Bool {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(returning: ProcessHandle(identity)?.waitForEnd(milliseconds: 60_000) ?? true)
            }
        }
    }

    /// Whether this user may mount a small file system, which is tried.
    private static var mayMount: Bool {
        var template = Array("/tmp/muster-mount-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { return false }
        let folder = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        defer { rmdir(folder) }
        return mount("tmpfs", folder, "tmpfs", 0, "size=64k") == 0 && umount2(folder, 2) == 0
    }

    @Test(.enabled(if: mayMount, "only a user who may mount a small file system can fill one"))
    func aFullDiskLosesNoResult() async throws {
        try await ProcessHouse.with { house in
            let disk = house.folder + "/disk"
            mkdir(disk, 0o700)
            try #require(mount("tmpfs", disk, "tmpfs", 0, "size=1m") == 0)
            defer { umount2(disk, 2) }
            let node = try await house.made("disk/node")
            let command = Self.shell("yes muster | head -c 20000000; exit 7")
            let exit = try await house.driver.run(command, on: node, operation: OperationID("flood"))
            #expect(exit.status == 7)
            #expect(exit.outputDropped > 10_000_000)
            let record = try #require(
                FileManager.default.contents(atPath: "\(node.directory)/op-flood/exit"),
                "the end is on the disk"
            )
            #expect(String(decoding: record, as: UTF8.self).contains("\"status\":7"))
            // Now nothing at all can be written: a start is refused before anything is started.
            let error = await #expect(throws: StepError.self) {
                for number in 0..<200 {
                    _ = try await house.driver.run(
                        Self.shell("touch ran-\(number)"),
                        on: node,
                        operation: OperationID("full-\(number)")
                    )
                }
            }
            #expect(error?.code == .refused)
            #expect(error?.message.contains("No space") == true, "\(String(describing: error))")
            try await house.driver.destroy(node)
        }
    }

    @Test func runningIsQuick() async throws {
        try await ProcessHouse.with { house in
            let clock = ContinuousClock()
            var node: NodeHandle?
            let making = try await clock.measure { node = try await house.made() }
            let made = try #require(node)
            let command = Command(
                .arguments(["/bin/true"]),
                environment: Self.path,
                timeout: .seconds(9),
                leftovers: .end
            )
            _ = try await house.driver.run(command, on: made, operation: OperationID("warm"))
            let count = 200
            let running = try await clock.measure {
                for number in 0..<count {
                    _ = try await house.driver.run(command, on: made, operation: OperationID("quick-\(number)"))
                }
            }
            // Reported, not judged: other work on the host shows in it.
            print(
                "a node: \(making / .milliseconds(1)) ms, a run of /bin/true: \(running / count / .microseconds(1)) µs"
            )
        }
    }
}
