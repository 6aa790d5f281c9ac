package import MusterCore

/// Nodes as other programs can reach them, with the writers of the formats that those read.
package struct NodeInventory: Hashable, Sendable {
    /// A node, with what is known of it.
    package struct Host: Hashable, Sendable {
        package var node: NodeName
        package var lab: String
        package var driver: String
        /// What is known of it: `address`, …
        package var facts: [String: String]
        /// nil where nothing reaches it.
        package var reach: NodeReach?
        /// Why nothing reaches it.
        package var problem: String?
        /// What OpenSSH makes of the destination by the user's own configuration, in order: `hostname`, `user`, …
        /// Empty where nobody asked it.
        package var settings: [SSHSetting]

        package init(
            node: NodeName,
            lab: String,
            driver: String,
            facts: [String: String],
            reach: NodeReach?,
            problem: String? = nil,
            settings: [SSHSetting] = []
        ) {
            self.node = node
            self.lab = lab
            self.driver = driver
            self.facts = facts
            self.reach = reach
            self.problem = problem
            self.settings = settings
        }

        package var name: String { NodeInventory.name(of: node) }
        package var address: String? { facts["address"].flatMap { $0.isEmpty ? nil : $0 } }
    }

    /// A node that a format cannot hold, and why.
    package struct LeftOut: Hashable, Sendable, Codable {
        package var node: String
        package var reason: String

        package init(node: String, reason: String) {
            self.node = node
            self.reason = reason
        }
    }

    /// What a writer makes.
    package struct Text: Hashable, Sendable {
        package var text: String
        package var leftOut: [LeftOut]
    }

    package var hosts: [Host]

    /// What other programs call a node: `app-0`. Unique in a lab, as the number has no `-`.
    package static func name(of node: NodeName) -> String { "\(node.group)-\(node.index)" }

    package init(_ hosts: [Host]) {
        self.hosts = hosts.sorted { ($0.lab, $0.node.group, $0.node.index) < ($1.lab, $1.node.group, $1.node.index) }
    }

    /// The groups in order, with their hosts.
    var groups: [(name: String, hosts: [Host])] {
        var groups: [(name: String, hosts: [Host])] = []
        for host in hosts {
            if let place = groups.firstIndex(where: { $0.name == host.node.group }) {
                groups[place].hosts.append(host)
            } else {
                groups.append((host.node.group, [host]))
            }
        }
        return groups
    }

    /// A comment that names what is not there, for formats in which `#` begins one.
    static func comments(_ leftOut: [LeftOut]) -> [String] {
        leftOut.map { "# \($0.node) is left out: \(line($0.reason))" }
    }

    /// A text without what would end a line, or is no text.
    static func line(_ text: String) -> String {
        var line = ""
        for scalar in text.unicodeScalars {
            let isControl = scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value)
            let isOdd = [0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF].contains(scalar.value)
            line.unicodeScalars.append(isControl || isOdd ? " " : scalar)
        }
        return line
    }

    // MARK: /etc/hosts

    /// Lines for `/etc/hosts`: the address, `app-0`, and `app-0.lab`.
    package func hostsFile() -> Text {
        var lines: [String] = []
        var leftOut: [LeftOut] = []
        for host in hosts {
            guard let address = host.address else {
                leftOut.append(LeftOut(node: host.node.description, reason: "it has no address"))
                continue
            }
            guard Self.isAddress(address) else {
                leftOut.append(
                    LeftOut(node: host.node.description, reason: "'\(Self.line(address))' is no numeric address")
                )
                continue
            }
            lines.append("\(address)\t\(host.name) \(host.name).\(host.lab)")
        }
        return Text(text: (Self.comments(leftOut) + lines).map { $0 + "\n" }.joined(), leftOut: leftOut)
    }

    private static func isAddress(_ text: String) -> Bool {
        if IPv4Address(text) != nil { return true }
        return text.contains(":") && text.allSatisfy { $0.isASCII && ($0.isHexDigit || $0 == ":" || $0 == ".") }
    }
}

/// A setting of OpenSSH's configuration: a keyword and its value.
package struct SSHSetting: Hashable, Sendable {
    package var keyword: String
    package var value: String

    package init(_ keyword: String, _ value: String) {
        self.keyword = keyword
        self.value = value
    }
}
