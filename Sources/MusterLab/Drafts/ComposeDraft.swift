/// Drafts of labs of containers, from a compose file: its services become groups of `podman`.
package struct ComposeDraft {
    /// - Parameter name: of the lab, where the file has none.
    /// - Throws: what is wrong with the file as YAML, or that it has no services.
    package static func draft(_ bytes: [UInt8], file: String, name: String) throws(LabError) -> LabDraft {
        guard bytes.count <= LabParser.bytesMax, LabParser.firstInvalidByte(bytes) == nil else {
            throw LabError([Diagnostic(file: file, message: "the file is larger than 4 MiB, or is not UTF-8")])
        }
        var sink = DiagnosticSink(SourceText(file: file, bytes: bytes))
        let root = YamlComposer.compose(into: &sink)
        guard sink.errorCount == 0 else { throw LabError(sink.sorted, omitted: sink.omitted) }
        let top = root.map(Self.entries) ?? []
        let services = top.first { $0.key == "services" }.map { Self.entries($0.value) } ?? []
        guard !services.isEmpty else {
            let hint = "a compose file has 'services:' with a service or more"
            throw LabError([Diagnostic(file: file, message: "the file has no services", hint: hint)])
        }
        var draft = ComposeDraft(services)
        draft.readTop(top)
        for service in services { draft.read(service) }
        var text = InventoryDraft.head(
            top.first { $0.key == "name" }.flatMap { scalar($0.value) } ?? name,
            "a compose file"
        )
        if !draft.variables.isEmpty {
            text.comment(0, "They were variables of the environment; 'muster up --var NAME=VALUE' sets one.")
            text.add(0, "vars:")
            for variable in draft.variables.sorted() { text.add(1, "\(variable): \"\"") }
        }
        text.add(0, "groups:")
        for line in draft.groups.lines { text.add(0, line) }
        return LabDraft(
            text: text.text,
            leftOut: draft.leftOut.sorted { ($0.line ?? 0, $0.what) < ($1.line ?? 0, $1.what) }
        )
    }

    private let names: [String: String]
    private let healthy: Set<String>
    private var groups = DraftText()
    private var variables: Set<String> = []
    private var leftOut: [LabDraft.LeftOut] = []

    private init(_ services: [YamlNode.Entry]) {
        var taken = DraftNames()
        var names: [String: String] = [:]
        for service in services { names[service.key] = taken.name(service.key, orElse: "service") }
        self.names = names
        healthy = Set(
            services.filter { service in Self.entries(service.value).contains { $0.key == "healthcheck" } }.map(\.key)
        )
    }

    // MARK: Nodes of YAML

    /// The entries of a mapping, with those that `<<` brings.
    static func entries(_ node: YamlNode) -> [YamlNode.Entry] {
        guard case .mapping(let entries) = node.value else { return [] }
        let own = entries.filter { $0.key != "<<" }
        var all = own
        for merge in entries where merge.key == "<<" {
            var bases = [merge.value]
            if case .sequence(let several) = merge.value.value { bases = several }
            // A merge in a merged mapping is that mapping's matter; aliases do not form cycles.
            for base in bases {
                for entry in Self.entries(base) where !all.contains(where: { $0.key == entry.key }) {
                    all.append(entry)
                }
            }
        }
        return all
    }

    static func scalar(_ node: YamlNode) -> String? {
        guard case .scalar(let text, _) = node.value, !node.isNull else { return nil }
        return text
    }

    static func items(_ node: YamlNode) -> [YamlNode] {
        if case .sequence(let nodes) = node.value { nodes } else { [] }
    }

    private mutating func leave(_ line: Int, _ what: String, _ reason: String) {
        leftOut.append(LabDraft.LeftOut(line: line, what: what, reason: reason))
    }

    /// A text in which no variable is left; nil when there is one, which is told.
    private mutating func plain(_ node: YamlNode, _ what: String) -> String? {
        guard let raw = Self.scalar(node) else { return nil }
        let text = ComposeText(raw)
        guard text.variables.isEmpty else {
            leave(
                node.span.start.line,
                what,
                "it has the variable \(text.variables[0]) without a default: write it by hand"
            )
            return nil
        }
        return text.text
    }

    private mutating func readTop(_ top: [YamlNode.Entry]) {
        for entry in top {
            let line = entry.keySpan.start.line
            switch entry.key {
            case "services", "name", "version", "volumes": continue
            case "networks":
                leave(line, entry.key, "containers of a lab share podman's network: 'network' of a step names another")
            case "secrets", "configs":
                leave(line, entry.key, "secrets are ${secret.x}, files are put by a step 'files'")
            case let key where key.hasPrefix("x-"): continue
            default: leave(line, entry.key, "a lab has nothing like it")
            }
        }
    }

    // MARK: A service

    /// What is read of a service, in the order of the draft.
    private struct Service {
        var title: String
        var step: [(key: String, value: String)] = []
        var environment: [(name: String, value: String)] = []
        var secrets: [String] = []
        var needs: [String] = []
        var count = 1
        var ready: String?
        var within: String?
        var ports: [String] = []
        var portsLine = 0
        var image: String?
    }

    private mutating func read(_ entry: YamlNode.Entry) {
        var service = Service(title: entry.key)
        for field in Self.entries(entry.value) { read(field, into: &service) }
        let line = entry.keySpan.start.line
        let group = names[entry.key] ?? "service"
        groups.add(1, "\(group):")
        if group != entry.key { groups.comment(2, "the service '\(entry.key)'") }
        if service.count > 1 { groups.add(2, "count: \(service.count)") }
        if !service.needs.isEmpty { groups.add(2, "needs: [\(service.needs.joined(separator: ", "))]") }
        groups.add(2, "provision:")
        groups.add(3, "- podman:")
        if service.image == nil {
            leave(line, "services.\(entry.key)", "it names no image: the draft says localhost/\(group)")
        }
        groups.add(5, "image: \(DraftText.quoted(service.image ?? "localhost/\(group)"))")
        for (key, value) in service.step { groups.add(5, "\(key): \(value)") }
        if service.count > 1, !service.ports.isEmpty {
            leave(
                service.portsLine,
                "services.\(entry.key).ports",
                "\(service.count) containers cannot have one port of the host"
            )
        } else if !service.ports.isEmpty {
            groups.add(5, "ports: \(DraftText.list(service.ports))")
        }
        groups.add(5, "pull: missing")
        if !service.environment.isEmpty {
            groups.add(5, "env:")
            for (name, value) in service.environment { groups.add(6, "\(name): \(DraftText.quoted(value))") }
        }
        for name in service.secrets {
            let secret = name.lowercased()
            groups.comment(3, "\(name) looks like a secret, and 'env' takes none. A command may have it:")
            groups.comment(3, "- run: ./set-up.sh ${secret.\(secret)}   (MUSTER_SECRET_\(name.uppercased()))")
        }
        if let ready = service.ready {
            groups.add(2, "ready:")
            groups.add(3, "- run: \(DraftText.quoted(ready))")
            if let within = service.within { groups.add(4, "within: \(within)") }
        }
    }

    private mutating func read(_ field: YamlNode.Entry, into service: inout Service) {
        let what = "services.\(service.title).\(field.key)"
        let line = field.keySpan.start.line
        let node = field.value
        switch field.key {
        case "image": service.image = plain(node, what)
        case "build":
            let reason = "build it first: podman build -t localhost/\(names[service.title] ?? "name") …"
            leave(line, what, reason)
        case "command":
            if let words = words(node, what) { service.step.append(("command", DraftText.list(words))) }
        case "environment": readEnvironment(node, what, into: &service)
        case "depends_on": readNeeds(node, what, into: &service)
        case "ports":
            service.portsLine = line
            for item in Self.items(node) { if let port = port(item, what) { service.ports.append(port) } }
        case "volumes":
            let volumes = Self.items(node).compactMap { volume($0, what) }
            if !volumes.isEmpty { service.step.append(("volumes", DraftText.list(volumes))) }
        case "healthcheck": readHealth(node, what, into: &service)
        case "scale": service.count = plain(node, what).flatMap { Int($0) } ?? 1
        case "deploy": readDeploy(node, what, into: &service)
        case "mem_limit": addLimit("memory", plain(node, what).flatMap(ComposeText.size), line, what, &service)
        case "cpus": addLimit("cpus", plain(node, what).flatMap(Self.processors), line, what, &service)
        case "pids_limit":
            let count = plain(node, what).flatMap { Int($0) }.flatMap {
                (1...LabKeys.pidsMax).contains($0) ? "\($0)" : nil
            }
            addLimit("pids", count, line, what, &service)
        case "user":
            if let user = plain(node, what), Self.isWord(user) { service.step.append(("user", DraftText.quoted(user))) }
        case "privileged": if Self.scalar(node) == "true" { service.step.append(("rights", "all")) }
        case "network_mode":
            if let mode = plain(node, what), ["host", "none"].contains(mode) {
                service.step.append(("network", mode))
            } else {
                leave(line, what, "a step names a network of podman by 'network'")
            }
        case "restart": leave(line, what, "a container that ends is a lost node; 'on-failure' says what then")
        case "env_file":
            leave(line, what, "write its variables into 'env'; secrets are given to commands as ${secret.x}")
        case "entrypoint":
            leave(line, what, "'command' of a step may name another program; 'run' runs one in a container that waits")
        case "networks": leave(line, what, "containers of a lab share podman's network")
        case "container_name", "hostname": leave(line, what, "a lab names its nodes itself")
        case let key where key.hasPrefix("x-"): return
        default: leave(line, what, "a container of a lab has nothing like it")
        }
    }

    private static func isWord(_ text: String) -> Bool {
        !text.isEmpty && !text.hasPrefix("-") && text.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F }
    }

    private static func processors(_ text: String) -> String? {
        guard let number = Double(text), LabKeys.cpus.contains(number) else { return nil }
        return number == number.rounded() ? "\(Int(number))" : "\(number)"
    }

    private mutating func addLimit(
        _ key: String,
        _ value: String?,
        _ line: Int,
        _ what: String,
        _ service: inout Service
    ) {
        guard let value else { return leave(line, what, "it is no limit that a step has: write '\(key)' by hand") }
        if !service.step.contains(where: { $0.key == key }) { service.step.append((key, value)) }
    }

    private mutating func words(_ node: YamlNode, _ what: String) -> [String]? {
        if Self.scalar(node) != nil {
            guard let text = plain(node, what) else { return nil }
            guard let words = ComposeText.words(text) else {
                leave(node.span.start.line, what, "a quote in it is not closed")
                return nil
            }
            return words
        }
        let words = Self.items(node).map { plain($0, what) }
        return words.contains(nil) ? nil : words.compactMap { $0 }
    }

    // MARK: Environment

    private mutating func readEnvironment(_ node: YamlNode, _ what: String, into service: inout Service) {
        var pairs: [(name: String, value: String?, line: Int)] = []
        for entry in Self.entries(node) {
            pairs.append((entry.key, Self.scalar(entry.value), entry.keySpan.start.line))
        }
        for item in Self.items(node) {
            guard let text = Self.scalar(item) else { continue }
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            pairs.append((parts[0], parts.count > 1 ? parts[1] : nil, item.span.start.line))
        }
        for (name, value, line) in pairs {
            let place = "\(what).\(name)"
            let isName =
                !name.isEmpty && !name.hasPrefix("m_") && name.first?.isNumber == false
                && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
            guard isName else {
                leave(line, place, "it is no name for a variable of a container")
                continue
            }
            if ComposeText.isSecret(name) || ComposeText.showsPassword(value ?? "") {
                leave(
                    line,
                    place,
                    "it looks like a secret: its value is not copied; a command may have ${secret.\(name.lowercased())}"
                )
                service.secrets.append(name)
                continue
            }
            let text = ComposeText(value ?? "${\(name)}")
            for variable in text.variables { variables.insert(variable) }
            service.environment.append((name, text.text))
        }
    }

    // MARK: Needs, health, limits

    private mutating func readNeeds(_ node: YamlNode, _ what: String, into service: inout Service) {
        var wanted: [(name: String, condition: String?, line: Int)] = Self.items(node).compactMap { item in
            Self.scalar(item).map { ($0, nil, item.span.start.line) }
        }
        for entry in Self.entries(node) {
            let condition = Self.entries(entry.value).first { $0.key == "condition" }.flatMap { Self.scalar($0.value) }
            wanted.append((entry.key, condition, entry.keySpan.start.line))
        }
        for (name, condition, line) in wanted {
            guard let group = names[name], name != service.title else {
                leave(line, "\(what).\(name)", "there is no such service")
                continue
            }
            if !service.needs.contains(group) { service.needs.append(group) }
            if condition == "service_completed_successfully" {
                leave(line, "\(what).\(name)", "a group is ready when its nodes are up; what is to end is a step 'run'")
            } else if condition == "service_healthy", !healthy.contains(name) {
                leave(
                    line,
                    "\(what).\(name)",
                    "'\(name)' has no healthcheck here: say when it is up by 'ready', or 'health: await'"
                )
            }
        }
    }

    private mutating func readHealth(_ node: YamlNode, _ what: String, into service: inout Service) {
        let fields = Self.entries(node)
        func value(_ key: String) -> YamlNode? { fields.first { $0.key == key }?.value }
        let line = node.span.start.line
        if value("disable").flatMap(Self.scalar) == "true" { return }
        guard let test = value("test") else { return leave(line, what, "it has no test") }
        if let text = Self.scalar(test) {
            service.ready = ComposeText(text).text
        } else {
            let words = Self.items(test).compactMap { Self.scalar($0) }.map { ComposeText($0).text }
            switch words.first {
            case "CMD"? where words.count > 1:
                service.ready = words.dropFirst().map(Self.quotedWord).joined(separator: " ")
            case "CMD-SHELL"? where words.count > 1: service.ready = words[1]
            case "NONE"?: return
            default: return leave(line, what, "its test is not understood")
            }
        }
        if let ready = service.ready, ready.contains("${vars.") {
            service.ready = nil
            return leave(line, what, "its test has a variable: write 'ready' by hand")
        }
        func seconds(_ key: String, _ other: Double) -> Double {
            value(key).flatMap(Self.scalar).flatMap(ComposeText.seconds) ?? other
        }
        let retries = value("retries").flatMap(Self.scalar).flatMap { Double($0) } ?? 3
        let within = seconds("start_period", 0) + (seconds("interval", 30) + seconds("timeout", 30)) * max(1, retries)
        service.within = "\(Int(min(max(within.rounded(.up), 1), 86_400)))s"
    }

    private static func quotedWord(_ word: String) -> String {
        let isPlain = word.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_./=:@,+".contains($0)) }
        return isPlain && !word.isEmpty ? word : "'" + word.replacing("'", with: #"'\''"#) + "'"
    }

    private mutating func readDeploy(_ node: YamlNode, _ what: String, into service: inout Service) {
        for field in Self.entries(node) {
            let line = field.keySpan.start.line
            switch field.key {
            case "replicas":
                if let count = plain(field.value, "\(what).replicas").flatMap({ Int($0) }), count > 0 {
                    service.count = min(count, LabKeys.countMax)
                } else {
                    leave(line, "\(what).replicas", "a group has one node or more")
                }
            case "resources":
                let limits = Self.entries(field.value).first { $0.key == "limits" }.map { Self.entries($0.value) } ?? []
                for limit in limits {
                    let place = "\(what).resources.limits.\(limit.key)"
                    let text = plain(limit.value, place)
                    let number = limit.keySpan.start.line
                    switch limit.key {
                    case "memory": addLimit("memory", text.flatMap(ComposeText.size), number, place, &service)
                    case "cpus": addLimit("cpus", text.flatMap(Self.processors), number, place, &service)
                    case "pids": addLimit("pids", text.flatMap { Int($0) }.map { "\($0)" }, number, place, &service)
                    default: leave(number, place, "a container of a lab has no such limit")
                    }
                }
            default: leave(line, "\(what).\(field.key)", "a container of a lab has nothing like it")
            }
        }
    }

    // MARK: Ports and volumes

    private mutating func port(_ node: YamlNode, _ what: String) -> String? {
        let line = node.span.start.line
        var text: String
        if Self.scalar(node) != nil {
            guard let short = plain(node, what) else { return nil }
            text = short
        } else {
            let fields = Self.entries(node)
            func value(_ key: String) -> String? { fields.first { $0.key == key }.flatMap { Self.scalar($0.value) } }
            guard let target = value("target"), let published = value("published") else {
                leave(line, what, "a port without one of the host is reached at the node's address")
                return nil
            }
            text = (value("host_ip").map { $0 + ":" } ?? "") + "\(published):\(target)"
            if let kind = value("protocol") { text += "/\(kind)" }
        }
        if text.hasSuffix("/tcp") { text.removeLast(4) }
        let numbers = text.split(separator: "/")[0].split(separator: ":", omittingEmptySubsequences: false)
        let isRight =
            (2...3).contains(numbers.count)
            && numbers.suffix(2).allSatisfy { Int($0).map { (1...LabKeys.portMax).contains($0) } == true }
            && (numbers.count == 2 || numbers[0].split(separator: ".").compactMap { UInt8($0) }.count == 4)
            && (!text.contains("/") || text.hasSuffix("/udp"))
        guard isRight else {
            let reason =
                numbers.count == 1
                ? "a port without one of the host is reached at the node's address"
                : "it is no HOST:CONTAINER that a lab has"
            leave(line, "\(what) '\(text)'", reason)
            return nil
        }
        return text
    }

    private mutating func volume(_ node: YamlNode, _ what: String) -> String? {
        let line = node.span.start.line
        var text: String
        if Self.scalar(node) != nil {
            guard let short = plain(node, what) else { return nil }
            text = short
        } else {
            let fields = Self.entries(node)
            func value(_ key: String) -> String? { fields.first { $0.key == key }.flatMap { Self.scalar($0.value) } }
            guard let source = value("source"), let target = value("target") else {
                leave(line, what, "it is no SOURCE:TARGET that a lab has")
                return nil
            }
            text = "\(source):\(target)" + (value("read_only") == "true" ? ":ro" : "")
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard (2...3).contains(parts.count), !parts[0].isEmpty, !parts[0].hasPrefix("-"), parts[1].hasPrefix("/"),
            !parts[0].hasPrefix("../"), !parts[0].hasPrefix("~"), !text.contains("${"), !text.contains("\n")
        else {
            leave(line, "\(what) '\(text)'", "it is no SOURCE:TARGET that a lab has")
            return nil
        }
        return text
    }
}
