import Foundation
import Testing

@testable import MusterLab

/// What fmf 1.7 itself made of rules, small trees, filters, and of whole trees.
enum FMFData {
    static let folder = ProcessInfo.processInfo.environment["MUSTER_TEST_DATA"].map { $0 + "/fmf" }
    static let isThere = folder.map { FileManager.default.fileExists(atPath: $0 + "/golden.jsonl") } ?? false
    static let reason: Comment = "MUSTER_TEST_DATA names no folder of recorded data"
    static func path(_ name: String) -> String { (folder ?? "") + "/" + name }

    static func rows(_ kind: String) throws -> [[String: Any]] {
        let text = try String(contentsOfFile: path("golden.jsonl"), encoding: .utf8)
        return try text.split(separator: "\n").compactMap { line in
            try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        }.filter { $0["kind"] as? String == kind }
    }

    static func context(_ value: Any?) -> [String: [String]]? {
        (value as? [String: Any])?.mapValues { ($0 as? [String]) ?? ["\($0)"] }
    }

    /// JSON in one form, whatever the order of keys was.
    static func canonical(_ value: Any) throws -> String {
        let data = try JSONSerialization.data(withJSONObject: value, options: [.sortedKeys, .fragmentsAllowed])
        return String(decoding: data, as: UTF8.self)
    }

    static func canonical(json: String) throws -> String {
        try canonical(JSONSerialization.jsonObject(with: Data(json.utf8), options: .fragmentsAllowed))
    }
}

@Suite(.enabled(if: FMFData.isThere, FMFData.reason)) struct FMFGoldenTests {
    @Test func everyRecordedRuleIsDecidedTheSame() throws {
        let rows = try FMFData.rows("when")
        #expect(rows.count >= 29)
        for row in rows {
            let context = FMFContext(try #require(FMFData.context(row["ctx"])))
            let outcome: String
            do {
                let rule =
                    try (row["rule"] as? String).map { try FMFRule($0) } ?? FMFRule(row["rule"] as? Bool ?? false)
                switch try rule.decide(context) {
                case .matches: outcome = "true"
                case .doesNotMatch: outcome = "false"
                case .cannotDecide: outcome = "CannotDecide"
                }
            } catch is FMFRule.Invalid {
                outcome = "InvalidRule"
            }
            let wanted = row["out"] as? String ?? (row["out"] as? Bool == true ? "true" : "false")
            #expect(outcome == wanted, "\(row)")
        }
    }

    @Test func everyRecordedSmallTreeComesOutTheSame() throws {
        let rows = try FMFData.rows("tree")
        #expect(rows.count >= 16)
        for row in rows {
            let tree = try FMFTestTree(try #require(row["files"] as? [String: String]))
            let context = FMFData.context(row["ctx"])
            if let wanted = row["out"] as? [String: Any] {
                let data = try tree.read(context).data()
                #expect(Set(data.keys) == Set(wanted.keys), "\(row["name"] ?? "")")
                for (name, value) in wanted {
                    #expect(try FMFData.canonical(json: data[name] ?? "0") == FMFData.canonical(value), "\(row)")
                }
            } else {
                let faults = try tree.faults(context)
                #expect(faults.count == 1 && faults[0].hasPrefix("main.fmf:"), "\(row): \(faults)")
            }
        }
    }

    @Test func everyRecordedFilterPassesTheSame() throws {
        let data = "tag: [Tier1, x]\ncategory: [Sanity]\n"
        let node = try #require(try FMFTestTree(["main.fmf": data]).read().node("/"))
        let rows = try FMFData.rows("filter")
        #expect(rows.count >= 7)
        for row in rows {
            let passes = try FMFFilter(try #require(row["filter"] as? String)).passes(node)
            #expect(passes == row["out"] as? Bool, "\(row)")
        }
    }

    @Test(
        arguments: ["RHSecurityCompliance_contest", "RedHat-SP-Security_keylime-tests"],
        [("none", [:]), ("fedora40", ["distro": ["fedora-40"], "arch": ["x86_64"]])]
    )
    func everyNodeOfAWholeTreeIsTheSameToTheByte(name: String, run: (name: String, context: [String: [String]])) throws
    {
        let packed = try Data(
            contentsOf: URL(fileURLWithPath: FMFData.path("golden_trees/\(name).\(run.name).jsonl.gz"))
        )
        let wanted = String(decoding: try Gunzip.data([UInt8](packed)), as: UTF8.self).split(separator: "\n")
        let context = run.context.isEmpty ? nil : FMFContext(run.context)
        let tree = try FMFTree(at: FMFData.path("trees/\(name)"), context: context)
        let lines = try FMFExport.jsonLines(of: tree).split(separator: "\n")
        let missing = Set(wanted).subtracting(lines)
        #expect(Set(lines).isSubset(of: wanted))
        // The file of one recorded node is not among the files.
        #expect(missing.allSatisfy { $0.hasSuffix("\"name\": \"/plans/gating-ci\"}") })
        #expect(lines == wanted.filter { !missing.contains($0) } && lines.count > 100)
    }
}
