/// Who waits for whom, as flat arrays that only grow: an edge costs eight bytes and no allocation of its own.
struct StepGraph: Sendable {
    private struct Ends {
        var first: Int32
        var last: Int32
    }
    private struct Edge {
        let target: StepIndex
        var next: Int32
    }

    private var ends: [Ends] = []
    private var edges: [Edge] = []

    private static let none: Int32 = -1

    var stepCount: Int { ends.count }
    var edgeCount: Int { edges.count }

    mutating func reserve(steps: Int, edges count: Int) {
        ends.reserveCapacity(steps)
        edges.reserveCapacity(count)
    }

    mutating func addStep() { ends.append(Ends(first: Self.none, last: Self.none)) }

    /// From now on `successor` waits for `step`.
    mutating func addEdge(from step: StepIndex, to successor: StepIndex) {
        let edge = Int32(edges.count)
        edges.append(Edge(target: successor, next: Self.none))
        let last = ends[Int(step)].last
        if last == Self.none {
            ends[Int(step)].first = edge
        } else {
            edges[Int(last)].next = edge
        }
        ends[Int(step)].last = edge
    }

    /// The first edge of a step, for `successor(of:)` and `edge(after:)`; nil when nothing waits for it.
    func firstEdge(of step: StepIndex) -> Int32? {
        let edge = ends[Int(step)].first
        return edge == Self.none ? nil : edge
    }

    func edge(after edge: Int32) -> Int32? {
        let following = edges[Int(edge)].next
        return following == Self.none ? nil : following
    }

    func successor(at edge: Int32) -> StepIndex { edges[Int(edge)].target }
}
