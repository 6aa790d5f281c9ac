/// Finds the word that somebody probably meant.
package enum Nearest {
    package static let distanceMax = 2

    /// The candidate with the smallest edit distance to `word`, at most two and less than the word's own length.
    ///
    /// Of equally near ones it is the first. Each comparison is counted against `comparisonsLeft`.
    package static func word(
        to word: String,
        among candidates: some Sequence<String>,
        comparisonsLeft: inout Int
    ) -> String? {
        let letters = Array(word.utf8)
        guard letters.count <= 64 else { return nil }
        var best: (word: String, distance: Int)?
        for candidate in candidates where comparisonsLeft > 0 {
            let other = Array(candidate.utf8)
            guard abs(other.count - letters.count) <= distanceMax else { continue }
            comparisonsLeft -= 1
            let distance = distance(letters, other)
            guard distance <= distanceMax, distance < max(letters.count, 2), distance < best?.distance ?? .max
            else { continue }
            best = (candidate, distance)
        }
        return best?.word
    }

    /// The number of letters to insert, delete, replace, or of neighbours to swap.
    package static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var before: [Int] = []
        var last = Array(0...b.count)
        for i in 0..<a.count {
            var row = [i + 1]
            row.reserveCapacity(b.count + 1)
            for j in 0..<b.count {
                var cost = min(last[j] + (a[i] == b[j] ? 0 : 1), last[j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, before[j - 1] + 1) }
                row.append(cost)
            }
            before = last
            last = row
        }
        return last[b.count]
    }
}
