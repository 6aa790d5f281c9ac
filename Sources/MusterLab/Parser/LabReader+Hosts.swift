internal import MusterCore

/// Hosts that exist already: `pools:` of a lab, and the step `ssh`.
extension LabReader {
    mutating func readPools(_ entry: YamlNode.Entry) {
        for entry in named(entry, "pools") ?? [] {
            checkName(entry.key, "pool", entry.keySpan)
            let errors = sink.errorCount
            let owner = "pool '\(entry.key)'"
            guard let fields = fields(entry.value, LabKeys.pool, of: owner, at: entry.keySpan) else {
                brokenPools.insert(entry.key)
                continue
            }
            let hosts = readHosts(fields, owner)
            if sink.errorCount > errors { brokenPools.insert(entry.key) }
            pools[entry.key] = HostPool(title: entry.key, hosts: hosts)
            poolNames.append(entry.key)
        }
    }

    /// `ssh: { pool: rack }`, or `ssh: { hosts: [a, root@b:2222] }`.
    mutating func readSSH(_ entry: YamlNode.Entry, _ user: User) -> ProvisionStep.Kind? {
        guard let fields = fields(entry.value, LabKeys.ssh, of: "'ssh'", at: entry.keySpan) else { return nil }
        let run = fields["run"].map { command($0, user) }
        var pool: HostPool?
        switch kind(fields, LabKeys.ssh, entry.value, of: "'ssh'") {
        case "pool":
            guard let entry = fields["pool"], let name = text(entry, wants: "the name of a pool") else { return nil }
            pool = pools[name]
            if pool == nil, !brokenPools.contains(name) {
                let known = poolNames.isEmpty ? "declare it under 'pools'" : ""
                let hint = sink.suggestion(for: name, among: poolNames, otherwise: known)
                sink.add(entry.value.span, "there is no pool '\(name)'", hint: hint)
            }
        case "hosts":
            guard let entry = fields["hosts"] else { return nil }
            let hosts = readHostList(entry, HostDefaults())
            pool = HostPool(title: hosts.map(\.name).joined(separator: ", "), hosts: hosts)
        default: return nil
        }
        guard let pool else { return nil }
        if case .some(.none) = run { return nil }
        return .machine(.ssh(pool), run: run ?? nil)
    }

    /// What a pool says for all its hosts.
    private struct HostDefaults {
        var host = SSHHost(name: "", destination: "")
    }

    private mutating func readHosts(_ fields: Fields, _ owner: String) -> [SSHHost] {
        var defaults = HostDefaults()
        readLogin(fields, into: &defaults.host)
        defaults.host.knownHostsFile = fields["known-hosts"].flatMap { text($0, wants: "a file of host keys") }
        let options = fields["options"].map { texts($0, wants: "an option", mayBeSingle: false) } ?? []
        for (option, span) in options {
            if Self.isOption(option) {
                defaults.host.options.append(option)
            } else {
                let hint =
                    "such as ProxyJump=gate; what runs a program stands in a configuration of your own ('config')"
                sink.add(span, "'\(option)' is no option that a lab may set", hint: hint)
            }
        }
        if let wait = fields["connect-timeout"].flatMap({ duration($0, example: "10s") }) {
            defaults.host.connectTimeout = wait
        }
        var names: [String] = []
        if let entry = fields["config"], let path = text(entry, wants: "a file") {
            defaults.host.configFile = path
            if fields["hosts"] == nil, fields["inventory"] == nil, let bytes = hostFile(path, entry) {
                names = InventoryReader.hosts(inConfiguration: bytes)
                if names.isEmpty { sink.add(entry.value.span, "'\(path)' names no host without a pattern") }
            }
        }
        var hosts = names.map { name in
            var host = defaults.host
            (host.name, host.destination) = (name, name)
            return host
        }
        if let entry = fields["hosts"] { hosts += readHostList(entry, defaults) }
        if let entry = fields["inventory"] { hosts += readInventory(entry, fields["group"], defaults) }
        if fields["group"] != nil, fields["inventory"] == nil, let entry = fields["group"] {
            sink.add(entry.keySpan, "'group' is one of an inventory; this pool has none", hint: "give 'inventory'")
        }
        if fields["hosts"] == nil, fields["inventory"] == nil, fields["config"] == nil {
            sink.add(fields.span, "\(owner) has no hosts", hint: "give 'hosts', 'inventory' or 'config'")
        }
        return distinct(hosts, fields.span, owner)
    }

