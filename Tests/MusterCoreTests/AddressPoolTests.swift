import MusterCore
import Testing

@Suite struct AddressPoolTests {
    private func address(_ text: String) throws -> IPv4Address { try #require(IPv4Address(text)) }

    @Test func addressesAreReadStrictly() throws {
        for text in ["0.0.0.0", "255.255.255.255", "10.77.0.5"] { #expect(try address(text).description == text) }
        for text in ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1..2.3", "+1.2.3.4", "a.b.c.d", "1.2.3.4 "] {
            #expect(IPv4Address(text) == nil, "\(text)")
        }
    }

    @Test func networksAndReservedAddressesAreChecked() {
        let bad = [
            "10.0.0.0", "10.0.0.0/7", "10.0.0.0/31", "10.0.0.0/32", "10.0.0.1/24", "10.0.0/24", "x/24", "10.0.0.0/+8",
            "10.0.0.0/024", "10.0.0.0/24/1",
        ]
        for cidr in bad {
            #expect("\(cidr)") { _ = try AddressPool(cidr: cidr) } throws: { error in
                guard case AddressPool.Problem.cidr(let message)? = error as? AddressPool.Problem else { return false }
                return message.contains("'\(cidr)'")
            }
        }
        for text in ["10.0.1.0", "", "10.0.0.9-10.0.0.8", "10.0.0.1-", "10.0.0.1-10.0.1.1", "1-2-3"] {
            #expect("\(text)") { _ = try AddressPool(cidr: "10.0.0.0/24", reserved: [text]) } throws: { error in
                guard case AddressPool.Problem.reserved? = error as? AddressPool.Problem else { return false }
                return true
            }
        }
    }

    /// Every network of four and of eight addresses, with every set of reserved and every set of taken ones: what is
    /// free is exactly what is left, lowest first.
    @Test func smallNetworksAreGivenOutExactly() throws {
        let base: UInt32 = 0x0A4D_0000
        for (prefix, size) in [(30, UInt32(4)), (29, UInt32(8))] {
            for reservedSet in 0..<UInt32(1 << size) {
                let reserved = (0..<size).filter { reservedSet >> $0 & 1 == 1 }
                let pool = try AddressPool(
                    cidr: "10.77.0.0/\(prefix)",
                    reserved: reserved.map { IPv4Address(bits: base + $0).description }
                )
                let usable = (1..<(size - 1)).filter { reservedSet >> $0 & 1 == 0 }
                #expect(pool.capacity == usable.count)
                for offset in 0..<size {
                    let isUsable = usable.contains(offset)
                    if pool.contains(IPv4Address(bits: base + offset)) != isUsable { Issue.record("\(pool) \(offset)") }
                }
                for takenSet in 0..<UInt32(1 << size) {
                    let taken = Set((0..<size).filter { takenSet >> $0 & 1 == 1 }.map { IPv4Address(bits: base + $0) })
                    let wanted = usable.filter { takenSet >> $0 & 1 == 0 }.map { IPv4Address(bits: base + $0) }
                    let found = pool.free(beside: taken, limit: .max)
                    if found != wanted { Issue.record("\(pool) beside \(taken): \(found)") }
                    if pool.free(beside: taken, limit: 2) != Array(wanted.prefix(2)) {
                        Issue.record("limit of \(pool)")
                    }
                    let holders = Dictionary(uniqueKeysWithValues: taken.map { ($0, "n\($0.bits & 7)") })
                    let lowest = try? pool.lowestFree(holders: holders)
                    if lowest != wanted.first { Issue.record("\(pool) gives \(String(describing: lowest))") }
                }
            }
        }
    }

    /// Every pair of ranges in a network of sixteen, also touching and overlapping ones.
    @Test func rangesAreReservedWhole() throws {
        let base: UInt32 = 0x0A4D_0010
        func text(_ range: ClosedRange<UInt32>) -> String {
            "\(IPv4Address(bits: base + range.lowerBound))-\(IPv4Address(bits: base + range.upperBound))"
        }
        let ranges = (UInt32(0)..<16).flatMap { first in (first..<16).map { first...$0 } }
        for one in ranges {
            for other in ranges {
                let pool = try AddressPool(cidr: "10.77.0.16/28", reserved: [text(one), text(other)])
                let wanted = (UInt32(1)..<15).filter { !one.contains($0) && !other.contains($0) }
                if pool.free(beside: [], limit: .max).map({ $0.bits - base }) != wanted { Issue.record("\(pool)") }
                if pool.capacity != wanted.count { Issue.record("the capacity of \(pool): \(pool.capacity)") }
            }
        }
    }

    @Test func exhaustionSaysWhoHoldsWhat() throws {
        let pool = try AddressPool(cidr: "10.77.0.0/29", reserved: ["10.77.0.1"])
        var holders: [IPv4Address: String] = [try address("10.88.0.1"): "elsewhere"]
        for node in 0..<5 { holders[try pool.lowestFree(holders: holders)] = "db/\(node)" }
        #expect(
            "",
            performing: { _ = try pool.lowestFree(holders: holders) },
            throws: { error in
                guard case AddressPool.Problem.exhausted(let message)? = error as? AddressPool.Problem else {
                    return false
                }
                return message.contains("10.77.0.2 by db/0") && message.contains("10.77.0.6 by db/4")
                    && message.contains("10.77.0.0/29") && !message.contains("elsewhere")
            }
        )
        holders[try address("10.77.0.4")] = nil
        #expect(try pool.lowestFree(holders: holders).description == "10.77.0.4")
    }

    @Test func aLargeNetworkIsQuick() throws {
        let pool = try AddressPool(cidr: "10.0.0.0/8", reserved: ["10.0.0.1-10.200.0.0"])
        #expect(pool.free(beside: [], limit: 1).first?.description == "10.200.0.1")
        #expect(pool.capacity == (1 << 24) - 2 - 200 * 65536)
    }

    @Test func whichNetworksTouchIsTold() throws {
        let pool = try AddressPool(cidr: "10.77.0.0/24")
        #expect(pool.overlaps(network: try address("10.77.0.128"), mask: 0xFFFF_FFFF))
        #expect(pool.overlaps(network: try address("10.0.0.0"), mask: 0xFF00_0000))
        #expect(!pool.overlaps(network: try address("10.77.1.0"), mask: 0xFFFF_FF00))
    }
}
