/// Who waits for whom, as flat arrays that only grow: an edge costs eight bytes and no allocation of its own.
struct StepGraph: Sendable {
    private var first: [Int32] = []
    private var last: [Int32] = []
    private var next: [Int32] = []
    private var target: [StepIndex] = []

    private static let none: Int32 = -1

    var stepCount: Int { first.count }
    var edgeCount: Int { target.count }

    mutating func addStep() {
        first.append(Self.none)
        last.append(Self.none)
    }

    /// From now on `successor` waits for `step`.
    mutating func addEdge(from step: StepIndex, to successor: StepIndex) {
        let edge = Int32(target.count)
        target.append(successor)
        next.append(Self.none)
        if last[Int(step)] == Self.none {
            first[Int(step)] = edge
        } else {
            next[Int(last[Int(step)])] = edge
        }
        last[Int(step)] = edge
    }

    /// The first edge of a step, for `successor(of:)` and `edge(after:)`; nil when nothing waits for it.
    func firstEdge(of step: StepIndex) -> Int32? {
        let edge = first[Int(step)]
        return edge == Self.none ? nil : edge
    }

    func edge(after edge: Int32) -> Int32? {
        let following = next[Int(edge)]
        return following == Self.none ? nil : following
    }

    func successor(at edge: Int32) -> StepIndex { target[Int(edge)] }
}
