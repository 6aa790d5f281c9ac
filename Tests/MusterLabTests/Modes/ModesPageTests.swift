import Foundation
import MusterCore
import Testing

@testable import MusterLab

/// The page of the format names everything there is.
@Suite struct ModesPageTests {
    private let page: String

    init() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        page = try String(contentsOf: root.appendingPathComponent("docs/formats/modes.md"), encoding: .utf8)
    }

    @Test func everyKeyIsThere() {
        let tables = [
            ModesKeys.top, ModesKeys.rules, ModesKeys.mode, ModesKeys.timeout, ModesKeys.event, ModesKeys.landing,
            ModesKeys.command, ModesKeys.rung, ModesKeys.node,
        ]
        for key in tables.flatMap(\.keys).map(\.name) where !["after", "do", "by", "to"].contains(key) {
            #expect(page.contains("`\(key)"), "\(key)")
        }
    }

    @Test func everyCodeIsThereUnderItsSeverity() {
        let lines = page.split(separator: "\n")
        for code in ModeFinding.Code.allCases {
            let line = lines.first { $0.contains("`\(code.rawValue)`") }
            #expect(line?.contains("| \(code.severity.rawValue) |") == true, "\(code.rawValue)")
        }
    }

    @Test func everyActionAndRungIsThere() {
        for name in TriggerAction.names { #expect(page.contains("`\(name)`"), "\(name)") }
        for rung in Rung.allCases { #expect(page.contains("`\(rung.rawValue)`"), "\(rung.rawValue)") }
    }
}