    private mutating func distinct(_ hosts: [SSHHost], _ span: Span, _ owner: String) -> [SSHHost] {
        var seen: Set<String> = []
        return hosts.filter { host in
            if seen.insert(host.name).inserted { return true }
            sink.add(span, "\(owner) has the host '\(host.name)' twice")
            return false
        }
    }

    /// Options that make `ssh` start a program, or read other files, are not a lab's to set.
    private static func isOption(_ text: String) -> Bool {
        let parts = text.split(separator: "=", maxSplits: 1)
        let refused: Set = [
            "proxycommand", "localcommand", "permitlocalcommand", "knownhostscommand", "match", "include",
            "remotecommand", "controlpath", "controlmaster", "stricthostkeychecking", "batchmode", "pkcs11provider",
            "securitykeyprovider", "userknownhostsfile", "globalknownhostsfile", "xauthlocation", "sendenv", "setenv",
        ]
        guard parts.count == 2, !text.contains("\n"), !text.unicodeScalars.contains("\0") else { return false }
        return !refused.contains(parts[0].lowercased()) && parts[0].allSatisfy { $0.isLetter || $0.isNumber }
    }

    // MARK: Lists

    private mutating func readHostList(_ entry: YamlNode.Entry, _ defaults: HostDefaults) -> [SSHHost] {
        var hosts: [SSHHost] = []
        for node in list(entry) ?? [] {
            if case .mapping = node.value {
                guard let fields = fields(node, LabKeys.host, of: "a host"), let entry = fields["host"],
                    let destination = text(entry, wants: "an address or a name")
                else { continue }
                var host = defaults.host
                host.name = fields["name"].flatMap { text($0, wants: "a name") } ?? destination
                host.destination = destination
                readLogin(fields, into: &host)
                if isDestination(destination, entry.value.span) { hosts.append(host) }
            } else if let written = text(node, key: entry.key, wants: "a host") {
                guard let host = Self.host(written, defaults.host) else {
                    let hint = "such as build-1, root@10.0.0.7 or root@build-1:2222"
                    sink.add(node.span, "'\(written)' is no host", hint: hint)
                    continue
                }
                if isDestination(host.destination, node.span) { hosts.append(host) }
            }
        }
        if hosts.isEmpty, case .sequence(let nodes) = entry.value.value, nodes.isEmpty {
            sink.add(entry.value.span, "'hosts' wants at least one host")
        }
        return distinct(hosts, entry.keySpan, "'hosts'")
    }

    /// `[user@]host[:port]`; an address of IPv6 with a port stands in brackets.
    private static func host(_ text: String, _ defaults: SSHHost) -> SSHHost? {
        var host = defaults
        host.name = text
        var rest = text[...]
        if let at = rest.lastIndex(of: "@") {
            host.user = String(rest[..<at])
            rest = rest[rest.index(after: at)...]
            if host.user?.isEmpty != false { return nil }
        }
        if rest.hasPrefix("["), let close = rest.firstIndex(of: "]") {
            let tail = rest[rest.index(after: close)...]
            if !tail.isEmpty {
                guard tail.hasPrefix(":"), let port = port(tail.dropFirst()) else { return nil }
                host.port = port
            }
            rest = rest[rest.index(after: rest.startIndex)..<close]
        } else if rest.split(separator: ":", omittingEmptySubsequences: false).count == 2,
            let colon = rest.firstIndex(of: ":")
        {
            guard let port = port(rest[rest.index(after: colon)...]) else { return nil }
            host.port = port
            rest = rest[..<colon]
        }
        host.destination = String(rest)
        return rest.isEmpty ? nil : host
    }

