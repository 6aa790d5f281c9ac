/// A Swift file, taken apart line by line into code and comments.
struct SwiftFile: Sendable {
    let path: String
    /// As written.
    let lines: [String]
    /// Without comments and without what stands in string literals; interpolated code stays.
    let code: [String]
    /// Comments only, with their slashes.
    let comments: [String]

    init(path: String, text: String) {
        self.path = path
        lines = Self.lines(of: text)
        var scanner = Scanner(Array(text.utf8))
        scanner.scan()
        code = Self.lines(of: String(decoding: scanner.code, as: UTF8.self))
        comments = Self.lines(of: String(decoding: scanner.comments, as: UTF8.self))
    }

    /// Without an empty last one for the newline at the end.
    static func lines(of text: String) -> [String] {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if lines.last == "" { lines.removeLast() }
        return lines
    }

    /// The folder of its target: `MusterCore`, `muster-bench`; nil outside of targets.
    var target: String? {
        let parts = path.split(separator: "/")
        guard parts.count > 2, ["Sources", "Tests", "Benchmarks"].contains(parts[0]) else { return nil }
        return String(parts[1])
    }

    /// Whether a comment stands on the line or at most three above it, which then says why.
    func isExplained(at index: Int) -> Bool {
        comments[max(0, index - 3)...index].contains { !$0.allSatisfy(\.isWhitespace) }
    }
}

/// Tells code from comments and strings. It knows nested comments, raw and multi-line strings and interpolation; it
/// takes regular-expression literals for code, and recovers from them at the end of the line.
private struct Scanner {
    private enum Mode {
        /// Inside an interpolation when `parentheses` counts them.
        case code(parentheses: Int?)
        case string(pounds: Int, isMultiline: Bool)
    }

    private let bytes: [UInt8]
    private var i = 0
    private var modes: [Mode] = [.code(parentheses: nil)]
    private(set) var code: [UInt8] = []
    private(set) var comments: [UInt8] = []

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func scan() {
        while i < bytes.count {
            switch modes[modes.count - 1] {
            case .code(let parentheses): scanCode(parentheses)
            case .string(let pounds, let isMultiline): scanString(pounds, isMultiline)
            }
        }
    }

    private func has(_ text: StaticString, at index: Int) -> Bool {
        guard index + text.utf8CodeUnitCount <= bytes.count else { return false }
        return (0..<text.utf8CodeUnitCount).allSatisfy { bytes[index + $0] == text.utf8Start[$0] }
    }

    private mutating func put(_ count: Int = 1, code isCode: Bool, comment isComment: Bool = false) {
        for byte in bytes[i..<min(i + count, bytes.count)] {
            let isNewline = byte == UInt8(ascii: "\n")
            code.append(isCode || isNewline ? byte : UInt8(ascii: " "))
            comments.append(isComment || isNewline ? byte : UInt8(ascii: " "))
        }
        i += count
    }

    private mutating func scanCode(_ parentheses: Int?) {
        if has("//", at: i) {
            while i < bytes.count, bytes[i] != UInt8(ascii: "\n") { put(code: false, comment: true) }
            return
        }
        if has("/*", at: i) { return scanBlockComment() }
        var pounds = 0
        while i + pounds < bytes.count, bytes[i + pounds] == UInt8(ascii: "#") { pounds += 1 }
        if has("\"", at: i + pounds) {
            let isMultiline = has("\"\"\"", at: i + pounds)
            put(pounds + (isMultiline ? 3 : 1), code: true)
            modes.append(.string(pounds: pounds, isMultiline: isMultiline))
            return
        }
        if let parentheses {
            if bytes[i] == UInt8(ascii: "(") { modes[modes.count - 1] = .code(parentheses: parentheses + 1) }
            if bytes[i] == UInt8(ascii: ")") {
                if parentheses == 0 {
                    modes.removeLast()
                } else {
                    modes[modes.count - 1] = .code(parentheses: parentheses - 1)
                }
            }
        }
        put(code: true)
    }

    private mutating func scanBlockComment() {
        var depth = 0
        repeat {
            if has("/*", at: i) {
                depth += 1
                put(2, code: false, comment: true)
            } else if has("*/", at: i) {
                depth -= 1
                put(2, code: false, comment: true)
            } else {
                put(code: false, comment: true)
            }
        } while depth > 0 && i < bytes.count
    }

    private mutating func scanString(_ pounds: Int, _ isMultiline: Bool) {
        if bytes[i] == UInt8(ascii: "\n"), !isMultiline {
            modes.removeLast()  // never closed, so it was no string
            return put(code: true)
        }
        if bytes[i] == UInt8(ascii: "\\"), hasPounds(pounds, at: i + 1) {
            if has("(", at: i + 1 + pounds) {
                put(1 + pounds, code: false)
                put(code: true)
                modes.append(.code(parentheses: 0))
            } else {
                put(2 + pounds, code: false)
            }
            return
        }
        let quotes = isMultiline ? 3 : 1
        if has("\"", at: i), !isMultiline || has("\"\"\"", at: i), hasPounds(pounds, at: i + quotes) {
            modes.removeLast()
            return put(quotes + pounds, code: true)
        }
        put(code: false)
    }

    private func hasPounds(_ count: Int, at index: Int) -> Bool {
        index + count <= bytes.count && bytes[index..<(index + count)].allSatisfy { $0 == UInt8(ascii: "#") }
    }
}
