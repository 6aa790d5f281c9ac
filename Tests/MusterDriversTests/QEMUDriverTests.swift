import Foundation
import MusterCore
import MusterSupervision
import MusterTestKit
import Testing

@testable import MusterDrivers

/// The demands that can be made of a machine whose files and processes nobody sees from here, and whose power is not
/// its server's. A machine takes ten seconds to boot without KVM, so these are the ones that need one machine each and
/// are not those of `RemoteNodes` alone, which `ssh` passes whole.
@Suite(.disabled(if: QEMUHouse.absence != nil, "\(QEMUHouse.absence ?? "")"))
struct QEMUDriverConformanceTests {
    private static let names = [
        "a node has an address, and making it again finds the same node",
        "the same operation on two nodes gives two addresses",
        "destroying what was never made succeeds",
        "an older conductor is refused and starts nothing",
        "a command's status and times come back",
        "an operation runs once, however often it is asked for",
        "an operation that is ended before it starts never runs",
        "who stops to wait does not end the command",
        "what a test says on its control descriptor is kept byte for byte",
        "files are put with content and mode, also over old ones and into new folders",
    ]
    private static let checks = DriverConformance.checks.filter { names.contains($0.name) }

    @Test func everyDemandIsKnown() { #expect(Self.checks.count == Self.names.count) }

    @Test(.timeLimit(.minutes(8)), arguments: checks)
    func qemu(_ check: DriverConformance.Check) async throws {
        try await QEMUHouse.with { house in try await check.run(on: house.subject) }
    }
}

@Suite(.disabled(if: QEMUHouse.absence != nil, "\(QEMUHouse.absence ?? "")"))
struct QEMUDriverTests {
    private static let path = ["PATH": "/bin"]

    private func run(
        _ text: String,
        _ name: String,
        on node: NodeHandle,
        _ driver: QEMUDriver
    ) async throws -> String {
        let operation = OperationID(name)
        let command = Command(.shell(text), environment: Self.path, timeout: .seconds(60), leftovers: .end)
        let exit = try await driver.run(command, on: node, operation: operation)
        let path = driver.outputPath(of: operation, on: node)
        let output = String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
        #expect(exit.succeeded, "'\(text)': \(exit) \(output)")
        return output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test(.timeLimit(.minutes(10))) func aMachineBootsRunsRebootsAndIsLost() async throws {
        try await QEMUHouse.with { house in
            let image = house.folder + "/base.img"
            try #require(FileManager.default.createFile(atPath: image, contents: Data(count: 3 << 20)))
            var machine = QEMUHouse.machine
            machine.image = image
            machine.ports = ["8080:80"]
            var node = house.node("whole", machine: machine)
            let server = Command(.shell("exec httpd -f -p 80"), environment: Self.path, timeout: nil, leftovers: .keep)
            node.facts = try await house.driver.create(node, operation: OperationID("create"), server: server)
            #expect(node.facts["address"]?.hasPrefix("127.") == true && node.facts["hostname"] == "guest")
            node.machine = nil
            try await house.driver.watch(node)

            #expect(try await run("uname -n", "name", on: node, house.driver) == "guest")
            let disk = try await run("cat /sys/class/block/vda/size", "disk", on: node, house.driver)
            #expect(disk == "\((3 << 20) / 512)", "the disk is a layer over the image")
            let seed = "dd if=/dev/vdb bs=512 count=300 2>/dev/null | strings | grep -c CIDATA"
            #expect(try await run(seed, "seed", on: node, house.driver) != "0", "cloud-init would find its data")
            let first = try await run("cat /proc/sys/kernel/random/boot_id", "boot", on: node, house.driver)
            for name in [MachineNote.file, MachineParts.disk, MachineMonitor.socket] {
                let attributes = try FileManager.default.attributesOfItem(atPath: "\(node.directory)/\(name)")
                let mode = (attributes[.posixPermissions] as? NSNumber)?.uint16Value ?? 0o777
                #expect(name == MachineMonitor.socket || mode & 0o077 == 0, "\(name) is private: \(mode)")
            }
            let console = house.driver.outputPath(of: OperationID("create"), on: node)
            let said = String(decoding: FileManager.default.contents(atPath: console) ?? Data(), as: UTF8.self)
            #expect(said.contains("the guest is up"), "\(console): \(said)")

            let within = Duration.seconds(20)
            try await house.driver.probe(.tcp(port: 80), on: node, within: within)
            let closed = await #expect(throws: StepError.self) {
                try await house.driver.probe(.tcp(port: 81), on: node, within: within)
            }
            #expect(closed?.code == .notReady)
            let answer = await #expect(throws: StepError.self) {
                try await house.driver.probe(.http(port: 8080, path: "/nothing"), on: node, within: within)
            }
            #expect(answer?.message.contains("404") == true, "\(answer?.message ?? "")")
            let nowhere = await #expect(throws: StepError.self) {
                try await house.driver.probe(.http(port: 80, path: "/"), on: node, within: within)
            }
            #expect(nowhere?.message.contains("ports:") == true)

