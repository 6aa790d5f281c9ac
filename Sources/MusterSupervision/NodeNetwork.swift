/// The network of a node that has one of its own: a pair of virtual interfaces, one end in the node and one on the
/// host, and a route to the one address behind it. All of it is freed by the kernel when the node's last process ends.
package enum NodeNetwork {
    /// How a node sees the host: the same on each pair, and in no pool.
    package static let hostAddress = "169.254.213.1"

    /// The host's end of the pair whose other end has an address: `mu0ad50002`.
    package static func interface(of address: UInt32) -> String {
        let hex = String(address, radix: 16)
        return "mu" + String(repeating: "0", count: 8 - hex.utf8.count) + hex
    }

    package static func isInterface(_ name: some StringProtocol) -> Bool {
        let digits = name.utf8.dropFirst(2)
        return name.hasPrefix("mu") && digits.count == 8
            && digits.allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
    }

    /// What the host's end says of itself (`ip link`): whose it is. The kernel takes 255 bytes.
    package static func alias(of directory: String) -> String {
        let mark = "muster "
        let room = 250 - mark.utf8.count
        guard directory.utf8.count > room else { return mark + directory }
        let tail = directory.utf8.suffix(room - 3).drop { $0 & 0xC0 == 0x80 }
        return mark + "..." + String(decoding: tail, as: UTF8.self)
    }

    /// What a launcher says when somebody else was faster with each address it was offered.
    package static let allTaken = "every address that was offered is taken"
}
