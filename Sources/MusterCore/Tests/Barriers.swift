/// The barriers of one attempt of a test on several nodes: a member that comes to one goes on when all have come to it.
///
/// What is known only grows: who has arrived stays so, and who has ended comes nowhere any more. So whoever begins to
/// listen anew, and hears everything again in whatever order, comes to the same decisions.
package struct Barriers: Sendable {
    package enum Verdict: Hashable, Sendable {
        case go
        /// They will never all be there, for this reason.
        case stop(String)
    }

    /// What a member is to be told.
    package struct Release: Hashable, Sendable {
        package let member: Int
        package let barrier: String
        package let verdict: Verdict
    }

    /// Most barriers of one attempt; who comes to a further one is told so.
    package static let countMax = 1000
    /// Most bytes of a barrier's name.
    package static let nameMax = 64

    /// What people call the members, in their order.
    private let titles: [String]
    /// Those that come to barriers.
    private let active: Set<Int>
    private var arrived: [String: Set<Int>] = [:]
    private var ended: Set<Int> = []
    private var told: [String: Set<Int>] = [:]

    /// - Parameter idle: members that run nothing, and for which nobody waits.
    package init(titles: [String], idle: Set<Int> = []) {
        self.titles = titles
        active = Set(titles.indices).subtracting(idle)
    }

    package var allHaveEnded: Bool { ended.count == titles.count }

    /// Whether a barrier may be called so: letters, digits, `.`, `_` and `-`, and no dot at the beginning.
    package static func isName(_ name: some StringProtocol) -> Bool {
        let bytes = name.utf8
        return (1...nameMax).contains(bytes.count) && bytes.first != UInt8(ascii: ".")
            && bytes.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    /// A member has come to a barrier; told again, nothing happens.
    package mutating func arrive(_ member: Int, at barrier: String) -> [Release] {
        guard titles.indices.contains(member), Self.isName(barrier) else { return [] }
        guard arrived[barrier] != nil || arrived.count < Self.countMax else {
            let reason = "the attempt has had \(Self.countMax) barriers, and may have no more"
            return [Release(member: member, barrier: barrier, verdict: .stop(reason))]
        }
        arrived[barrier, default: []].insert(member)
        return releases(at: barrier)
    }

    /// A member has ended.
    package mutating func end(_ member: Int) -> [Release] {
        guard titles.indices.contains(member), ended.insert(member).inserted else { return [] }
        return arrived.keys.sorted().flatMap { releases(at: $0) }
    }

    private mutating func releases(at barrier: String) -> [Release] {
        let there = arrived[barrier] ?? []
        let verdict: Verdict
        if active.isSubset(of: there) {
            verdict = .go
        } else if let missing = ended.intersection(active).subtracting(there).min() {
            verdict = .stop("\(titles[missing]) has ended without coming to '\(barrier)'")
        } else {
            return []
        }
        let news = there.subtracting(told[barrier] ?? []).subtracting(ended)
        told[barrier, default: []].formUnion(news)
        return news.sorted().map { Release(member: $0, barrier: barrier, verdict: verdict) }
    }
}
