import Foundation
import MusterCore
import MusterSupervision

/// In namespaces of their own: of networks, with an address that this host and the other nodes reach, of mounts and of
/// processes.
///
/// The first process in them is the node's supervisor, so that the kernel ends and frees everything with it: there is
/// nothing to be found later but processes and, for a moment, an interface (`NodeNetwork`). An address belongs to
/// whoever holds the abstract socket of its name, whatever state that is; so it is free as soon as its holder is gone.
struct NamespacePlace: NodePlace {
    /// How many addresses a launcher is offered: others take some of them at the same time.
    private static let offeredMax = 256
    private static let triesMax = 10

    func launch(_ node: NodeHandle, _ operation: OperationID, _ launcher: NodeLauncher) async throws(LinkFailure) {
        let pool: AddressPool = if case .netns(let machine) = node.machine { machine.addresses } else { .standard }
        if let problem = Self.problem(pool) { throw .refused(.system, problem) }
        let limit = launcher.openFilesLimit.map { "\($0)" } ?? "-"
        for _ in 0..<Self.triesMax {
            let taken = Self.taken()
            var offered = pool.free(beside: taken, limit: Self.offeredMax)
            guard !offered.isEmpty else { break }
            // The same one as before, where a supervisor died.
            if let last = Self.address(in: node.directory), pool.contains(last), !taken.contains(last) {
                offered.removeAll { $0 == last }
                offered.insert(last, at: 0)
            }
            do throws(LinkFailure) {
                try await Launcher.run(
                    launcher.supervisor,
                    ["launch-apart", node.directory, operation.description, limit] + offered.map(\.description)
                )
                return
            } catch {
                guard case .refused(.system, let message) = error, message.hasPrefix(NodeNetwork.allTaken) else {
                    throw error
                }
            }
        }
        let holders = await offLoop { Self.holders() }
        throw .refused(.system, pool.exhausted(holders: holders).message)
    }

    func vacate(_ directory: String) async { await offLoop { Self.removeInterface(of: directory) } }

    // MARK: Whether it can be

    private static let networkAdministration = 12
    private static let systemAdministration = 21

    /// Why no node can be made here; nil when it can.
    static func problem(
        _ pool: AddressPool,
        capabilities: UInt64? = ownCapabilities,
        routes: [Route] = Route.all(),
        folders: [String] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
    ) -> String? {
        let wanted = [(systemAdministration, "CAP_SYS_ADMIN"), (networkAdministration, "CAP_NET_ADMIN")]
        let missing = wanted.filter { (capabilities ?? 0) >> UInt64($0.0) & 1 == 0 }.map(\.1)
        if !missing.isEmpty {
            return """
                a node of driver 'netns' needs namespaces and a network of its own, for which this process lacks \
                \(missing.joined(separator: " and ")): run muster as root, in a container with these capabilities \
                added, or use 'process:' instead, whose nodes share the host's network. Nothing was made
                """
        }
        guard folders.contains(where: { access("\($0)/ip", X_OK) == 0 }) else {
            return """
                a node of driver 'netns' is connected by the program 'ip', which is not in \
                \(folders.joined(separator: ":")): install it (Debian: iproute2). Nothing was made
                """
        }
        if let route = routes.first(where: { !$0.isDefault && !$0.isOurs && $0.overlaps(pool) }) {
            return """
                the addresses \(pool.cidr) of nodes are in use on this host: it has a route to \(route.title) by \
                '\(route.interface)'. Give the lab other ones: addresses: { cidr: 10.99.0.0/16 }. Nothing was made
                """
        }
        return nil
    }

    /// What this process may do, as the kernel says it.
    static var ownCapabilities: UInt64? {
        guard let text = ProcessTable.read("/proc/self/status", limit: 1 << 16) else { return nil }
        for line in String(decoding: text, as: UTF8.self).split(separator: "\n") where line.hasPrefix("CapEff:") {
            return UInt64(line.dropFirst(7).trimmingCharacters(in: .whitespaces), radix: 16)
        }
        return nil
    }

