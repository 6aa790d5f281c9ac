import Foundation

/// The pages: links lead somewhere, decisions are numbered, scripts can be started.
enum PageRules {
    /// Links of a page whose target or heading is not there. `exists` and `read` take paths relative to the root.
    static func brokenLinks(
        in page: TrackedFile,
        exists: (String) -> Bool,
        read: (String) -> [String]
    ) -> [Finding] {
        var findings: [Finding] = []
        for (index, line) in outsideOfCode(page.lines).enumerated() {
            for link in links(in: line) where !link.contains("://") && !link.hasPrefix("mailto:") {
                let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                let target = parts[0].isEmpty ? page.path : resolved(parts[0], from: page.path)
                if !exists(target) {
                    findings.append(Finding(page.path, index + 1, "the link '\(link)' leads nowhere"))
                } else if parts.count == 2, target.hasSuffix(".md"), !anchors(read(target)).contains(parts[1]) {
                    findings.append(Finding(page.path, index + 1, "the page of the link '\(link)' has no such heading"))
                }
            }
        }
        return findings
    }

    /// Code that a page says it quotes, by `<!-- quoted: FILE -->` above its block, and that its file has not.
    static func wrongQuotes(in page: TrackedFile, read: (String) -> [String]) -> [Finding] {
        let (begin, end) = ("<!-- quoted: ", " -->")
        var findings: [Finding] = []
        for (index, line) in page.lines.enumerated() where line.hasPrefix(begin) && line.hasSuffix(end) {
            let path = String(line.dropFirst(begin.count).dropLast(end.count))
            let rest = page.lines[(index + 1)...]
            let block = rest.dropFirst().prefix { !$0.hasPrefix("```") }
            if rest.first?.hasPrefix("```") != true || block.isEmpty {
                findings.append(Finding(page.path, index + 1, "no block of code follows"))
            } else if !(read(path).joined(separator: "\n") + "\n").contains(block.joined(separator: "\n") + "\n") {
                findings.append(Finding(page.path, index + 1, "\(path) has no such lines: copy them again"))
            }
        }
        return findings
    }

    /// The lines with everything in code blocks and code spans left out.
    private static func outsideOfCode(_ lines: [String]) -> [String] {
        var isCode = false
        return lines.map { line in
            if line.drop(while: \.isWhitespace).hasPrefix("```") {
                isCode.toggle()
                return ""
            }
            guard !isCode else { return "" }
            let spans = line.split(separator: "`", omittingEmptySubsequences: false)
            return spans.enumerated().map { $0.offset % 2 == 0 ? String($0.element) : "" }.joined(separator: "`")
        }
    }

    private static func links(in line: String) -> [String] {
        var links: [String] = []
        var rest = line[...]
        while let range = rest.firstRange(of: "](") {
            rest = rest[range.upperBound...]
            guard let end = rest.firstIndex(of: ")") else { break }
            links.append(rest[..<end].split(separator: " ").first.map(String.init) ?? "")
            rest = rest[end...]
        }
        return links
    }

    /// A relative path, from the folder of a page.
    static func resolved(_ path: String, from page: String) -> String {
        var parts = page.split(separator: "/").dropLast().map(String.init)
        for part in path.split(separator: "/") {
            if part == ".." { if parts.isEmpty { return "../" + path } else { parts.removeLast() } }
            if part != "." && part != ".." { parts.append(String(part)) }
        }
        return parts.joined(separator: "/")
    }

    /// The names under which the headings of a page can be linked to.
    static func anchors(_ lines: [String]) -> Set<String> {
        var isCode = false
        var anchors: Set<String> = []
        for line in lines {
            if line.hasPrefix("```") { isCode.toggle() }
            guard !isCode, line.hasPrefix("#") else { continue }
            let title = line.drop { $0 == "#" || $0 == " " }.lowercased()
            anchors.insert(
                String(
                    title.compactMap { letter in
                        if letter == " " { return "-" }
                        return letter.isLetter || letter.isNumber || letter == "-" || letter == "_" ? letter : nil
                    }
                )
            )
        }
        return anchors
    }

    /// Decision records are `NNNN-title.md`, without gaps, and begin with their number.
    static func decisions(_ pages: [TrackedFile]) -> [Finding] {
        var findings: [Finding] = []
        for (index, page) in pages.sorted(by: { $0.path < $1.path }).enumerated() {
            let name = page.path.split(separator: "/").last.map(String.init) ?? ""
            let number = String(repeating: "0", count: max(0, 4 - String(index + 1).count)) + String(index + 1)
            if !name.hasPrefix(number + "-") {
                findings.append(Finding(page.path, "this is decision \(number) by its place: no gap, no number twice"))
            } else if page.lines.first?.hasPrefix("# \(number). ") != true {
                findings.append(Finding(page.path, 1, "begins with '# \(number). ' and the decision in a few words"))
            }
            for heading in ["## Context", "## Decision", "## Weighed", "## Consequences"]
            where !page.lines.contains(heading) {
                findings.append(Finding(page.path, "has no '\(heading)'"))
            }
        }
        return findings
    }

    /// What begins with `#!` can be started, and the other way round.
    static func executableBits(_ file: TrackedFile) -> [Finding] {
        let isScript = file.text?.hasPrefix("#!") == true
        if isScript, !file.isExecutable {
            return [Finding(file.path, "begins with #! but is not executable: chmod +x")]
        }
        if !isScript, file.isExecutable { return [Finding(file.path, "is executable but has no #! line")] }
        return []
    }
}
