/// Where the boxes of a graph stand: in columns by level, arranged so that few arrows cross, after Sugiyama's method
/// (levels, places on the way of long arrows, order by the middle of the neighbours, then heights).
struct GraphLayout {
    struct Point: Hashable {
        var x: Double
        var y: Double
    }

    static let boxWidth = 196.0
    static let boxHeight = 62.0
    private static let columnGap = 76.0
    private static let rowGap = 20.0
    /// The height of a place that a long arrow passes through.
    private static let passHeight = 10.0
    private static let margin = 16.0
    private static let sweeps = 8

    /// The upper left corner of each box.
    private(set) var corners: [Point] = []
    /// The way of each arrow: out of one box, through the gaps, into the other.
    private(set) var ways: [[Point]] = []
    private(set) var width = 0.0
    private(set) var height = 0.0

    /// A box, or a place that a long arrow passes through.
    private struct Item {
        var level: Int
        var height: Double
        var y = 0.0
        var before: [Int] = []
        var after: [Int] = []
    }
    private var items: [Item] = []
    private var columns: [[Int]] = []

    init(_ graph: Graph) {
        items = graph.levels.map { Item(level: $0, height: Self.boxHeight) }
        var passes: [[Int]] = []
        for arrow in graph.arrows {
            var way: [Int] = []
            var last = arrow.from
            for level in (graph.levels[arrow.from] + 1)..<max(graph.levels[arrow.from] + 1, graph.levels[arrow.to]) {
                items.append(Item(level: level, height: Self.passHeight))
                join(last, items.count - 1)
                last = items.count - 1
                way.append(last)
            }
            join(last, arrow.to)
            passes.append(way)
        }
        columns = Array(repeating: [], count: (graph.levels.max() ?? 0) + 1)
        for item in items.indices { columns[items[item].level].append(item) }
        order()
        place()
        finish(graph, passes)
    }

    private mutating func join(_ from: Int, _ to: Int) {
        items[from].after.append(to)
        items[to].before.append(from)
    }

    // MARK: Order

    /// Each column by the middle of what its items are joined with, forward and back in turn; ties stay as they are.
    private mutating func order() {
        var place: [Int: Double] = [:]
        for column in columns { for (row, item) in column.enumerated() { place[item] = Double(row) } }
        for sweep in 0..<Self.sweeps {
            let isForward = sweep % 2 == 0
            for column in isForward ? Array(columns.indices) : columns.indices.reversed() {
                let middles = columns[column].map { item -> Double in
                    let neighbours = isForward ? items[item].before : items[item].after
                    guard !neighbours.isEmpty else { return place[item, default: 0] }
                    return neighbours.reduce(0) { $0 + place[$1, default: 0] } / Double(neighbours.count)
                }
                columns[column] = zip(columns[column], middles).enumerated()
                    .sorted { ($0.element.1, $0.offset) < ($1.element.1, $1.offset) }.map(\.element.0)
                for (row, item) in columns[column].enumerated() { place[item] = Double(row) }
            }
        }
    }

    // MARK: Heights

    /// Each item as near to the height of its neighbours as the order of its column lets it.
    private mutating func place() {
        for column in columns {
            var y = 0.0
            for item in column {
                items[item].y = y
                y += items[item].height + Self.rowGap
            }
        }
        for sweep in 0..<Self.sweeps {
            let isForward = sweep % 2 == 0
            for column in isForward ? Array(columns.indices) : columns.indices.reversed() {
                straighten(columns[column]) { isForward ? $0.before : $0.after }
            }
        }
    }

    private mutating func straighten(_ column: [Int], _ neighbours: (Item) -> [Int]) {
        let wanted = column.map { item -> Double in
            let others = neighbours(items[item])
            guard !others.isEmpty else { return items[item].y }
            let middle = others.reduce(0) { $0 + items[$1].y + items[$1].height / 2 } / Double(others.count)
            return middle - items[item].height / 2
        }
        // Placed from above everything is pushed down, from below up: the middle of both keeps the order and the gaps.
        var down: [Double] = []
        for row in column.indices {
            let least = row == 0 ? -Double.infinity : down[row - 1] + items[column[row - 1]].height + Self.rowGap
            down.append(max(wanted[row], least))
        }
        var up = down
        for row in column.indices.reversed() {
            let most = row == column.count - 1 ? Double.infinity : up[row + 1] - items[column[row]].height - Self.rowGap
            up[row] = min(wanted[row], most)
        }
        for (row, item) in column.enumerated() { items[item].y = (down[row] + up[row]) / 2 }
    }

    private mutating func finish(_ graph: Graph, _ passes: [[Int]]) {
        let top = items.map(\.y).min() ?? 0
        for item in items.indices { items[item].y += Self.margin - top }
        func x(_ level: Int) -> Double { Self.margin + Double(level) * (Self.boxWidth + Self.columnGap) }
        corners = graph.boxes.indices.map { Point(x: x(items[$0].level), y: items[$0].y) }
        ways = zip(graph.arrows, passes).map { arrow, way in
            let begin = Point(x: corners[arrow.from].x + Self.boxWidth, y: corners[arrow.from].y + Self.boxHeight / 2)
            let end = Point(x: corners[arrow.to].x, y: corners[arrow.to].y + Self.boxHeight / 2)
            let between = way.flatMap { item -> [Point] in
                let y = items[item].y + Self.passHeight / 2
                return [Point(x: x(items[item].level), y: y), Point(x: x(items[item].level) + Self.boxWidth, y: y)]
            }
            return [begin] + between + [end]
        }
        width = x(columns.count - 1) + Self.boxWidth + Self.margin
        height = (items.map { $0.y + $0.height }.max() ?? 0) + Self.margin
    }
}
