import MusterCore

/// As an inventory of Ansible, in YAML: what `ansible-inventory -i FILE --list` and `ansible-playbook -i FILE` read.
extension NodeInventory {
    package func ansible() -> Text {
        var lines = ["all:"]
        var leftOut: [LeftOut] = []
        var children: [String] = []
        for group in groups {
            var hosts: [String] = []
            for host in group.hosts {
                guard let variables = Self.variables(host, &leftOut) else { continue }
                hosts.append("        \(Self.quoted(host.name)):")
                hosts += variables.map { "          \($0.name): \($0.value)" }
            }
            guard !hosts.isEmpty else { continue }
            children.append("    \(Self.quoted(Self.groupName(group.name))):")
            children.append("      hosts:")
            children += hosts
        }
        lines += children.isEmpty ? ["  hosts: {}"] : ["  children:"] + children
        return Text(text: (Self.comments(leftOut) + lines).map { $0 + "\n" }.joined(), leftOut: leftOut)
    }

    /// Names of groups are variables' names there: `web-db` is `web_db`.
    package static func groupName(_ group: String) -> String { group.replacing("-", with: "_") }

    /// What is said of a host; nil where Ansible has no way to it.
    private static func variables(_ host: Host, _ leftOut: inout [LeftOut]) -> [(name: String, value: String)]? {
        func missing(_ reason: String) -> [(name: String, value: String)]? {
            leftOut.append(LeftOut(node: host.node.description, reason: reason))
            return nil
        }
        var variables: [(name: String, value: String)] = []
        func add(_ name: String, _ value: String) { variables.append((name, quoted(value))) }
        switch host.reach {
        case nil: return missing(host.problem ?? "nothing reaches it")
        case .namespaces?:
            return missing("Ansible has no connection into namespaces; use the driver process, podman or ssh for it")
        case .streams(let title)?:
            return missing("\(title) is reached by the streams of a program, for which Ansible has no connection")
        case .here(let folder)?:
            add("ansible_connection", "local")
            // Ansible's own words for its own Python.
            variables.append(("ansible_python_interpreter", "\"{{ ansible_playbook_python }}\""))
            add("muster_node_dir", folder)
        case .container(let name, let podman)?:
            add("ansible_connection", "containers.podman.podman")
            add("ansible_host", name)
            if podman != ["podman"], let program = podman.first {
                add("ansible_podman_executable", program)
                if podman.count > 1 { add("ansible_podman_extra_args", words(Array(podman.dropFirst()))) }
            }
        case .ssh(let machine)?:
            add("ansible_connection", "ssh")
            add("ansible_host", machine.destination)
            if let user = machine.user { add("ansible_user", user) }
            if let port = machine.port { variables.append(("ansible_port", "\(port)")) }
            if let file = machine.identityFile { add("ansible_ssh_private_key_file", file) }
            let arguments = sshArguments(machine)
            if !arguments.isEmpty { add("ansible_ssh_common_args", words(arguments)) }
        }
        add("muster_node", host.node.description)
        add("muster_group", host.node.group)
        add("muster_lab", host.lab)
        if let address = host.address { add("muster_address", address) }
        return variables
    }

    /// What Ansible does not say to ssh by itself.
    private static func sshArguments(_ machine: SSHHost) -> [String] {
        var list: [String] = []
        if let file = machine.configFile { list += ["-F", file] }
        if machine.identityFile != nil { list += ["-o", "IdentitiesOnly=yes"] }
        if let file = machine.knownHostsFile {
            list += ["-o", "UserKnownHostsFile=\"\(file)\"", "-o", "GlobalKnownHostsFile=/dev/null"]
        }
        for option in machine.options { list += ["-o", option] }
        return list
    }

    /// Words as Ansible splits them again, by the rules of a shell.
    private static func words(_ list: [String]) -> String {
        list.map { word in
            let isPlain = word.allSatisfy { character in
                character.isASCII && (character.isLetter || character.isNumber || "-_./=:@,+".contains(character))
            }
            return isPlain && !word.isEmpty ? word : ShellText.quoted(word)
        }.joined(separator: " ")
    }

    /// A text in double quotes, as YAML and JSON both read it; one that Ansible would take for a template is marked.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            default:
                let isShown = scalar.value >= 0x20 && scalar.value != 0x7F && !(0x80..<0xA0).contains(scalar.value)
                let isBreak = scalar.value == 0x2028 || scalar.value == 0x2029 || scalar.value == 0xFEFF
                if isShown, !isBreak {
                    result.unicodeScalars.append(scalar)
                } else {
                    let hex = String(scalar.value, radix: 16)
                    result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
                }
            }
        }
        result += "\""
        let isTemplate = text.contains("{{") || text.contains("{%") || text.contains("{#")
        return isTemplate ? "!unsafe \(result)" : result
    }
}