    private static func port(_ text: some StringProtocol) -> Int? {
        guard let port = Int(text), (1...LabKeys.portMax).contains(port) else { return nil }
        return port
    }

    /// What `ssh` would take for an option, or for more than one word, is none.
    private mutating func isDestination(_ text: String, _ span: Span) -> Bool {
        let isPlain = !text.hasPrefix("-") && text.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F }
        if !isPlain { sink.add(span, "'\(text)' is no address or name of a host") }
        return isPlain
    }

    private mutating func readLogin(_ fields: Fields, into host: inout SSHHost) {
        if let user = fields["user"].flatMap({ text($0, wants: "a user") }) { host.user = user }
        if let port = fields["port"].flatMap({ integer($0, 1...LabKeys.portMax) }) { host.port = port }
        if let file = fields["identity"].flatMap({ text($0, wants: "a private key") }) { host.identityFile = file }
        if let root = fields["root"].flatMap({ text($0, wants: "a folder on the host") }) { host.root = root }
    }

    // MARK: Files

    private mutating func hostFile(_ path: String, _ entry: YamlNode.Entry) -> [UInt8]? {
        guard let inside = self.path(path, "'\(entry.key)'", entry.value.span, mayLeave: true) else { return nil }
        if let bytes = files.contents(of: inside, limit: Inventory.bytesMax) { return bytes }
        sink.add(entry.value.span, "'\(path)' cannot be read", hint: "it is looked for in the lab's folder")
        return nil
    }

    private mutating func readInventory(
        _ entry: YamlNode.Entry,
        _ groupEntry: YamlNode.Entry?,
        _ defaults: HostDefaults
    ) -> [SSHHost] {
        guard let path = text(entry, wants: "an inventory of Ansible"), let bytes = hostFile(path, entry) else {
            return []
        }
        let inventory: Inventory
        do throws(LabError) {
            inventory = try InventoryReader.read(bytes, file: path)
        } catch {
            for diagnostic in error.diagnostics { sink.add(diagnostic) }
            return []
        }
        var group = "all"
        if let entry = groupEntry {
            guard let name = text(entry, wants: "a group of the inventory") else { return [] }
            group = name
        }
        guard let names = inventory.hosts(in: group) else {
            let hint = sink.suggestion(for: group, among: inventory.groups.keys.sorted())
            sink.add((groupEntry ?? entry).value.span, "'\(path)' has no group '\(group)'", hint: hint)
            return []
        }
        if names.isEmpty { sink.add(entry.value.span, "'\(path)' has no hosts in '\(group)'") }
        let variables = inventory.variables()
        let folder = path.split(separator: "/").dropLast().joined(separator: "/")
        return names.compactMap { name in
            let host = Self.host(name, variables[name] ?? [:], defaults.host, folder)
            return isDestination(host.destination, entry.value.span) ? host : nil
        }
    }

    private static func host(
        _ name: String,
        _ variables: [String: String],
        _ defaults: SSHHost,
        _ folder: String
    ) -> SSHHost {
        func value(_ names: String...) -> String? { names.lazy.compactMap { variables[$0] }.first { !$0.isEmpty } }
        var host = defaults
        host.name = name
        host.destination = value("ansible_host", "ansible_ssh_host") ?? name
        host.user = value("ansible_user", "ansible_ssh_user") ?? host.user
        host.port = value("ansible_port", "ansible_ssh_port").flatMap { port($0) } ?? host.port
        if let key = value("ansible_ssh_private_key_file", "ansible_private_key_file") {
            let isWhole = key.hasPrefix("/") || key.hasPrefix("~") || folder.isEmpty
            host.identityFile = isWhole ? key : folder + "/" + key
        }
        return host
    }
}
