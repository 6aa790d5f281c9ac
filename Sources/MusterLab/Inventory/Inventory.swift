/// Hosts by name with their variables, in groups: what an Ansible inventory says, as far as connections want it.
///
/// Read from either of Ansible's formats, INI and YAML, by the rules of its documentation: a host's own variables go
/// before those of its groups, a child group's before its parent's, and among groups of one depth the later name's.
package struct Inventory: Hashable, Sendable {
    package struct Group: Hashable, Sendable {
        package var hosts: [String] = []
        package var children: [String] = []
        package var variables: [String: String] = [:]
        package init() {}
    }

    /// In the order in which they are first named.
    package private(set) var hostNames: [String] = []
    package private(set) var hosts: [String: [String: String]] = [:]
    package private(set) var groups: [String: Group] = [:]

    package static let hostsMax = 10_000
    package static let bytesMax = 4 << 20
    /// Groups in groups go no deeper.
    static let depthMax = 50

    package init() {}

    mutating func add(host: String, _ variables: [String: String], to group: String?) {
        if hosts[host] == nil { hostNames.append(host) }
        hosts[host, default: [:]].merge(variables) { $1 }
        guard let group, groups[group]?.hosts.contains(host) != true else { return }
        groups[group, default: Group()].hosts.append(host)
    }

    mutating func add(group: String) { groups[group, default: Group()] = groups[group] ?? Group() }

    mutating func add(child: String, to group: String) {
        add(group: child)
        guard groups[group]?.children.contains(child) != true else { return }
        groups[group, default: Group()].children.append(child)
    }

    mutating func set(_ name: String, _ value: String, of group: String) {
        groups[group, default: Group()].variables[name] = value
    }

    /// The hosts of a group and of those in it, in the order of the file; nil when there is no such group. `all` are
    /// all.
    package func hosts(in group: String) -> [String]? {
        if group == "all" { return hostNames }
        guard groups[group] != nil else { return nil }
        var found: Set<String> = []
        var seen: Set<String> = []
        var open = [group]
        while let name = open.popLast() {
            guard seen.insert(name).inserted, let group = groups[name] else { continue }
            found.formUnion(group.hosts)
            open += group.children
        }
        return hostNames.filter(found.contains)
    }

    /// Everything that is said of each host, by the rules of precedence.
    package func variables() -> [String: [String: String]] {
        var depths: [String: Int] = [:]
        func deepen(_ name: String, _ depth: Int) {
            guard depth <= Self.depthMax, depths[name, default: -1] < depth else { return }
            depths[name] = depth
            for child in groups[name]?.children ?? [] { deepen(child, depth + 1) }
        }
        for name in groups.keys.sorted() { deepen(name, name == "all" ? 0 : 1) }
        var merged: [String: [String: String]] = [:]
        let order = groups.keys.sorted { (depths[$0] ?? 0, $0) < (depths[$1] ?? 0, $1) }
        for name in order {
            guard let own = groups[name]?.variables, !own.isEmpty else { continue }
            for host in hosts(in: name) ?? [] { merged[host, default: [:]].merge(own) { $1 } }
        }
        for (host, own) in hosts { merged[host, default: [:]].merge(own) { $1 } }
        return merged
    }
}

/// Names with ranges, as inventories write many hosts in one: `web[01:10]`, `db-[a:f].example.org`, `n[0:9:3]`.
enum HostRange {
    /// The names that it stands for; nil when a range is none. At most `limit`.
    static func names(_ pattern: String, limit: Int = Inventory.hostsMax) -> [String]? {
        var names = [""]
        var rest = pattern[...]
        while let open = rest.firstIndex(of: "[") {
            guard let close = rest[open...].firstIndex(of: "]") else { return nil }
            let parts = rest[rest.index(after: open)..<close].split(separator: ":", omittingEmptySubsequences: false)
            guard let words = words(parts), names.count * words.count <= limit else { return nil }
            let text = rest[..<open]
            names = names.flatMap { name in words.map { name + text + $0 } }
            rest = rest[rest.index(after: close)...]
        }
        if rest.contains("]") { return nil }
        return names.map { $0 + rest }
    }

    private static func words(_ parts: [Substring]) -> [String]? {
        guard (2...3).contains(parts.count), let step = parts.count == 3 ? Int(parts[2]) : 1, step > 0 else {
            return nil
        }
        if let from = Int(parts[0]), let to = Int(parts[1]), from >= 0, from <= to, to - from < Inventory.hostsMax {
            // A leading zero says how wide all of them are.
            let width = parts[0].hasPrefix("0") ? parts[0].count : 0
            return stride(from: from, through: to, by: step).map { number in
                let digits = String(number)
                return String(repeating: "0", count: max(0, width - digits.count)) + digits
            }
        }
        guard let from = letter(parts[0]), let to = letter(parts[1]), from <= to else { return nil }
        return stride(from: from, through: to, by: step).map { String(UnicodeScalar(UInt8($0))) }
    }

    private static func letter(_ text: Substring) -> Int? {
        guard text.utf8.count == 1, let byte = text.utf8.first,
            (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
        else { return nil }
        return Int(byte)
    }
}
