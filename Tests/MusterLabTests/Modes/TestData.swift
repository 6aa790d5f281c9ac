import Foundation

/// Recorded data that tests replay: the folder that `MUSTER_TEST_DATA` names.
enum TestData {
    static let folder = ProcessInfo.processInfo.environment["MUSTER_TEST_DATA"]
    static let isThere = folder.map { FileManager.default.fileExists(atPath: $0 + "/emulab") } ?? false
    static let reason = "MUSTER_TEST_DATA names no folder of recorded data"

    static func path(_ name: String) -> String { (folder ?? "") + "/" + name }

    static func text(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }

    static func decode<Value: Decodable>(_: Value.Type, _ name: String) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(contentsOf: URL(fileURLWithPath: path(name))))
    }

    /// The rows of a table, each as a mapping from its columns.
    static func table(_ name: String) throws -> [[String: String]] {
        let lines = try text(name).split(separator: "\n").map { line in
            line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        }
        return lines.dropFirst().map { Dictionary(zip(lines[0], $0), uniquingKeysWith: { first, _ in first }) }
    }
}