    /// A route of this host's.
    struct Route: Sendable {
        var interface: String
        var network: IPv4Address
        var mask: UInt32

        var isDefault: Bool { mask == 0 }
        var isOurs: Bool { NodeNetwork.isInterface(interface) }
        var title: String { "\(network)/\(mask.nonzeroBitCount)" }
        func overlaps(_ pool: AddressPool) -> Bool { pool.overlaps(network: network, mask: mask) }

        static func all() -> [Route] {
            let text = ProcessTable.read("/proc/net/route", limit: 16 << 20) ?? []
            return parsed(String(decoding: text, as: UTF8.self))
        }

        /// The lines of `/proc/net/route`, whose numbers stand in the host's order of bytes.
        static func parsed(_ text: String) -> [Route] {
            text.split(separator: "\n").dropFirst().compactMap { line in
                let fields = line.split(whereSeparator: \.isWhitespace)
                guard fields.count > 7, let network = UInt32(fields[1], radix: 16),
                    let mask = UInt32(fields[7], radix: 16)
                else { return nil }
                return Route(
                    interface: String(fields[0]),
                    network: IPv4Address(bits: UInt32(bigEndian: network)),
                    mask: UInt32(bigEndian: mask)
                )
            }
        }
    }

    // MARK: Who has which address

    /// The addresses that somebody on this host has.
    static func taken() -> Set<IPv4Address> {
        let mark = "@" + NodeAddress.socketName("")
        let text = String(decoding: ProcessTable.read("/proc/net/unix", limit: 64 << 20) ?? [], as: UTF8.self)
        var taken: Set<IPv4Address> = []
        for line in text.split(separator: "\n") {
            guard let place = line.range(of: mark), let address = IPv4Address(line[place.upperBound...]) else {
                continue
            }
            taken.insert(address)
        }
        return taken
    }

    /// The nodes' folders, by their addresses.
    static func holders() -> [IPv4Address: String] {
        var holders: [IPv4Address: String] = [:]
        for address in taken() { holders[address] = "somebody" }
        for process in ProcessTable.all() where !process.isDead {
            let variables = ProcessTable.variables([Markers.supervisor], of: process.pid)
            guard let directory = variables[Markers.supervisor], let address = address(in: directory) else { continue }
            if holders[address] != nil { holders[address] = directory }
        }
        return holders
    }

    /// The address that the supervisor of a node has, or had.
    static func address(in directory: String) -> IPv4Address? {
        OperationRecord.address(in: directory).flatMap { IPv4Address($0) }
    }

    // MARK: What is left

    /// Takes away the host's end of a node's network where the kernel has not yet.
    private static func removeInterface(of directory: String) {
        guard let address = address(in: directory) else { return }
        let name = NodeNetwork.interface(of: address.bits)
        let alias = NodeNetwork.alias(of: directory)
        func isThere() -> Bool {
            guard let text = ProcessTable.read("/sys/class/net/\(name)/ifalias", limit: 512) else { return false }
            return text.prefix { $0 != UInt8(ascii: "\n") }.elementsEqual(alias.utf8)
        }
        // Whoever holds the address has removed what was there before.
        guard isThere(), let hold = AddressHold(address) else { return }
        defer { withExtendedLifetime(hold) {} }
        guard isThere() else { return }
        try? Launcher.runBlocking(
            "/usr/bin/env",
            ["PATH=/usr/sbin:/sbin:/usr/bin:/bin", "ip", "link", "delete", "dev", name]
        )
    }
}

/// An address that is held so that nobody takes it meanwhile.
final class AddressHold {
    private let descriptor: Int32

    /// nil when somebody has it.
    init?(_ address: IPv4Address) {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        var place = sockaddr_un()
        place.sun_family = sa_family_t(AF_UNIX)
        let name = [0] + Array(NodeAddress.socketName(address.description).utf8)
        withUnsafeMutableBytes(of: &place.sun_path) { $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.offset(of: \.sun_path)! + name.count)
        let isHeld = withUnsafePointer(to: &place) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) == 0 }
        }
        guard isHeld else { return nil }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }
}
