/// Finds tabs where fmf's loader takes none: outside of quotes, block scalars, brackets and comments.
///
/// The parser that reads the events here lets some of them pass.
struct FMFTabs {
    private let source: SourceText
    /// What tabs may stand in, in the order of the file.
    private var covered: [Span] = []
    private let hasTabs: Bool

    init(_ source: SourceText) {
        self.source = source
        hasTabs = source.bytes.contains(0x09)
    }

    mutating func cover(_ span: Span) {
        guard hasTabs else { return }
        // What stands inside of brackets is covered with them, but is met first.
        while let last = covered.last, last.start >= span.start { covered.removeLast() }
        covered.append(span)
    }

    /// The first tab that stands wrong.
    var firstWrong: Mark? {
        guard hasTabs else { return nil }
        let bytes = source.bytes
        let ranges = covered.map { source.byte(of: $0.start)..<max(source.byte(of: $0.end), source.byte(of: $0.start)) }
        var next = 0
        var i = 0
        var before: UInt8 = 0x0A
        while i < bytes.count {
            while next < ranges.count, ranges[next].upperBound <= i { next += 1 }
            if next < ranges.count, ranges[next].contains(i) {
                i = ranges[next].upperBound
                before = 0
                continue
            }
            let byte = bytes[i]
            if byte == 0x09 { return source.mark(ofByte: i) }
            if byte == UInt8(ascii: "#"), [0x0A, 0x0D, 0x20].contains(before) {
                while i < bytes.count, bytes[i] != 0x0A, bytes[i] != 0x0D { i += 1 }
                before = 0x0A
                continue
            }
            before = byte
            i += 1
        }
        return nil
    }
}
