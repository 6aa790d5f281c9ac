package import MusterCore

extension SSHHost {
    /// What stands before the destination in every call of `ssh` to the host, whoever makes it.
    ///
    /// - Parameter options: as `ssh -o` takes them; they go before the host's own.
    package func arguments(_ options: [String]) -> [String] {
        var list: [String] = []
        if let configFile { list += ["-F", configFile] }
        if let user { list += ["-l", user] }
        if let port { list += ["-p", "\(port)"] }
        if let identityFile { list += ["-i", identityFile, "-o", "IdentitiesOnly=yes"] }
        if let knownHostsFile {
            list += ["-o", "UserKnownHostsFile=\"\(knownHostsFile)\"", "-o", "GlobalKnownHostsFile=/dev/null"]
        }
        for option in options + Self.options(connectTimeout) + self.options { list += ["-o", option] }
        return list
    }

    private static func options(_ connectTimeout: Duration) -> [String] {
        [
            "ConnectTimeout=\(max(1, connectTimeout.microseconds / 1_000_000))", "ServerAliveInterval=15",
            "ServerAliveCountMax=3", "ForwardX11=no", "ForwardAgent=no", "ClearAllForwardings=yes",
            "RemoteCommand=none", "PermitLocalCommand=no", "LogLevel=ERROR",
        ]
    }
}

extension SSHHost {
    /// What OpenSSH makes of the destination, by its own and the user's configuration; nothing where it does not say.
    package func settings() async -> [SSHSetting] {
        var list = ["ssh", "-G"]
        if let configFile { list += ["-F", configFile] }
        if let user { list += ["-l", user] }
        if let port { list += ["-p", "\(port)"] }
        for option in options { list += ["-o", option] }
        let request = ChildProcess.Request(arguments: list + ["--", destination], within: .seconds(5))
        guard let end = try? await ChildProcess.run(request), end.succeeded else { return [] }
        return String(decoding: end.output, as: UTF8.self).split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ", maxSplits: 1)
            return words.count == 2 ? SSHSetting(String(words[0]), String(words[1])) : nil
        }
    }
}
