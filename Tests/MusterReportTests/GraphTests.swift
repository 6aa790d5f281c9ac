import MusterCore
import Testing

@testable import MusterReport

/// Graphs of groups: levels, places, and each language they are written in.
@Suite struct GraphTests {
    private func group(_ name: String, _ needs: String..., state: GroupState = .ready) -> GroupReport {
        GroupReport(name: name, needs: needs.map { Need(group: $0) }, count: 2, ready: 2, state: state)
    }

    private func shop() -> Graph {
        var app = group("app", "db", "cache", state: .working)
        app.ready = 1
        app.needs[0].ready = 1
        var web = group("web", "app", "db", state: .blocked)
        web.reason = "needs app, which failed"
        return Graph(
            title: "shop",
            groups: [group("db"), group("cache"), app, web],
            suites: [("api", "web", 12)]
        )
    }

    @Test func levelsAreTheLongestWay() {
        #expect(shop().levels == [0, 0, 1, 2, 3])
        #expect(shop().boxes.last?.state == "12 tests")
        #expect(shop().boxes[2].state == "working 1/2")
    }

    @Test func arrowsThatDoNotLeadOnwardAreLeftOut() {
        let box = Graph.Box(title: "a", state: "ready", tone: .good)
        let arrows = [(0, 1), (1, 0), (1, 1), (0, 9), (-1, 0)].map { Graph.Arrow(from: $0.0, to: $0.1) }
        #expect(Graph(title: "", boxes: [box, box], arrows: arrows).arrows == [Graph.Arrow(from: 0, to: 1)])
    }

    /// Of graphs from seeds: no box lies on another or outside the picture, every arrow leads to the right, and long
    /// ones pass between the boxes.
    @Test(arguments: 1...40) func nothingLiesOnAnother(_ seed: UInt64) {
        var random = SeededChance(seed: seed)
        let count = Int(random.next() % 30) + 1
        var arrows: Set<Graph.Arrow> = []
        for to in 1..<max(2, count) where count > 1 {
            for _ in 0..<Int(random.next() % 4) {
                arrows.insert(Graph.Arrow(from: Int(random.next() % UInt64(to)), to: to))
            }
        }
        let boxes = (0..<count).map { Graph.Box(title: "g\($0)", state: "ready", tone: .good) }
        let sorted = arrows.sorted { ($0.from, $0.to) < ($1.from, $1.to) }
        let graph = Graph(title: "seed", boxes: boxes, arrows: sorted)
        let layout = GraphLayout(graph)
        for (place, corner) in layout.corners.enumerated() {
            #expect(corner.x >= 0 && corner.y >= 0)
            #expect(
                corner.x + GraphLayout.boxWidth <= layout.width && corner.y + GraphLayout.boxHeight <= layout.height
            )
            for other in layout.corners[(place + 1)...] where other.x == corner.x {
                #expect(abs(other.y - corner.y) >= GraphLayout.boxHeight, "boxes of one column in seed \(seed)")
            }
        }
        for (arrow, way) in zip(graph.arrows, layout.ways) {
            #expect(layout.corners[arrow.from].x < layout.corners[arrow.to].x)
            #expect(zip(way, way.dropFirst()).allSatisfy { $0.x < $1.x })
            for point in way.dropFirst().dropLast() {
                let hit = layout.corners.contains { corner in
                    point.x > corner.x && point.x < corner.x + GraphLayout.boxWidth && point.y > corner.y
                        && point.y < corner.y + GraphLayout.boxHeight
                }
                #expect(!hit, "an arrow runs through a box in seed \(seed)")
            }
        }
    }

    @Test(.enabled(if: Python.isWanted("json"), "python3 is not installed"))
    func aPictureIsWellFormedWhateverItSays() throws {
        let hostile = "</text><script>alert(1)</script>\u{1}\u{1B}\u{202E}\"'&\n\u{FFFE}"
        var bad = group(hostile, state: .failed)
        bad.reason = hostile
        let graph = Graph(title: hostile, groups: [bad, group("b", hostile)], suites: [(hostile, "b", 1)])
        let picture = try #require(GraphSVG.render(graph))
        #expect(!picture.contains("<script>"))
        #expect(!picture.unicodeScalars.contains { $0.value == 0x1B || $0.value == 0x202E })
        let script = """
            import sys, collections, xml.etree.ElementTree as x
            tags = collections.Counter(e.tag.split('}')[1] for e in x.parse(sys.stdin.buffer).iter())
            print(tags['svg'], tags['rect'], tags['script'])
            """
        #expect(try Python.run(script, input: Array(picture.utf8)) == "1 3 0\n")
    }

    @Test func whatCannotBeReadIsNotDrawn() {
        let groups = (0...GraphSVG.boxesMax).map { group("g\($0)") }
        #expect(GraphSVG.render(Graph(title: "", groups: groups, suites: [])) == nil)
        #expect(GraphSVG.render(Graph(title: "", groups: groups.dropLast(), suites: [])) != nil)
        #expect(GraphSVG.render(Graph(title: "", groups: [], suites: [])) == nil)
        // Of sixty groups each needs all before it: 34,000 places would be passed through.
        let knot = (0..<60).map { index in
            var one = group("g\(index)")
            one.needs = (0..<index).map { Need(group: "g\($0)") }
            return one
        }
        #expect(GraphSVG.render(Graph(title: "", groups: knot, suites: [])) == nil)
    }

    @Test func dotIsWhatGraphvizReads() {
        let lines = shop().dot.split(separator: "\n").map(String.init)
        #expect(lines.first == "digraph \"shop\" {" && lines.last == "}")
        #expect(lines.contains { $0.hasPrefix("  n2 [label=\"app\\nworking 1/2\"") })
        #expect(lines.contains("  n0 -> n2 [label=\"1 ready\"];"))
        #expect(lines.contains("  n3 -> n4;"))
        let quoted = Graph(title: "a\"b\\c\nd", groups: [], suites: []).dot
        #expect(quoted.hasPrefix("digraph \"a\\\"b\\\\c d\" {"))
    }

    @Test func mermaidIsEscaped() {
        let lines = shop().mermaid.split(separator: "\n").map(String.init)
        #expect(lines.first == "flowchart LR")
        #expect(lines.contains("  n0 -->|\"1 ready\"| n2"))
        #expect(lines.contains { $0.hasPrefix("  n3[\"web<br/>blocked 2/2<br/>needs app, which failed\"]:::blocked") })
        #expect(lines.contains { $0.hasPrefix("  n4([\"api<br/>12 tests\"]):::idle") })
        let hostile = Graph(title: "", groups: [group("a\"]<b>;")], suites: []).mermaid
        #expect(hostile.contains("n0[\"a#34;#93;#60;b#62;#59;<br/>"))
    }
}
