import Foundation
import MusterCore
import MusterDrivers

/// What `template`, `script` and `ansible` need, put together on the conductor's thread.
extension CommandBuilder {
    // MARK: Templates

    /// A template with its values, to be filled in wherever that may take a while.
    func filling(_ template: TemplateFile) throws(StepError) -> TemplateFilling {
        var known: [String: String] = [:]
        for reference in template.references {
            guard let name = reference.segment.reference else { continue }
            do throws(StepError) {
                known[name] = try resolve(Template(segments: [reference.segment]), quoted: false).text
            } catch {
                throw StepError(error.code, "\(template.from):\(reference.line): \(error.message)")
            }
        }
        return TemplateFilling(template: template, path: archive.keptPath(of: template.from, in: spec), known: known)
    }

    // MARK: Scripts

    func script(_ script: ScriptCall, timeout: Duration) throws(StepError) -> Command {
        let copy = Self.labFolder + "/" + Self.inside(script.file)
        let path = isRemote ? remoteFolder + "/" + Self.inside(script.file) : directory + "/" + copy
        var words = [path]
        for argument in script.arguments { words.append(try resolve(argument, quoted: false).text) }
        var command = Command(
            .arguments(words),
            environment: try environment(),
            timeout: timeout,
            leftovers: .keep
        )
        for (name, template) in script.environment {
            let value = try resolve(template, quoted: false).text
            if template.secrets.isEmpty { command.environment[name] = value } else { command.secrets[name] = value }
            // A secret in a longer text may be printed alone.
            command.masked.formUnion(template.secrets.compactMap { surroundings.secret($0) })
        }
        command.masked.subtract(command.secrets.values)
        for name in command.secrets.keys { command.environment[name] = nil }
        command.files = [
            FileContent(source: .path(archive.path(of: script.file, in: spec)), to: copy, mode: 0o700)
        ]
        return command
    }

    // MARK: Playbooks

    /// A playbook for this node: what ansible is told, but how it reaches the node, which the driver says.
    func play(_ play: AnsiblePlay, timeout: Duration) throws(StepError) -> Play {
        var variables: [String: Any] = [:]
        var secrets: [String: String] = [:]
        for (name, variable) in play.variables {
            if variable.isJSON {
                let text = Array(variable.value.source.utf8)
                variables[name] = try? JSONSerialization.jsonObject(with: Data(text), options: .fragmentsAllowed)
            } else if variable.value.secrets.isEmpty {
                variables[name] = try resolve(variable.value, quoted: false).text
            } else {
                variables[name] = try expression(variable.value, &secrets)
            }
        }
        let inventory = inventory()
        var words = [
            "ansible-playbook", "--inventory", Play.folder + "/" + Play.hosts, "--limit", inventory.host,
            "--extra-vars", "@" + Play.folder + "/" + Play.variables,
        ]
        if !play.tags.isEmpty { words += ["--tags", play.tags.joined(separator: ",")] }
        words.append(try archive.unchangedPath(of: play.playbook, in: spec))
        var command = Command(
            .arguments(words),
            environment: try environment(ofHost: true),
            secrets: secrets,
            timeout: timeout,
            // Connections that ansible has left open are of no use to anybody else.
            leftovers: isRemote ? .end : .keep
        )
        let settings = [
            "ANSIBLE_NOCOLOR": "1", "ANSIBLE_RETRY_FILES_ENABLED": "0", "ANSIBLE_LOCALHOST_WARNING": "0",
            "PYTHONUNBUFFERED": "1",
        ]
        command.environment.merge(settings) { $1 }
        let own = spec.labDirectory + "/ansible.cfg"
        if command.environment["ANSIBLE_CONFIG"] == nil, access(own, R_OK) == 0 {
            command.environment["ANSIBLE_CONFIG"] = own
        }
        command.files = [
            FileContent(
                source: .bytes(AnsibleInventory.json(variables)),
                to: Play.folder + "/" + Play.variables,
                mode: 0o600
            )
        ]
        return Play(command: command, inventory: inventory)
    }

