/// Drafts of labs on hosts that exist already.
package enum InventoryDraft {
    /// What is said of hosts that a pool understands (`LabReader+Hosts`).
    static let known: Set<String> = [
        "ansible_host", "ansible_ssh_host", "ansible_user", "ansible_ssh_user", "ansible_port", "ansible_ssh_port",
        "ansible_ssh_private_key_file", "ansible_private_key_file", "ansible_connection",
    ]

    /// - Parameters:
    ///   - path: the file as the lab is to name it.
    ///   - name: of the lab.
    /// - Throws: what is wrong with the inventory.
    package static func draft(
        inventory bytes: [UInt8],
        file: String,
        path: String,
        name: String
    ) throws(LabError)
        -> LabDraft
    {
        let inventory = try InventoryReader.read(bytes, file: file)
        guard !inventory.hostNames.isEmpty else {
            throw LabError([Diagnostic(file: file, message: "the inventory names no hosts")])
        }
        let lines = Lines(bytes)
        var leftOut: [LabDraft.LeftOut] = []
        var pools: [(group: String?, hosts: [String])] = []
        for group in inventory.groups.keys.sorted() where group != "all" && group != "ungrouped" {
            let hosts = inventory.hosts(in: group) ?? []
            if hosts.isEmpty {
                leftOut.append(
                    LabDraft.LeftOut(line: lines.of(group), what: "group \(group)", reason: "it has no hosts")
                )
            } else {
                pools.append((group, hosts))
            }
        }
        let grouped = Set(pools.flatMap(\.hosts))
        if pools.isEmpty { pools = [(nil, inventory.hostNames)] }
        var text = head(name, "an inventory")
        text.add(0, "pools:")
        var names = DraftNames()
        var groups = DraftText()
        var seen: Set<String> = []
        for (group, hosts) in pools {
            let title = names.name(group ?? "hosts", orElse: "hosts")
            text.add(1, "\(title):")
            text.add(2, "inventory: \(DraftText.value(path))")
            if let group { text.add(2, "group: \(DraftText.value(group))") }
            let shared = hosts.filter { seen.contains($0) }
            seen.formUnion(hosts)
            groups.add(1, "\(title):")
            if !shared.isEmpty {
                let all = shared.count == hosts.count ? "all of its hosts" : "\(shared.count) of its hosts"
                groups.comment(2, "\(all) are in a group above too; a host is one node at a time")
            }
            groups.add(2, "count: \(max(1, hosts.count - shared.count))")
            groups.add(2, "provision:")
            groups.add(3, "- ssh: { pool: \(title) }")
        }
        text.add(0, "groups:")
        for line in groups.lines { text.add(0, line) }
        for host in inventory.hostNames where !grouped.isEmpty && !grouped.contains(host) {
            let reason = "it is in no group: give it one, or a pool with 'hosts'"
            leftOut.append(LabDraft.LeftOut(line: lines.of(host), what: "host \(host)", reason: reason))
        }
        leftOut += variables(inventory, lines)
        return LabDraft(text: text.text, leftOut: leftOut)
    }

    private static func variables(_ inventory: Inventory, _ lines: Lines) -> [LabDraft.LeftOut] {
        var names: Set<String> = []
        for values in inventory.hosts.values { names.formUnion(values.keys) }
        for group in inventory.groups.values { names.formUnion(group.variables.keys) }
        return names.subtracting(known).sorted().map { name in
            let isSecret = ["pass", "secret", "token", "vault"].contains { name.lowercased().contains($0) }
            let reason =
                isSecret
                ? "it looks like a secret and is not copied: give it to a command as ${secret.\(name)}"
                : "it says nothing of how a host is reached: the lab may have it in 'vars'"
            return LabDraft.LeftOut(line: lines.of(name), what: "variable \(name)", reason: reason)
        }
    }

    /// - Parameter path: the file as the lab is to name it.
    package static func draft(
        configuration bytes: [UInt8],
        file: String,
        path: String,
        name: String
    ) throws(LabError)
        -> LabDraft
    {
        let hosts = InventoryReader.hosts(inConfiguration: bytes)
        guard !hosts.isEmpty else {
            let hint = "patterns such as 'Host *' name none"
            throw LabError([Diagnostic(file: file, message: "the configuration names no hosts", hint: hint)])
        }
        var text = head(name, "a configuration of OpenSSH")
        text.add(0, "pools:")
        text.add(1, "hosts:")
        text.add(2, "config: \(DraftText.value(path))")
        text.add(0, "groups:")
        text.add(1, "host:")
        text.add(2, "count: \(hosts.count)")
        text.add(2, "provision:")
        text.add(3, "- ssh: { pool: hosts }")
        return LabDraft(text: text.text, leftOut: [])
    }

    static func head(_ name: String, _ source: String) -> DraftText {
        var text = DraftText()
        text.comment(0, "A draft, made of \(source) by 'muster init --from'. 'muster plan' shows what it would do.")
        text.add(0, "muster: 1")
        text.add(0, "lab: \(NameText.repaired(name) ?? "draft")")
        return text
    }

    /// Where words stand in a file.
    private struct Lines {
        private let lines: [Substring]

        init(_ bytes: [UInt8]) {
            lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        }

        func of(_ word: String) -> Int? {
            lines.firstIndex { line in
                line.split { !($0.isLetter || $0.isNumber || "._-".contains($0)) }.contains { $0 == word }
            }.map { $0 + 1 }
        }
    }
}
