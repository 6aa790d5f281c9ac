import Foundation
import MusterCore
import MusterSupervision

/// What a virtual machine is made of: its files in the node's folder, and QEMU's arguments.
///
/// Relative names are names in the node's folder, in which QEMU runs: no path of the user's stands where commas part
/// options.
struct MachineParts {
    static let disk = "supervisor.disk"
    static let key = "supervisor.key"
    static let hostKey = "supervisor.hostkey"
    static let knownHosts = "supervisor.known_hosts"
    static let seed = "supervisor.seed"
    /// Where ssh is, at the node's address.
    static let port = 2222

    private static let emulator = "qemu-system-x86_64"

    let machine: VirtualMachine
    let directory: String

    // MARK: Whether it can be

    /// Why this machine cannot be made on this host; nil when it can.
    static func problem(
        _ machine: VirtualMachine,
        has: (String) -> Bool = { isInstalled($0) },
        kvm: () -> Bool = opensKVM
    ) -> String? {
        var tools = [(emulator, "qemu-system-x86"), ("ssh", "openssh-client")]
        if machine.image != nil { tools.append(("qemu-img", "qemu-utils")) }
        if machine.identityFile == nil { tools.append(("ssh-keygen", "openssh-client")) }
        if let (tool, package) = tools.first(where: { !has($0.0) }) {
            return "a virtual machine needs '\(tool)', which is not in PATH: install it (Debian: \(package))"
        }
        guard machine.image != nil || machine.kernel != nil else {
            return "a virtual machine has neither 'image:' nor 'kernel:': name what it boots"
        }
        if machine.image == nil, machine.identityFile == nil {
            return "a machine that boots a kernel of its own has no way to learn a new key: name one with 'identity:' "
                + "whose public half its initrd knows"
        }
        let files = [
            ("image", machine.image), ("kernel", machine.kernel), ("initrd", machine.initrd),
            ("cloud-init", machine.cloudInit), ("identity", machine.identityFile),
        ]
        for (name, path) in files {
            if let path, access(path, R_OK) != 0 {
                return "\(name): '\(path)' cannot be read: \(String(cString: strerror(errno)))"
            }
        }
        if machine.accelerator == .kvm, !kvm() {
            return "'accelerator: kvm' needs /dev/kvm, which this process cannot open: join the group that owns it, or "
                + "say 'accelerator: auto'"
        }
        for port in machine.ports where forward(port) == nil {
            return "'\(port)' is no forwarded port: write HOST:GUEST, both from 1 to 65535, and not HOST \(Self.port)"
        }
        return nil
    }

    /// Where programs are looked for, unless somebody says otherwise.
    static let folders = "/usr/local/bin:/usr/bin:/bin"

    static func isInstalled(_ program: String, in folders: String = folders) -> Bool {
        folders.split(separator: ":").contains { access("\($0)/\(program)", X_OK) == 0 }
    }

    static func opensKVM() -> Bool {
        let descriptor = open("/dev/kvm", O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        close(descriptor)
        return true
    }

    private static func forward(_ text: String) -> (host: UInt16, guest: UInt16)? {
        let ends = text.split(separator: ":", omittingEmptySubsequences: false).map { UInt16($0) }
        guard ends.count == 2, let host = ends[0], let guest = ends[1], host > 0, guest > 0, host != port else {
            return nil
        }
        return (host, guest)
    }

    /// Whether something outside reaches a port of the node's address.
    func forwards(_ port: Int) -> Bool { machine.ports.contains { Self.forward($0).map { Int($0.host) } == port } }

    // MARK: Arguments

    func arguments(name: String, address: String) -> [String] {
        let isKVM = machine.accelerator == .kvm || (machine.accelerator == .auto && Self.opensKVM())
        var list = [
            Self.emulator, "-name", "guest=\(name)", "-nodefaults", "-no-user-config", "-display", "none",
            "-machine", "q35", "-accel", isKVM ? "kvm" : "tcg", "-cpu", isKVM ? "host" : "max",
            "-m", "\(max(1, machine.memory >> 20))M", "-smp", "\(machine.cpus)",
        ]
        if let kernel = machine.kernel { list += ["-kernel", kernel] }
        if let initrd = machine.initrd { list += ["-initrd", initrd] }
        if let append = machine.append { list += ["-append", append] }
        var forwards = ["hostfwd=tcp:\(address):\(Self.port)-:22"]
        for (host, guest) in machine.ports.compactMap(Self.forward) {
            forwards.append("hostfwd=tcp:\(address):\(host)-:\(guest)")
        }
        list += ["-netdev", (["user", "id=net"] + forwards).joined(separator: ",")]
        list += ["-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci"]
        if machine.image != nil {
            let disk = "driver=qcow2,node-name=disk,file.driver=file,file.filename=\(Self.disk)"
            list += ["-blockdev", disk, "-device", "virtio-blk-pci,drive=disk,bootindex=1"]
        }
        if hasSeed {
            let seed = "driver=vvfat,node-name=seed,dir=\(Self.seed),label=CIDATA,read-only=on"
            list += ["-blockdev", seed, "-device", "virtio-blk-pci,drive=seed"]
        }
        list += ["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]
        list += ["-chardev", "socket,id=monitor,path=\(MachineMonitor.socket),server=on,wait=off"]
        list += ["-mon", "chardev=monitor,mode=control"]
        list += ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]
        return list
    }

    /// Whether cloud-init is told anything.
    private var hasSeed: Bool { machine.image != nil || machine.cloudInit != nil }

    // MARK: Files

    /// The private key with which it is entered.
    var identityFile: String { machine.identityFile ?? "\(directory)/\(Self.key)" }

    /// Makes what is missing: keys, a seed for cloud-init, a disk.
    ///
    /// - Parameter isNew: whether the machine has not run yet: its disk is then made anew.
    func make(node: NodeHandle, address: String, isNew: Bool) async throws(StepError) {
        if machine.identityFile == nil { try await makeKey(Self.key) }
        // Who may enter only by the seed gets the host's key from there too, so it is known before the first contact.
        let knowsHostKey = hasSeed && machine.identityFile == nil
        if knowsHostKey {
            try await makeKey(Self.hostKey)
            let line = "[\(address)]:\(Self.port) \(try text(Self.hostKey + ".pub"))\n"
            try RemoteNodes.write(Array(line.utf8), "\(directory)/\(Self.knownHosts)")
        }
        if hasSeed { try await makeSeed(node, knowsHostKey) }
        if machine.image != nil { try await makeDisk(isNew: isNew) }
    }

    private func makeKey(_ name: String) async throws(StepError) {
        let path = "\(directory)/\(name)"
        if access(path, R_OK) == 0, access(path + ".pub", R_OK) == 0 { return }
        for file in [path, path + ".pub"] { unlink(file) }
        try await tool(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "muster", "-f", path])
        chmod(path, 0o600)
    }

