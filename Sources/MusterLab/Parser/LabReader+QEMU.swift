internal import MusterCore

/// The step `qemu`.
extension LabReader {
    mutating func readQEMU(_ entry: YamlNode.Entry, _ user: User) -> ProvisionStep.Kind? {
        guard let fields = fields(entry.value, LabKeys.qemu, of: "'qemu'", at: entry.keySpan) else { return nil }
        let errors = sink.errorCount
        var machine = VirtualMachine()
        machine.image = fields["image"].flatMap { machineFile($0, "a disk image") }
        machine.kernel = fields["kernel"].flatMap { machineFile($0, "a kernel") }
        machine.initrd = fields["initrd"].flatMap { machineFile($0, "a first root file system") }
        machine.cloudInit = fields["cloud-init"].flatMap { machineFile($0, "a file of user data") }
        machine.append = fields["append"].flatMap { text($0, wants: "a kernel's command line") }
        if let memory = fields["memory"].flatMap({ size($0, example: "512MiB") }) { machine.memory = memory }
        if let cpus = fields["cpus"].flatMap({ integer($0, 1...LabKeys.processorsMax) }) { machine.cpus = cpus }
        if let accelerator = fields["accelerator"].flatMap({ choice($0, VirtualMachine.Accelerator.self) }) {
            machine.accelerator = accelerator
        }
        if let user = fields["user"].flatMap({ text($0, wants: "a user") }) { machine.user = user }
        machine.identityFile = fields["identity"].flatMap { text($0, wants: "a private key") }
        let ports = fields["ports"].map { texts($0, wants: "two ports", mayBeSingle: false) } ?? []
        for (port, span) in ports {
            let parts = port.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
            if parts.count == 2, parts.allSatisfy({ (1...LabKeys.portMax).contains($0) }) {
                machine.ports.append(port)
            } else {
                sink.add(span, "'\(port)' is no pair of ports", hint: "such as 8080:80")
            }
        }
        if let timeout = fields["boot-timeout"].flatMap({ duration($0, example: "5m") }) {
            machine.bootTimeout = timeout
        }
        if fields["image"] == nil, fields["kernel"] == nil {
            sink.add(fields.span, "'qemu' has nothing to start", hint: "give 'image' or 'kernel'")
        }
        for name in ["initrd", "append"] where fields["kernel"] == nil {
            if let entry = fields[name] {
                sink.add(entry.keySpan, "'\(name)' belongs to a 'kernel', and there is none")
            }
        }
        let run = fields["run"].map { command($0, user) }
        if case .some(.none) = run { return nil }
        return sink.errorCount == errors ? .machine(.qemu(machine), run: run ?? nil) : nil
    }

    /// A file of the lab that must be there, or an absolute path.
    private mutating func machineFile(_ entry: YamlNode.Entry, _ what: String) -> String? {
        guard let path = text(entry, wants: what) else { return nil }
        if path.hasPrefix("/") { return path }
        guard let inside = self.path(path, what, entry.value.span, mayLeave: true) else { return nil }
        guard case .file? = files.kind(of: inside) else {
            sink.add(entry.value.span, "no file '\(path)' in the lab's folder")
            return nil
        }
        return inside
    }
}