            // Another conductor knows only what is on the disk.
            let next = try house.another()
            #expect(try await next.running(on: node) == [])
            #expect(try await next.status(of: OperationID("create"), on: node) == .running)
            try await house.driver.powerOff(node, grace: .seconds(60))
            let after = String(decoding: FileManager.default.contents(atPath: console) ?? Data(), as: UTF8.self)
            #expect(after.contains("the power button was pressed"), "the guest was asked first")
            let off = await #expect(throws: StepError.self) { _ = try await run("true", "off", on: node, next) }
            #expect(off?.code == .lost)
            try await house.driver.powerOn(node, operation: OperationID("on"))
            try await next.powerOn(node, operation: OperationID("on"))
            let second = try await run("cat /proc/sys/kernel/random/boot_id", "again", on: node, next)
            #expect(second != first, "it was started anew")
            try await next.probe(.tcp(port: 80), on: node, within: within)

            // The first event ever is the loss: the power that was taken on purpose was none.
            let pid = try await house.process(.process, of: node)
            kill(pid, SIGKILL)
            guard case .lost(let id, let reason)? = await house.nextEvent() else {
                Issue.record("no loss was reported")
                return
            }
            #expect(id == node.id && reason.contains("signal 9"), "\(reason)")
            let gone = await #expect(throws: StepError.self) {
                _ = try await run("true", "gone", on: node, house.driver)
            }
            #expect(gone?.code == .lost)
            try await house.driver.destroy(node)
            try await next.destroy(node)
            #expect(await Leftovers.find(nodes: house.folder) == [])
            let left = try FileManager.default.contentsOfDirectory(atPath: node.directory)
            #expect(!left.contains { $0.hasPrefix(MachineParts.disk) || $0 == MachineNote.file || $0.contains("qmp") })
        }
    }

    @Test(.timeLimit(.minutes(4))) func aMachineThatDoesNotBootSaysWhatItsConsoleSays() async throws {
        try await QEMUHouse.with { house in
            var machine = QEMUHouse.machine
            machine.initrd = nil
            machine.append = "console=ttyS0 panic=-1"
            machine.bootTimeout = .seconds(30)
            let node = house.node("mute", machine: machine)
            let error = await #expect(throws: StepError.self) {
                _ = try await house.driver.create(node, operation: OperationID("create"), server: nil)
            }
            #expect(error?.code == .timedOut || error?.code == .lost, "\(String(describing: error))")
            #expect(error?.message.contains("its console") == true, "\(error?.message ?? "")")
            try await house.driver.destroy(node)
            #expect(await Leftovers.find(nodes: house.folder) == [])
        }
    }

    @Test(.timeLimit(.minutes(4))) func aCreateWhoseConductorDiedIsRepeatedOrUndone() async throws {
        try await QEMUHouse.with { house in
            // Its first conductor goes while the machine boots: it has asked for it, and not seen it come up.
            var impatient = QEMUHouse.machine
            impatient.bootTimeout = .milliseconds(1)
            var node = house.node("cut", machine: impatient)
            let error = await #expect(throws: StepError.self) {
                _ = try await house.driver.create(node, operation: OperationID("create"), server: nil)
            }
            #expect(error?.code == .timedOut, "\(String(describing: error))")
            #expect(await Leftovers.find(nodes: house.folder).count == 2, "a supervisor and a machine")
            node.machine = .qemu(QEMUHouse.machine)
            let facts = try await house.another().create(node, operation: OperationID("create"), server: nil)
            #expect(facts["hostname"] == "guest")
            #expect(await Leftovers.find(nodes: house.folder).count == 2, "no second one was made")
            var known = node
            known.machine = nil
            try await house.another().destroy(known)
            #expect(await Leftovers.find(nodes: house.folder) == [])
        }
    }

    @Test func aMachineThatWasNotedAndNotStartedIsNoLoss() async throws {
        try await QEMUHouse.with { house in
            let node = house.node("noted", machine: QEMUHouse.machine)
            try FileManager.default.createDirectory(atPath: node.directory, withIntermediateDirectories: true)
            let server = Command(.shell("exec sleep 1000"), environment: [:], timeout: nil, leftovers: .keep)
            try MachineNote(machine: QEMUHouse.machine, server: MachineNote.Server(server), operation: "create")
                .write(in: node.directory)
            #expect(try await house.driver.status(of: OperationID("create"), on: node) == .neverStarted)
            try await house.driver.destroy(node)
        }
    }
}

