internal import MusterCore

/// Containers: the step `podman`.
extension LabReader {
    mutating func readPodman(_ entry: YamlNode.Entry, _ user: User) -> ProvisionStep.Kind? {
        let errors = sink.errorCount
        guard let fields = fields(entry.value, LabKeys.podman, of: "'podman'", at: entry.keySpan) else { return nil }
        let run = fields["run"].flatMap { command($0, user) }
        var container = ContainerMachine(image: "")
        if let entry = fields["image"], let image = text(entry, wants: "the name of an image") {
            container.image = image
            checkWord(image, "image", entry.value.span)
        }
        container.command = fields["command"].map { texts($0, wants: "a word", mayBeSingle: false).map(\.text) }
        if let entry = fields["command"], fields["run"] != nil {
            let hint = "with 'run' the container only waits, and the command is run in it"
            sink.add(entry.keySpan, "'command' and 'run' do not go together", hint: hint)
        }
        container.environment = fields["env"].map { readEnvironment($0) } ?? [:]
        let volumes = fields["volumes"].map { texts($0, wants: "a volume", mayBeSingle: false) } ?? []
        for (volume, span) in volumes {
            if let volume = self.volume(volume, span) { container.volumes.append(volume) }
        }
        let ports = fields["ports"].map { texts($0, wants: "a port", mayBeSingle: false) } ?? []
        for (port, span) in ports {
            if Self.isPort(port) {
                container.ports.append(port)
            } else {
                let hint = "such as 8080:80, 127.0.0.1:8080:80 or 5353:53/udp"
                sink.add(span, "'\(port)' leads to no port of the container", hint: hint)
            }
        }
        container.network = fields["network"].flatMap { word($0, "a network, 'none' or 'host'") }
        container.user = fields["user"].flatMap { word($0, "a user") }
        container.memory = fields["memory"].flatMap { size($0, example: "512MiB") }
        container.cpus = fields["cpus"].flatMap { number($0, LabKeys.cpus) }
        container.pids = fields["pids"].flatMap { integer($0, 1...LabKeys.pidsMax) }
        container.isPrivileged = fields["rights"].flatMap { choice($0.value, key: $0.key, LabKeys.rights) } == "all"
        container.pull = fields["pull"].flatMap { choice($0, ContainerMachine.Pull.self) } ?? .never
        container.awaitsHealth =
            fields["health"].flatMap { choice($0.value, key: $0.key, LabKeys.health) } == "await"
        return sink.errorCount > errors ? nil : .machine(.podman(container), run: run)
    }

    private mutating func readEnvironment(_ entry: YamlNode.Entry) -> [String: String] {
        var values: [String: String] = [:]
        for entry in named(entry, "values") ?? [] {
            let isName = entry.key.utf8.enumerated().allSatisfy { index, byte in
                switch byte {
                case 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"): true
                case 0x30...0x39: index > 0
                default: false
                }
            }
            guard isName, !entry.key.isEmpty, !entry.key.hasPrefix("m_") else {
                let hint = "letters, digits and '_'; none begins with 'm_'"
                sink.add(entry.keySpan, "'\(entry.key)' is no name for a variable of a container", hint: hint)
                continue
            }
            if entry.value.isNull {
                values[entry.key] = ""
            } else if let raw = scalar(entry.value, key: entry.key, wants: "a value") {
                values[entry.key] = plainText(raw, entry.value)
            }
        }
        return values
    }

    private mutating func word(_ entry: YamlNode.Entry, _ wants: String) -> String? {
        guard let text = text(entry, wants: wants) else { return nil }
        return checkWord(text, entry.key, entry.value.span) ? text : nil
    }

    /// What podman would take for an option, or for more than one word, is none.
    @discardableResult
    private mutating func checkWord(_ text: String, _ key: String, _ span: Span) -> Bool {
        let isPlain = !text.hasPrefix("-") && text.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F }
        if !isPlain { sink.add(span, "'\(key)' wants one word that does not begin with '-', not '\(text)'") }
        return isPlain
    }

    /// `SOURCE:/TARGET[:options]`; a source that begins with `./` is of the lab's folder.
    private mutating func volume(_ text: String, _ span: Span) -> String? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard (2...3).contains(parts.count), !parts[0].isEmpty, !parts[0].hasPrefix("-"), parts[1].hasPrefix("/"),
            !text.unicodeScalars.contains(where: { $0.value < 0x20 })
        else {
            let hint = "such as data:/var/lib/data, /srv/www:/www:ro or ./conf:/etc/app:ro"
            sink.add(span, "'\(text)' is no volume of a container", hint: hint)
            return nil
        }
        return text
    }

    /// `[ADDRESS:]HOST:CONTAINER[/udp]`
    private static func isPort(_ text: String) -> Bool {
        var parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 1 || parts.count == 2 && ["tcp", "udp"].contains(parts[1]) else { return false }
        parts = parts[0].split(separator: ":", omittingEmptySubsequences: false)
        guard (2...3).contains(parts.count) else { return false }
        if parts.count == 3, parts[0].split(separator: ".").compactMap({ UInt8($0) }).count != 4 { return false }
        return parts.suffix(2).allSatisfy { part in
            guard let number = Int(part), !part.hasPrefix("+") else { return false }
            return (1...LabKeys.portMax).contains(number)
        }
    }

    /// Bytes with a unit: `512MiB`.
    mutating func size(_ entry: YamlNode.Entry, example: String) -> Int64? {
        let wants = "a size with a unit (B, KiB, MiB, GiB), such as \(example)"
        guard let text = text(entry, wants: wants) else { return nil }
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let shifts = ["B": 0, "KiB": 10, "MiB": 20, "GiB": 30]
        guard let number = Int64(digits), number > 0, let shift = shifts[String(text.dropFirst(digits.count))],
            number <= (1 << 50) >> Int64(shift)
        else {
            sink.add(entry.value.span, "'\(entry.key)' wants \(wants), not '\(text)'")
            return nil
        }
        return number << Int64(shift)
    }
}
