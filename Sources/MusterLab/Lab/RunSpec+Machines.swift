internal import MusterCore

extension RunSpec {
    /// Machines as they are asked for from anywhere: files of the lab by their absolute paths.
    mutating func resolveMachines() {
        for group in groups.indices {
            for step in groups[group].steps.indices {
                guard case .machine(let machine, let run) = groups[group].steps[step].kind else { continue }
                groups[group].steps[step].kind = .machine(machine.resolved(in: labDirectory), run: run)
            }
        }
    }
}

extension Machine {
    fileprivate func resolved(in folder: String) -> Machine {
        func whole(_ path: String?) -> String? {
            path.map { $0.hasPrefix("/") || $0.hasPrefix("~") ? $0 : "\(folder)/\($0)" }
        }
        switch self {
        case .ssh(var pool):
            for host in pool.hosts.indices {
                pool.hosts[host].identityFile = whole(pool.hosts[host].identityFile)
                pool.hosts[host].configFile = whole(pool.hosts[host].configFile)
                pool.hosts[host].knownHostsFile = whole(pool.hosts[host].knownHostsFile)
            }
            return .ssh(pool)
        case .plugin(var plugin):
            // A name alone is looked up in PATH.
            if let program = plugin.command.first, program.hasPrefix("./") {
                plugin.command[0] = "\(folder)/\(program.dropFirst(2))"
            }
            return .plugin(plugin)
        case .podman(var container):
            // The name of a volume has no `./`.
            container.volumes = container.volumes.map { volume in
                if volume.hasPrefix("./") { return "\(folder)/\(volume.dropFirst(2))" }
                return volume.hasPrefix("../") ? "\(folder)/\(volume)" : volume
            }
            return .podman(container)
        case .qemu(var machine):
            machine.image = whole(machine.image)
            machine.kernel = whole(machine.kernel)
            machine.initrd = whole(machine.initrd)
            machine.cloudInit = whole(machine.cloudInit)
            machine.identityFile = whole(machine.identityFile)
            return .qemu(machine)
        case .netns: return self
        }
    }
}