/// What needs no machine.
@Suite struct MachinePartsTests {
    private var machine: VirtualMachine {
        var machine = VirtualMachine()
        machine.kernel = "/proc/version"
        machine.identityFile = "/proc/version"
        return machine
    }

    @Test func whatIsMissingIsNamedBeforeAnythingIsMade() {
        func problem(
            _ change: (inout VirtualMachine) -> Void,
            lacking: String = "",
            kvm: Bool = true
        ) -> String? {
            var machine = machine
            change(&machine)
            return MachineParts.problem(machine, has: { $0 != lacking }, kvm: { kvm })
        }
        #expect(problem({ _ in }) == nil)
        #expect(problem({ _ in }, lacking: "qemu-system-x86_64")?.contains("qemu-system-x86") == true)
        #expect(problem({ $0.image = "/proc/version" }, lacking: "qemu-img")?.contains("qemu-utils") == true)
        #expect(problem({ $0.kernel = nil })?.contains("'image:'") == true)
        #expect(problem({ $0.identityFile = nil })?.contains("identity:") == true)
        #expect(problem({ $0.initrd = "/no/such" })?.contains("initrd: '/no/such'") == true)
        #expect(problem({ $0.accelerator = .kvm }, kvm: false)?.contains("/dev/kvm") == true)
        #expect(problem({ $0.accelerator = .auto }, kvm: false) == nil)
        for port in ["80", "0:80", "80:0", "2222:22", "a:b", "1:2:3", "70000:1", "-1:2"] {
            #expect(problem({ $0.ports = [port] })?.contains("'\(port)'") == true, "\(port)")
        }
    }

    @Test func everyArgumentIsAWordOfItsOwn() {
        var machine = machine
        machine.image = "/images/with, comma and space.img"
        machine.append = "console=ttyS0 a,b=c"
        machine.accelerator = .tcg
        machine.ports = ["8080:80"]
        let parts = MachineParts(machine: machine, directory: "/state/nodes/1")
        let list = parts.arguments(name: "db-0", address: "127.64.0.1")
        #expect(list.contains("console=ttyS0 a,b=c") && list.contains("tcg") && !list.contains("kvm"))
        #expect(list.contains("user,id=net,hostfwd=tcp:127.64.0.1:2222-:22,hostfwd=tcp:127.64.0.1:8080-:80"))
        #expect(!list.contains { $0.contains("comma") }, "the image is named by the layer over it alone")
        #expect(!list.contains { $0.contains("/state/") }, "QEMU runs in the node's folder")
        #expect(parts.forwards(8080) && !parts.forwards(80))
    }
}