    private func makeSeed(_ node: NodeHandle, _ knowsHostKey: Bool) async throws(StepError) {
        let folder = "\(directory)/\(Self.seed)"
        try RemoteNodes.makeFolder(folder)
        let name = "\(node.name)".replacing("/", with: "-")
        let user =
            try machine.cloudInit.map { path throws(StepError) in try text(at: path) } ?? "#cloud-config\n{}\n"
        let files = [
            ("meta-data", "instance-id: muster-\(node.id.rawValue)-\(name)\nlocal-hostname: \(name)\n"),
            ("user-data", user), ("vendor-data", try vendorData(knowsHostKey)),
        ]
        for (name, text) in files { try RemoteNodes.write(Array(text.utf8), "\(folder)/\(name)") }
    }

    /// What lets Muster in, beneath the user's own data. JSON is YAML.
    private func vendorData(_ knowsHostKey: Bool) throws(StepError) -> String {
        var data: [String: Any] = ["disable_root": machine.user != "root"]
        if machine.identityFile == nil {
            var user: [String: Any] = ["name": machine.user, "ssh_authorized_keys": [try text(Self.key + ".pub")]]
            if machine.user != "root" {
                user["sudo"] = "ALL=(ALL) NOPASSWD:ALL"
                user["shell"] = "/bin/bash"
            }
            data["users"] = ["default", user] as [Any]
        }
        if knowsHostKey {
            data["ssh_keys"] = [
                "ed25519_private": try text(Self.hostKey) + "\n", "ed25519_public": try text(Self.hostKey + ".pub"),
            ]
        }
        guard let json = try? JSONSerialization.data(withJSONObject: data, options: [.sortedKeys]) else {
            throw StepError(.file, "the seed of \(directory) cannot be written")
        }
        return "#cloud-config\n" + String(decoding: json, as: UTF8.self) + "\n"
    }

    /// A layer over the image, which stays as it is.
    private func makeDisk(isNew: Bool) async throws(StepError) {
        guard let image = machine.image else { return }
        let path = "\(directory)/\(Self.disk)"
        if !isNew, access(path, R_OK) == 0 { return }
        let end = try await tool(["qemu-img", "info", "--output=json", image])
        let found = try? JSONSerialization.jsonObject(with: Data(end)) as? [String: Any]
        guard let format = found?["format"] as? String, !format.contains(",") else {
            throw StepError(.refused, "qemu-img does not say what format the image '\(image)' has")
        }
        let draft = path + ".part"
        unlink(draft)
        try await tool(["qemu-img", "create", "-q", "-f", "qcow2", "-F", format, "-b", image, draft])
        chmod(draft, 0o600)
        guard rename(draft, path) == 0 else { throw StepError(.file, "the disk \(path) cannot be made") }
    }

    /// Takes away what only the machine needs; its console stays.
    func remove() {
        for name in [Self.disk, Self.key, Self.hostKey] {
            for suffix in ["", ".pub", ".part"] { unlink("\(directory)/\(name)\(suffix)") }
        }
        for name in [Self.knownHosts, Self.knownHosts + ".old", MachineMonitor.socket] {
            unlink("\(directory)/\(name)")
        }
        try? FileManager.default.removeItem(atPath: "\(directory)/\(Self.seed)")
    }

    // MARK: Small things

    private func text(_ name: String) throws(StepError) -> String { try text(at: "\(directory)/\(name)") }

    private func text(at path: String) throws(StepError) -> String {
        guard let bytes = ProcessTable.read(path, limit: 1 << 20) else {
            throw StepError(.file, "'\(path)' cannot be read: \(String(cString: strerror(errno)))")
        }
        return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .newlines)
    }

    @discardableResult
    private func tool(_ arguments: [String]) async throws(StepError) -> [UInt8] {
        do throws(ConnectionFailure) {
            let end = try await ChildProcess.run(ChildProcess.Request(arguments: arguments, within: .seconds(120)))
            guard end.status == 0 else {
                let said = end.error.split(separator: "\n").suffix(3).joined(separator: "; ")
                throw ConnectionFailure.refused("\(arguments[0]) fails: \(said)")
            }
            return end.output
        } catch {
            if case .cancelled = error { throw StepError(.cancelled, "nobody waits for the machine any more") }
            throw StepError(.refused, error.reason)
        }
    }
}

extension ConnectionFailure {
    /// What is said of it.
    var reason: String {
        switch self {
        case .unreachable(let text), .refused(let text), .broken(let text), .silent(let text), .exhausted(let text):
            text
        case .cancelled: "nobody waits for it any more"
        }
    }
}
