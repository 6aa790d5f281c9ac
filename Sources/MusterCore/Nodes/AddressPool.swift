/// An IPv4 address.
package struct IPv4Address: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Its four bytes, the first one highest.
    package var bits: UInt32

    package init(bits: UInt32) { self.bits = bits }

    /// Four numbers from 0 to 255 between dots, without leading zeros, which some programs take for octal.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        bits = 0
        for part in parts {
            guard part.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
                part.utf8.count == 1 || part.utf8.first != UInt8(ascii: "0"), let number = UInt8(part)
            else { return nil }
            bits = bits << 8 | UInt32(number)
        }
    }

    package var description: String {
        "\(bits >> 24).\(bits >> 16 & 0xFF).\(bits >> 8 & 0xFF).\(bits & 0xFF)"
    }

    package static func < (a: Self, b: Self) -> Bool { a.bits < b.bits }
}

/// The addresses that nodes are given, one each: a network without its own address, its broadcast address and those
/// that are reserved. Lowest first.
///
/// It is a value and holds nothing: whoever gives out addresses says which are taken.
package struct AddressPool: Hashable, Sendable, Codable {
    package enum Problem: Error, Hashable, Sendable {
        /// It is no network as `10.77.0.0/24`, or one of another size than /8 to /30.
        case cidr(String)
        /// It is no address or range of addresses in the network.
        case reserved(String)
        case exhausted(String)
    }

    /// As it was written: `10.77.0.0/24`.
    package let cidr: String
    /// As they were written: `10.77.0.5`, or a range `10.77.0.10-10.77.0.20`.
    package let reserved: [String]
    private let network: UInt32
    private let size: UInt32
    /// In order, and no two of them touch.
    private let holes: [ClosedRange<UInt32>]

    package static let prefixes = 8...30

    package init(cidr: String, reserved: [String] = []) throws(Problem) {
        let parts = cidr.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPv4Address(parts[0]), let prefix = Int(parts[1]),
            Self.prefixes.contains(prefix), "\(prefix)" == parts[1]
        else {
            throw .cidr("'\(cidr)' is no network: write an IPv4 address and a length from /8 to /30, as 10.77.0.0/24")
        }
        size = 1 << UInt32(32 - prefix)
        network = address.bits & ~(size - 1)
        guard network == address.bits else {
            throw .cidr(
                "'\(cidr)' has bits beyond its length: its network is \(IPv4Address(bits: network))/\(prefix)"
            )
        }
        self.cidr = cidr
        self.reserved = reserved
        var ranges: [ClosedRange<UInt32>] = []
        for text in reserved { ranges.append(try Self.range(text, cidr, network...(network + (size - 1)))) }
        holes = Self.merged(ranges)
    }

    /// The network `first.second.0.0/16`, nothing reserved.
    private init(first: UInt8, second: UInt8) {
        cidr = "\(first).\(second).0.0/16"
        reserved = []
        network = UInt32(first) << 24 | UInt32(second) << 16
        size = 1 << 16
        holes = []
    }

    private static func range(
        _ text: String,
        _ cidr: String,
        _ all: ClosedRange<UInt32>
    ) throws(Problem) -> ClosedRange<UInt32> {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { IPv4Address($0) }
        guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], first <= last,
            all.contains(first.bits), all.contains(last.bits)
        else {
            throw .reserved(
                "'\(text)' is no address of \(cidr), nor a range of them: write 'ADDRESS' or 'FIRST-LAST'"
            )
        }
        return first.bits...last.bits
    }

    private static func merged(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
        var merged: [ClosedRange<UInt32>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, range.lowerBound <= last.upperBound {
                merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        return merged
    }

    /// Those that nodes may have: neither network nor broadcast.
    private var usable: ClosedRange<UInt32> { (network + 1)...(network + (size - 2)) }

    /// How many nodes can have an address.
    package var capacity: Int {
        holes.reduce(usable.count) { $0 - (usable.overlaps($1) ? $1.clamped(to: usable).count : 0) }
    }

    /// Whether a node may have this address.
    package func contains(_ address: IPv4Address) -> Bool {
        usable.contains(address.bits) && !holes.contains { $0.contains(address.bits) }
    }

    /// Whether the two have any address in common, whoever may have it.
    package func overlaps(network other: IPv4Address, mask: UInt32) -> Bool {
        let first = other.bits & mask
        return (network...(network + (size - 1))).overlaps(first...(first | ~mask))
    }

    /// The lowest addresses that nobody has, at most so many.
    package func free(beside taken: Set<IPv4Address>, limit: Int) -> [IPv4Address] {
        var found: [IPv4Address] = []
        var next = usable.lowerBound
        var rest = holes[...]
        while next <= usable.upperBound, found.count < limit {
            while let hole = rest.first, hole.upperBound < next { rest = rest.dropFirst() }
            if let hole = rest.first, hole.contains(next) {
                guard hole.upperBound < usable.upperBound else { break }
                next = hole.upperBound + 1
                continue
            }
            let address = IPv4Address(bits: next)
            if !taken.contains(address) { found.append(address) }
            next += 1
        }
        return found
    }

    /// The lowest address that nobody has.
    ///
    /// - Parameter holders: who has which; others than those of this pool do not matter.
    /// - Throws: `.exhausted`, which says who has them.
    package func lowestFree(holders: [IPv4Address: String]) throws(Problem) -> IPv4Address {
        if let address = free(beside: Set(holders.keys), limit: 1).first { return address }
        throw exhausted(holders: holders)
    }

    /// Most holders that an error names.
    private static let namesMax = 10

    /// Says that nothing is free, and why.
    package func exhausted(holders: [IPv4Address: String]) -> Problem {
        let mine = holders.filter { contains($0.key) }.sorted { $0.key < $1.key }
        var text = "no address of \(cidr) is free: its \(capacity) are taken"
        if !reserved.isEmpty { text += ", besides the reserved ones" }
        if !mine.isEmpty {
            text += ": " + mine.prefix(Self.namesMax).map { "\($0.key) by \($0.value)" }.joined(separator: ", ")
            if mine.count > Self.namesMax { text += " and \(mine.count - Self.namesMax) more" }
        }
        return .exhausted(text + "; take nodes down (muster down, muster gc), or give the lab a larger network")
    }

    // MARK: Writing down

    private enum CodingKeys: CodingKey { case cidr, reserved }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self = try AddressPool(
            cidr: container.decode(String.self, forKey: .cidr),
            reserved: container.decode([String].self, forKey: .reserved)
        )
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(cidr, forKey: .cidr)
        try container.encode(reserved, forKey: .reserved)
    }
}

extension AddressPool.Problem {
    package var message: String {
        switch self {
        case .cidr(let message), .reserved(let message), .exhausted(let message): message
        }
    }
}

extension AddressPool {
    /// What nodes have where a lab says nothing.
    package static let standard = AddressPool(first: 10, second: 213)
}
