/// A plan's number in its state: 1, 2, 3 … Never reused.
package struct PlanID: RawRepresentable, Hashable, Comparable, Sendable, Codable {
    package let rawValue: Int64
    package init(rawValue: Int64) { self.rawValue = rawValue }
    package init(_ rawValue: Int64) { self.rawValue = rawValue }

    package static func < (a: PlanID, b: PlanID) -> Bool { a.rawValue < b.rawValue }
}

/// A node's number in its state. A replacement of `app/1` is a new node with a new number and the same name.
package struct NodeID: RawRepresentable, Hashable, Comparable, Sendable, Codable {
    package let rawValue: Int64
    package init(rawValue: Int64) { self.rawValue = rawValue }
    package init(_ rawValue: Int64) { self.rawValue = rawValue }

    package static func < (a: NodeID, b: NodeID) -> Bool { a.rawValue < b.rawValue }
}

/// A step's position in its plan, from 0. Plans only grow, so a position means one step for ever.
package typealias StepIndex = Int32

/// One step of one plan.
package struct StepID: Hashable, Sendable, Codable {
    package let plan: PlanID
    package let index: StepIndex
    package init(plan: PlanID, index: StepIndex) {
        self.plan = plan
        self.index = index
    }
}

/// The name of a node inside its lab, shown as `app/1`.
package struct NodeName: Hashable, Sendable, Codable, CustomStringConvertible {
    package let group: String
    package let index: Int
    package init(group: String, index: Int) {
        self.group = group
        self.index = index
    }

    package var description: String { "\(group)/\(index)" }

    /// Reads `app/1`; nil when the text is no such name.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, let index = Int(parts[1]), index >= 0, String(index) == parts[1]
        else { return nil }
        self.init(group: String(parts[0]), index: index)
    }
}

/// A run's name as people type it: `r-7f3k`.
///
/// It is the plan's number, scrambled by a multiplication that is a permutation of its range, so that neighbours look
/// different, two plans of a state never share a name, and the number can be read back.
package struct RunName: Hashable, Sendable, CustomStringConvertible {
    package let plan: PlanID
    package init(_ plan: PlanID) { self.plan = plan }

    private static let digits = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)  // Crockford's base 32
    private static let factor: UInt64 = 0x9E37_79B1  // odd, hence invertible modulo every power of two
    private static let shift: UInt64 = 0x5A_3F17

    /// The bits of the shortest name whose range holds `number`: 20, 30, 40, … (4, 6, 8 … characters).
    private static func bits(holding number: UInt64) -> UInt64 {
        var bits: UInt64 = 20
        while bits < 60, number >= (1 << bits) { bits += 10 }
        return bits
    }

    package var description: String {
        let number = UInt64(bitPattern: plan.rawValue)
        let bits = Self.bits(holding: number)
        var value = (number &* Self.factor &+ Self.shift) & ((1 << bits) - 1)
        var text: [UInt8] = []
        for _ in 0..<(bits / 5) {
            text.append(Self.digits[Int(value & 31)])
            value >>= 5
        }
        return "r-" + String(decoding: text.reversed(), as: UTF8.self)
    }

    /// Reads `r-7f3k`; nil when the text cannot be the name of a run.
    package init?(_ text: some StringProtocol) {
        guard text.hasPrefix("r-") else { return nil }
        let letters = Array(text.dropFirst(2).lowercased().utf8)
        guard letters.count >= 4, letters.count <= 12, letters.count % 2 == 0 else { return nil }
        var value: UInt64 = 0
        for letter in letters {
            guard let digit = Self.digits.firstIndex(of: letter) else { return nil }
            value = value << 5 | UInt64(digit)
        }
        let bits = UInt64(letters.count) * 5
        let mask: UInt64 = (1 << bits) - 1
        var inverse: UInt64 = 1
        for _ in 0..<6 { inverse = inverse &* (2 &- Self.factor &* inverse) }  // Newton's iteration modulo 2^64
        let number = ((value &- Self.shift) &* inverse) & mask
        guard number > 0, Self.bits(holding: number) == bits else { return nil }
        self.init(PlanID(Int64(number)))
    }
}

/// Names one try of one step everywhere outside the store: in a supervisor's folder, in a process' environment.
///
/// `<state>-<plan>-<step>-<try>`, where the state's own random name keeps two states on one host apart.
package struct OperationID: Hashable, Sendable, Codable, CustomStringConvertible {
    package let description: String
    package init(state: String, step: StepID, attempt: Int) {
        description = "\(state)-\(step.plan.rawValue)-\(step.index)-\(attempt)"
    }
    package init(_ description: String) { self.description = description }

    /// Which try of which step of a state it is; nil when it is no act of that state.
    package func act(ofState state: String) -> (step: StepID, number: Int32)? {
        guard description.hasPrefix(state + "-") else { return nil }
        let parts = description.dropFirst(state.utf8.count + 1).split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, let plan = Int64(parts[0]), let index = StepIndex(parts[1]),
            let number = Int32(parts[2]), index >= 0, number > 0
        else { return nil }
        return (StepID(plan: PlanID(plan), index: index), number)
    }
}

/// A conductor's term. Each registration raises it; a write of an older epoch does not land.
package typealias Epoch = Int64