    /// A text with secrets as ansible evaluates it: they stand in the environment alone, and in no file.
    private func expression(_ template: Template, _ secrets: inout [String: String]) throws(StepError) -> String {
        var parts: [String] = []
        for segment in template.segments {
            let text = try resolve(Template(segments: [segment]), quoted: false).text
            guard case .secret(let name) = segment else {
                let escaped = text.replacing("\\", with: "\\\\").replacing("'", with: "\\'").replacing(
                    "\n",
                    with: "\\n"
                )
                parts.append("'\(escaped)'")
                continue
            }
            let variable = "MUSTER_SECRET_" + CommandBuilder.variableName(name)
            secrets[variable] = text
            parts.append("lookup('ansible.builtin.env', '\(variable)')")
        }
        return "{{ " + parts.joined(separator: " ~ ") + " }}"
    }

    /// This node, and for their variables those of the groups it needs.
    private func inventory() -> AnsibleInventory {
        var inventory = AnsibleInventory(node: node)
        let needs = Set(spec.groups.first { $0.name == node.name.group }?.needs.map(\.group) ?? [])
        for group in spec.groups where needs.contains(group.name) && group.hasNodes {
            for index in 0..<group.count {
                if let row = find(NodeName(group: group.name, index: index)) { inventory.others.append(row) }
            }
        }
        return inventory
    }
}

/// A template and the values that are put into it.
struct TemplateFilling: Sendable {
    let template: TemplateFile
    /// Of the copy that was kept.
    let path: String
    let known: [String: String]

    /// Reads the copy and fills it in; what comes of it is only returned.
    func content() throws(StepError) -> FileContent {
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw StepError(.file, "'\(template.from)' cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { try? file.close() }
        guard let data = try? file.read(upToCount: TemplateFile.bytesMax + 1) ?? Data(),
            data.count <= TemplateFile.bytesMax, let text = String(validating: data, as: UTF8.self)
        else {
            throw StepError(.file, "'\(template.from)' is not what it was when the lab was read")
        }
        let rendered = try template.rendered(text, known: known)
        return FileContent(source: .bytes(Array(rendered.utf8)), to: template.to, mode: template.mode)
    }
}

/// A playbook with all that ansible is told.
struct Play: Sendable {
    /// The folder, where ansible runs, of what it is given.
    static let folder = "muster-ansible"
    static let hosts = "hosts.json"
    static let variables = "vars.json"

    let command: Command
    let inventory: AnsibleInventory

    /// The command with the inventory, when it is known how the node is reached.
    func command(reaching variables: [String: String]) -> Command {
        var command = command
        command.files.append(
            FileContent(source: .bytes(inventory.text(variables)), to: Self.folder + "/" + Self.hosts, mode: 0o600)
        )
        return command
    }
}

/// The hosts that ansible is told of: one node to reach, and others whose variables it may read.
struct AnsibleInventory: Sendable {
    let node: NodeRow
    var others: [NodeRow] = []

    init(node: NodeRow) { self.node = node }

    /// What the node is called in it: `app-0`.
    var host: String { Self.host(node.name) }

    private static func host(_ name: NodeName) -> String { "\(name.group)-\(name.index)" }

    /// As a file in JSON, which ansible reads as YAML.
    ///
    /// - Parameter reach: how the node is reached.
    func text(_ reach: [String: String]) -> [UInt8] {
        var groups: [String: [String: [String: String]]] = [:]
        for row in others + [node] {
            var variables = ["muster_node": row.name.description, "muster_group": row.name.group]
            for (field, value) in row.facts { variables["muster_" + Self.word(field)] = value }
            if row.id == node.id { variables.merge(reach) { $1 } }
            groups[Self.word(row.name.group), default: [:]][Self.host(row.name)] = variables
        }
        return Self.json(["all": ["children": groups.mapValues { ["hosts": $0] }]])
    }

    /// Names of variables and groups are letters, digits and `_`.
    private static func word(_ name: String) -> String {
        String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    }

    static func json(_ object: [String: Any]) -> [UInt8] {
        let options: JSONSerialization.WritingOptions = [.sortedKeys, .withoutEscapingSlashes]
        let data = try? JSONSerialization.data(withJSONObject: object, options: options)
        return Array(data ?? Data("{}".utf8))
    }
}
