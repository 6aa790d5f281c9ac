package import MusterCore

extension SSHHost {
    /// How ansible reaches it: by the same OpenSSH, with the same configuration, keys and check of host keys.
    package var inventoryVariables: [String: String] {
        var variables = [
            "ansible_connection": "ssh", "ansible_host": destination, "ansible_python_interpreter": "auto_silent",
        ]
        if let user { variables["ansible_user"] = user }
        if let port { variables["ansible_port"] = "\(port)" }
        var words: [String] = []
        if let configFile { words += ["-F", configFile] }
        if let identityFile {
            variables["ansible_ssh_private_key_file"] = identityFile
            words += ["-o", "IdentitiesOnly=yes"]
        }
        if let knownHostsFile {
            words += ["-o", "UserKnownHostsFile=\"\(knownHostsFile)\"", "-o", "GlobalKnownHostsFile=/dev/null"]
        }
        let seconds = max(1, connectTimeout.microseconds / 1_000_000)
        for option in ["BatchMode=yes", "ConnectTimeout=\(seconds)", "ForwardAgent=no"] + options {
            words += ["-o", option]
        }
        variables["ansible_ssh_common_args"] = words.map(Self.word).joined(separator: " ")
        return variables
    }

    /// A word as ansible splits them. Only where it must be it is quoted: a text that begins and ends with a quote
    /// loses both before it is split.
    private static func word(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: "-_=+./:,@%".utf8.contains(byte)
            }
        }
        return isPlain && !text.isEmpty ? text : ShellText.quoted(text)
    }
}
