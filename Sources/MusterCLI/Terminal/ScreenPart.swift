/// One part of a screen: rows of one kind, which gives up rows when there is not enough room for all parts.
struct ScreenPart {
    /// How many rows it would take.
    let count: Int
    /// Below this it says little; the room for it is found before any part gets more.
    let minimum: Int
    /// With this it says most of what matters.
    let comfort: Int
    /// Gives its lines for so many rows, of which the last says how many are not shown.
    let lines: (Int) -> [ScreenLine]

    /// Rows of which the first ones are shown.
    init(_ rows: [ScreenLine], style: TerminalStyle, minimum: Int = 2, comfort: Int = 6, moreWord: String = "more") {
        count = rows.count
        self.minimum = min(minimum, rows.count)
        self.comfort = min(comfort, rows.count)
        lines = { room in
            guard rows.count > room else { return rows }
            let kept = max(0, room - 1)
            return rows.prefix(kept) + [Self.more(rows.count - kept, moreWord, style)]
        }
    }

    /// - Parameter lines: gives at most as many lines as it is asked for.
    init(count: Int, minimum: Int, comfort: Int, lines: @escaping (Int) -> [ScreenLine]) {
        self.count = count
        self.minimum = min(minimum, count)
        self.comfort = min(comfort, count)
        self.lines = lines
    }

    static func more(_ count: Int, _ words: String, _ style: TerminalStyle) -> ScreenLine {
        ScreenLine(style, "  \(style.ellipsis) \(count) \(words)", .dim)
    }

    /// The lines of all parts within `height`, with blank lines between them where there is room.
    ///
    /// - Parameter parts: in the order in which they are shown.
    /// - Parameter ranks: for each part its place in the order in which they get room.
    static func stacked(_ parts: [(rank: Int, part: ScreenPart)], height: Int, style: TerminalStyle) -> [ScreenLine] {
        let parts = parts.filter { $0.part.count > 0 }
        let blanks = max(0, parts.count - 1)
        let needed = parts.reduce(0) { $0 + $1.part.minimum }
        let isAiry = needed + blanks <= height
        var room = max(0, height - (isAiry ? blanks : 0))
        var shares = Array(repeating: 0, count: parts.count)
        let byRank = parts.indices.sorted { (parts[$0].rank, $0) < (parts[$1].rank, $1) }
        for wish in [\ScreenPart.minimum, \ScreenPart.comfort, \ScreenPart.count] {
            for index in byRank {
                let given = min(room, max(0, parts[index].part[keyPath: wish] - shares[index]))
                shares[index] += given
                room -= given
            }
        }
        var lines: [ScreenLine] = []
        for index in parts.indices where shares[index] > 0 {
            if isAiry, !lines.isEmpty { lines.append(ScreenLine(style)) }
            lines += parts[index].part.lines(shares[index])
        }
        return lines
    }
}
