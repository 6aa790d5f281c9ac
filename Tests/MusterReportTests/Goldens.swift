import Foundation
import Testing

/// Files that hold what a renderer must give, byte by byte. They stand in `docs/formats/examples`, so that the
/// documented example is the tested one. `MUSTER_UPDATE_GOLDENS=1` writes them again.
enum Goldens {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("docs/formats/examples")

    static func expect(_ bytes: [UInt8], equals name: String, _ location: SourceLocation = #_sourceLocation) throws {
        let file = folder.appendingPathComponent(name)
        if ProcessInfo.processInfo.environment["MUSTER_UPDATE_GOLDENS"] == "1" { try Data(bytes).write(to: file) }
        let golden = try String(contentsOf: file, encoding: .utf8)
        let text = String(decoding: bytes, as: UTF8.self)
        guard text != golden else { return }
        let lines = zip(
            text.split(separator: "\n", omittingEmptySubsequences: false),
            golden.split(separator: "\n", omittingEmptySubsequences: false)
        )
        let difference = lines.enumerated().first { $0.element.0 != $0.element.1 }
        let said =
            difference.map { "line \($0.offset + 1)\n is: \($0.element.0)\nwas: \($0.element.1)" } ?? "another length"
        Issue.record("\(name) differs: \(said)\n(MUSTER_UPDATE_GOLDENS=1 accepts it)", sourceLocation: location)
    }
}
