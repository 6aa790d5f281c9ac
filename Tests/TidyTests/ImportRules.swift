/// What each target may import: the table of docs/ARCHITECTURE.md. Arrows point down only.
enum ImportRules {
    /// For what imports no Foundation.
    static let systemOnly: Set = ["Darwin", "Glibc", "Musl", "Synchronization"]
    static let system: Set = systemOnly.union(["Dispatch", "Foundation", "FoundationEssentials"])
    static let nio: Set = ["NIOCore", "NIOHTTP1", "NIOPosix"]
    static let collections: Set = ["DequeModule", "HeapModule"]

    /// From the bottom up. A target that is not here may not exist.
    static let allowed: [String: Set<String>] = [
        // Values and machines: no Foundation, no locks, no clock.
        "MusterCore": collections,
        "MusterTestControl": [],
        "MusterSupervision": systemOnly,
        "muster-supervise": systemOnly.union(["MusterSupervision", "MusterTestControl"]),
        "MusterStore": system.union(["MusterCore", "GRDB", "GRDBSQLite"]),
        "MusterLab": system.union(["MusterCore", "Yams", "CYaml"]),
        "MusterReport": system.union(["MusterCore", "CZlib"]),
        "MusterDrivers": system.union(nio).union([
            "MusterCore", "MusterSupervision", "MusterTestControl", "Logging",
        ]),
        "MusterEngine": system.union(nio).union(collections).union([
            "MusterCore", "MusterStore", "MusterDrivers", "AsyncHTTPClient", "Crypto", "Logging", "Metrics", "NIOSSL",
            "ServiceLifecycle", "Subprocess", "SystemPackage", "Tracing",
        ]),
        "MusterPlans": system.union(nio).union([
            "MusterCore", "MusterStore", "MusterDrivers", "MusterEngine", "CoreMetrics", "Logging", "Metrics",
            "Tracing",
        ]),
        "MusterTestKit": system.union(nio).union(collections).union([
            "MusterCore", "MusterStore", "MusterDrivers", "MusterEngine", "Logging", "Testing",
        ]),
        "MusterPlansTesting": system.union([
            "MusterCore", "MusterStore", "MusterEngine", "MusterPlans", "MusterTestKit",
        ]),
        "MusterCLI": system.union(nio).union([
            "MusterCore", "MusterStore", "MusterLab", "MusterReport", "MusterDrivers", "MusterEngine", "ArgumentParser",
            "Logging",
        ]),
        "MusterPolicies": ["MusterCore", "MusterCLI"],
        "muster": ["MusterCLI"],
        "muster-bench": system.union(nio).union([
            "MusterCore", "MusterStore", "MusterLab", "MusterDrivers", "MusterEngine", "MusterPlans", "MusterTestKit",
            "ArgumentParser", "GRDB", "GRDBSQLite", "Logging",
        ]),
    ]

    static func findings(in file: SwiftFile) -> [Finding] {
        guard let target = file.target else { return [] }
        let isTest = file.path.hasPrefix("Tests/")
        var findings: [Finding] = []
        for (index, line) in file.code.enumerated() {
            guard let module = importedModule(line) else { continue }
            if isTest {
                // Tests reach into everything; only the other test library is out.
                if module == "XCTest" { findings.append(Finding(file.path, index + 1, "tests use Swift Testing only")) }
            } else if let modules = allowed[target] {
                guard !modules.contains(module) else { continue }
                let list = modules.sorted().joined(separator: ", ")
                findings.append(Finding(file.path, index + 1, "\(target) may not import \(module), only \(list)"))
            } else {
                findings.append(
                    Finding(
                        file.path,
                        index + 1,
                        "\(target) is not in the table of layers in Tests/TidyTests/ImportRules.swift"
                    )
                )
            }
        }
        return findings
    }

    /// The module of `package import struct Foundation.Data`; nil when the line imports nothing.
    static func importedModule(_ line: String) -> String? {
        let words = line.split(whereSeparator: \.isWhitespace)
        let before: Set<Substring> = ["public", "package", "internal", "fileprivate", "private"]
        guard let place = words.firstIndex(of: "import"), place + 1 < words.count,
            words[..<place].allSatisfy({ before.contains($0) || $0.hasPrefix("@") })
        else { return nil }
        let kinds: Set<Substring> = ["actor", "class", "enum", "func", "let", "protocol", "struct", "typealias", "var"]
        let name = kinds.contains(words[place + 1]) && place + 2 < words.count ? words[place + 2] : words[place + 1]
        return name.split(separator: ".").first.map(String.init)
    }
}
