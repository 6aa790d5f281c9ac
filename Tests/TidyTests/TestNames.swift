/// The tests of the repository by name, for pages that say which test proves what they say.
struct TestNames {
    private var suites: [String: Set<String>] = [:]
    private let checks: Set<String>

    init(in files: [SwiftFile]) {
        let tests = files.filter { $0.path.hasPrefix("Tests/") }
        for file in tests {
            var suite = ""
            for code in file.code {
                let words = code.split { !$0.isLetter && !$0.isNumber && $0 != "_" && $0 != "@" && $0 != "." }
                if let name = Self.word(after: ["struct", "extension"], in: words), code.first?.isWhitespace == false {
                    suite = name
                    suites[suite, default: []].formUnion([])
                }
                if let name = Self.word(after: ["func"], in: words) { suites[suite, default: []].insert(name) }
            }
        }
        // Demands on stores and drivers have their names in words.
        checks = Set(
            files.filter { $0.path.hasPrefix("Sources/MusterTestKit/") }.flatMap(\.lines).compactMap { line in
                guard let start = line.firstRange(of: "Check(\"") else { return nil }
                return line[start.upperBound...].split(separator: "\"").first.map(String.init)
            }
        )
    }

    private static func word(after kinds: Set<Substring>, in words: [Substring]) -> String? {
        guard let place = words.firstIndex(where: kinds.contains), place + 1 < words.count else { return nil }
        return String(words[place + 1])
    }

    /// What the last columns of a page's tables name and nobody has: `Suite.test`, `test` of the suite before it,
    /// `Suite`, or a demand of a conformance suite in quotes.
    func missing(in page: TrackedFile) -> [Finding] {
        var findings: [Finding] = []
        var header: [Substring] = []
        for (index, line) in page.lines.enumerated() {
            guard line.hasPrefix("|") else {
                header = []
                continue
            }
            let cells = line.dropFirst().dropLast().split(separator: "|", omittingEmptySubsequences: false)
            if header.isEmpty { header = cells }
            guard header.last?.contains("test") == true, header != cells, !line.hasPrefix("|---") else { continue }
            let cell = cells.last ?? ""
            var suite = ""
            let names = cell.split(separator: "`", omittingEmptySubsequences: false)
            for (place, name) in names.enumerated() where place % 2 == 1 {
                let parts = name.split(separator: ".").map(String.init)
                if parts.count == 2 || parts.first?.first?.isUppercase == true { suite = parts[0] }
                let test = parts.count == 2 ? parts[1] : parts.first?.first?.isUppercase == true ? nil : parts.first
                let isThere = suites[suite].map { known in test.map(known.contains) ?? true } ?? false
                if !isThere { findings.append(Finding(page.path, index + 1, "there is no test '\(name)'")) }
            }
            for (place, name) in cell.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
            where place % 2 == 1 && !checks.contains(String(name)) {
                findings.append(Finding(page.path, index + 1, "no conformance suite demands '\(name)'"))
            }
            if names.count < 3, !cell.contains("\""), !cell.contains("differs") {
                findings.append(Finding(page.path, index + 1, "this row names no test"))
            }
        }
        return findings
    }
}
