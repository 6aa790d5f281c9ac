import Foundation
import Testing

@testable import MusterCLI

/// Screens and logs that are what a user sees, byte by byte. They stand in `docs/formats/examples`, so that the
/// documented example is the tested one. `MUSTER_UPDATE_GOLDENS=1` writes them again.
enum TerminalGoldens {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("docs/formats/examples")

    static func expect(_ lines: [String], equals name: String, _ location: SourceLocation = #_sourceLocation) throws {
        let file = folder.appendingPathComponent(name)
        let text = lines.joined(separator: "\n") + "\n"
        if ProcessInfo.processInfo.environment["MUSTER_UPDATE_GOLDENS"] == "1" {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        let golden = try String(contentsOf: file, encoding: .utf8)
        guard text != golden else { return }
        let was = golden.split(separator: "\n", omittingEmptySubsequences: false)
        let now = text.split(separator: "\n", omittingEmptySubsequences: false)
        let line = zip(now, was).enumerated().first { $0.element.0 != $0.element.1 }
        let said = line.map { "line \($0.offset + 1)\n is: \($0.element.0)\nwas: \($0.element.1)" } ?? "another length"
        Issue.record("\(name) differs: \(said)\n(MUSTER_UPDATE_GOLDENS=1 accepts it)", sourceLocation: location)
    }

    /// Several screens in one file, each under a title; escape characters are shown as `␛`.
    static func gallery(
        _ stage: TerminalStage,
        _ shots: [(title: String, width: Int, height: Int, style: TerminalStyle)]
    ) -> [String] {
        shots.flatMap { shot in
            let frame = Screen.frame(stage.progress, width: shot.width, height: shot.height, style: shot.style)
            return ["=== \(shot.title), \(shot.width) columns, \(shot.height) rows"]
                + frame.map { $0.replacingOccurrences(of: "\u{1B}", with: "␛") }
        }
    }
}

extension TerminalStyle {
    static let unicode = TerminalStyle(isLive: true, usesColor: false, isASCII: false)
    static let ascii = TerminalStyle(isLive: true, usesColor: false, isASCII: true)
    static let color = TerminalStyle(isLive: true, usesColor: true, isASCII: false)
}
