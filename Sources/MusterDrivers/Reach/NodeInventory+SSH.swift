import MusterCore

/// As a configuration of OpenSSH's client: `ssh -F FILE app-0`.
extension NodeInventory {
    /// What is taken over from what `ssh -G` says of a destination: where it is, how it is reached, who it must be.
    static let settingsTaken: Set<String> = [
        "hostname", "user", "port", "identityfile", "certificatefile", "identityagent", "identitiesonly", "proxyjump",
        "proxycommand", "hostkeyalias", "userknownhostsfile", "globalknownhostsfile", "stricthostkeychecking",
        "checkhostip", "addressfamily", "bindaddress", "bindinterface", "pubkeyacceptedalgorithms",
        "hostkeyalgorithms",
        "kexalgorithms", "ciphers", "macs",
    ]

    package func sshConfiguration() -> Text {
        var lines: [String] = []
        var leftOut: [LeftOut] = []
        var included: [String] = []
        for host in hosts {
            guard case .ssh(let machine)? = host.reach else {
                leftOut.append(LeftOut(node: host.node.description, reason: Self.noSSH(host)))
                continue
            }
            do throws(SSHTextError) {
                lines += try Self.block(host, machine)
            } catch {
                leftOut.append(LeftOut(node: host.node.description, reason: error.message))
                continue
            }
            let file = machine.configFile ?? "~/.ssh/config"
            if file != "/dev/null", !included.contains(file) { included.append(file) }
        }
        if !included.isEmpty {
            // Jump hosts and the like are known there. What stands above goes first.
            lines.append("Match all")
            lines += included.compactMap { file in (try? Self.quoted(file, tokens: false)).map { "    Include \($0)" } }
        }
        return Text(text: (Self.comments(leftOut) + lines).map { $0 + "\n" }.joined(), leftOut: leftOut)
    }

    private static func noSSH(_ host: Host) -> String {
        if let problem = host.problem { return problem }
        return "a node of driver '\(host.driver)' has no ssh: muster ssh \(host.node)"
    }

    private static func block(_ host: Host, _ machine: SSHHost) throws(SSHTextError) -> [String] {
        var settings: [SSHSetting] = []
        if let file = machine.identityFile {
            settings.append(SSHSetting("IdentityFile", try quoted(file, tokens: true)))
            settings.append(SSHSetting("IdentitiesOnly", "yes"))
        }
        if let file = machine.knownHostsFile {
            settings.append(SSHSetting("UserKnownHostsFile", try quoted(file, tokens: true)))
            settings.append(SSHSetting("GlobalKnownHostsFile", "/dev/null"))
        }
        if host.settings.isEmpty {
            settings.append(SSHSetting("HostName", try word(machine.destination)))
            if let user = machine.user { settings.append(SSHSetting("User", try word(user))) }
            if let port = machine.port { settings.append(SSHSetting("Port", "\(port)")) }
            for option in machine.options {
                guard let split = option.firstIndex(where: { $0 == "=" || $0 == " " }) else { continue }
                let value = String(option[option.index(after: split)...])
                settings.append(SSHSetting(String(option[..<split]), try bare(value)))
            }
        } else {
            // They stand as OpenSSH writes them, and are read by it again. What is named above was among them.
            let known = Set(settings.map { $0.keyword.lowercased() })
            for setting in host.settings
            where settingsTaken.contains(setting.keyword) && !known.contains(setting.keyword) && setting.value != "none"
            {
                settings.append(SSHSetting(setting.keyword, try bare(setting.value)))
            }
        }
        settings.append(SSHSetting("ConnectTimeout", "\(max(1, machine.connectTimeout.microseconds / 1_000_000))"))
        return ["Host \(host.name) \(host.node)"] + settings.map { "    \($0.keyword) \($0.value)" } + [""]
    }

    // MARK: Words

    /// A word that a configuration takes as it stands.
    private static func word(_ text: String) throws(SSHTextError) -> String {
        guard !text.isEmpty, text.allSatisfy({ !$0.isWhitespace && $0 != "\"" && $0 != "\0" && $0 != "#" }) else {
            throw SSHTextError(message: "'\(line(text))' cannot stand in an OpenSSH configuration")
        }
        return text.replacing("%", with: "%%")
    }

    /// The rest of a line.
    private static func bare(_ text: String) throws(SSHTextError) -> String {
        guard text.allSatisfy({ !$0.isNewline && $0 != "\0" }) else {
            throw SSHTextError(message: "'\(line(text))' cannot stand in an OpenSSH configuration")
        }
        return text
    }

    /// A path, with blanks or without.
    private static func quoted(_ text: String, tokens: Bool) throws(SSHTextError) -> String {
        guard text.allSatisfy({ !$0.isNewline && $0 != "\"" && $0 != "\0" && $0 != "\\" }) else {
            throw SSHTextError(message: "the path '\(line(text))' cannot stand in an OpenSSH configuration")
        }
        return "\"\(tokens ? text.replacing("%", with: "%%") : text)\""
    }
}

/// A text that OpenSSH could not read back.
private struct SSHTextError: Error {
    var message: String
}
