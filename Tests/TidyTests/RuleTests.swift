import Testing

/// Each rule on samples that break it and that keep it, so that none of them passes because it sees nothing.
@Suite struct RuleTests {
    private func file(_ path: String, _ text: String) -> SwiftFile { SwiftFile(path: path, text: text) }

    // MARK: Imports

    @Test(arguments: [
        ("Sources/MusterCore/A.swift", "import Foundation"),
        ("Sources/MusterCore/A.swift", "import Synchronization"),
        ("Sources/MusterCore/A.swift", "package import MusterStore"),
        ("Sources/MusterSupervision/A.swift", "import Foundation"),
        ("Sources/muster-supervise/A.swift", "import struct Foundation.Data"),
        ("Sources/MusterStore/A.swift", "@preconcurrency import NIOCore"),
        ("Sources/MusterEngine/A.swift", "#if true\n    internal import ArgumentParser\n#endif"),
        ("Sources/MusterReport/A.swift", "import MusterStore"),
        ("Sources/MusterNew/A.swift", "import Foundation"),
        ("Tests/MusterCoreTests/A.swift", "import XCTest"),
    ])
    func anImportThatPointsUpIsFound(path: String, text: String) {
        #expect(ImportRules.findings(in: file(path, text)).count == 1)
    }

    @Test(arguments: [
        ("Sources/MusterCore/A.swift", "import HeapModule // not Foundation"),
        ("Sources/MusterCore/A.swift", "// import Foundation\nlet a = \"import Foundation\""),
        ("Sources/MusterStore/A.swift", "package import MusterCore\nprivate import func Foundation.memcpy"),
        ("Sources/muster/A.swift", "import MusterCLI"),
        ("Tests/MusterCoreTests/A.swift", "@testable import MusterCore\nimport Testing"),
        ("Package.swift", "import PackageDescription"),
    ])
    func anImportThatPointsDownPasses(path: String, text: String) {
        #expect(ImportRules.findings(in: file(path, text)).isEmpty)
    }

    @Test func layersHaveNoCycle() {
        // What a target imports must itself be allowed no more than lower targets: removing the lowest again and again
        // ends with nothing left.
        var left = ImportRules.allowed
        while let lowest = left.first(where: { $0.value.allSatisfy { left[$0] == nil } }) { left[lowest.key] = nil }
        #expect(left.isEmpty, "these import each other: \(left.keys.sorted())")
    }

    // MARK: Banned calls

    @Test(arguments: [
        ("Sources/MusterCore/A.swift", "let now = Date()"),
        ("Sources/MusterEngine/A.swift", "let begin = ContinuousClock.now"),
        ("Sources/MusterEngine/A.swift", "let begin = ContinuousClock().now"),
        ("Sources/MusterStore/A.swift", "let name = UUID().uuidString"),
        ("Sources/MusterLab/A.swift", "let a = Int.random(in: 0..<3)"),
        ("Tests/MusterCoreTests/A.swift", "let a = list.shuffled()"),
        ("Sources/MusterReport/A.swift", "print(\"done\")"),
        ("Sources/MusterReport/A.swift", "Swift.print(\"done\")"),
        ("Sources/MusterReport/A.swift", "let text = \"\\(dump(a))\""),
        ("Sources/MusterEngine/A.swift", "Foundation.exit(1)"),
        ("Sources/MusterDrivers/A.swift", "if getenv(\"HOME\") != nil {}"),
        ("Sources/MusterDrivers/A.swift", "let home = ProcessInfo.processInfo.environment"),
        ("Sources/MusterCLI/A.swift", "let child = Process()"),
        ("Sources/MusterCLI/A.swift", "let child = Foundation.Process()"),
        ("Tests/EndToEndTests/A.swift", "try await Task.sleep(for: .seconds(1))"),
        ("Tests/EndToEndTests/A.swift", "usleep(1000)"),
        ("Sources/MusterEngine/A.swift", "sleep(1)"),
        ("Sources/MusterCore/A.swift", "fatalError(\"no\")"),
        ("Tests/MusterCoreTests/A.swift", "let a = try! b()"),
        ("Sources/MusterCore/A.swift", "let a = b as! String"),
        ("Sources/MusterEngine/A.swift", "final class A: @unchecked Sendable {}"),
        ("Sources/MusterEngine/A.swift", "nonisolated(unsafe) var a = 1"),
        ("Sources/MusterEngine/A.swift", "Task { await run() }"),
        ("Sources/MusterReport/A.swift", "let format = ISO8601DateFormatter()"),
    ])
    func aBannedCallIsFound(path: String, text: String) {
        #expect(Ban.findings(in: file(path, text)).count == 1, "\(Ban.findings(in: file(path, text)))")
    }

    @Test(arguments: [
        ("Sources/MusterCLI/A.swift", "print(\"done\"); let now = Date(); exit(1)"),
        ("Sources/MusterCLI/A.swift", "let seed = UInt64.random(in: 0 ... .max); try await Task.sleep(for: pause)"),
        ("Sources/muster-supervise/A.swift", "sigaction(SIGTERM, &action, nil)"),
        ("Sources/MusterReport/A.swift", "// print(\"done\")\nlet text = \"print(1) Date()\""),
        ("Sources/MusterReport/A.swift", "let day = Date(timeIntervalSince1970: 0)"),
        ("Sources/MusterReport/A.swift", "output.print(1); blueprint(2); func print(_ a: Int) {}"),
        ("Sources/MusterCore/A.swift", "let a = Int.random(in: 0..<3, using: &chance)"),
        ("Sources/MusterCore/A.swift", "case exit(Int)\ncase .exit(let status): status"),
        ("Sources/MusterEngine/A.swift", "try await time.sleep(for: pause)"),
        ("Sources/MusterEngine/A.swift", "// The lock guards it.\nfinal class A: @unchecked Sendable {}"),
        ("Sources/MusterEngine/A.swift", "Task { await run() }  // awaited by stop()"),
        ("Sources/MusterEngine/A.swift", "group.addTask { await run() }"),
        ("Sources/MusterDrivers/A.swift", "let exit = ProcessExit(status: 0); ProcessNode(); aProcess()"),
    ])
    func whatOnlyLooksLikeABannedCallPasses(path: String, text: String) {
        #expect(Ban.findings(in: file(path, text)).isEmpty, "\(Ban.findings(in: file(path, text)))")
    }

    @Test func everyCallOfTheListIsFoundInItsArea() {
        for ban in Ban.all {
            let path = ["Sources/MusterEngine/A.swift", "Tests/MusterCoreTests/A.swift"].first(where: ban.area.contains)
            for call in ban.calls {
                let sample = file(path ?? "", call.hasPrefix(".") ? "let a = b\(call)" : "let a = \(call)")
                #expect(Ban.uses(in: sample).contains { $0.call == call }, "\(call) in \(ban.area)")
            }
        }
    }

    @Test func anAllowanceIsForItsFileAndCallOnly() {
        let allowances = [Ban.Allowance("Sources/MusterEngine/A.swift", ["getenv("], "a sample")]
        let text = "getenv(\"A\")\nprint(1)"
        #expect(Ban.findings(in: file("Sources/MusterEngine/A.swift", text), allowances: allowances).map(\.line) == [2])
        #expect(Ban.findings(in: file("Sources/MusterEngine/B.swift", text), allowances: allowances).count == 2)
    }

    // MARK: Shape

    @Test func aLongFileIsFound() {
        let line = "let a = 1\n"
        let path = "Sources/MusterCore/A.swift"
        #expect(ShapeRules.length(of: file(path, String(repeating: line, count: ShapeRules.linesMax))).isEmpty)
        #expect(ShapeRules.length(of: file(path, String(repeating: line, count: ShapeRules.linesMax + 1))).count == 1)
    }

    @Test func aLongLineIsFound() {
        let fits = String(repeating: "ä", count: ShapeRules.columnsMax)
        let script = TrackedFile(path: "a.sh", isExecutable: true, text: "\(fits)\n\(fits)a\n")
        #expect(ShapeRules.width(of: script).map(\.line) == [2])
        let texts = "    \"\(fits)\"\nlet a = \"\"\"\n  \(fits)\n  \"\"\""
        let code = file("Sources/MusterCore/A.swift", "\(fits)a\n// \(fits)\nlet a = \"\(fits)\"\n\(texts)")
        #expect(ShapeRules.width(of: code).map(\.line) == [1, 2, 3])
    }

    @Test(arguments: [
        "public struct A {}", "    public static func a() {}", "@discardableResult\npublic func a() {}",
        "// no doc comment\npublic init() {}", "public var a: Int { 1 }", "public subscript(a: Int) -> Int { 1 }",
    ])
    func anUndocumentedPublicDeclarationIsFound(text: String) {
        #expect(ShapeRules.undocumented(in: file("Sources/MusterPlans/A.swift", text)).count == 1)
    }

    @Test(arguments: [
        "/// Says it.\npublic struct A {}", "/// Says it.\n@discardableResult\n@inlinable\npublic func a() {}",
        "public import MusterCore", "package struct A {}", "let a = \"public struct\"",
    ])
    func aDocumentedPublicDeclarationPasses(text: String) {
        #expect(ShapeRules.undocumented(in: file("Sources/MusterPlans/A.swift", text)).isEmpty)
    }

    @Test func aNoteToOneselfIsFound() {
        let mark = "TO" + "DO"
        #expect(ShapeRules.notes(in: "A.swift", comments: ["", "// \(mark): later", "// \(mark)S"]).map(\.line) == [2])
    }

    @Test(arguments: ["see /ho" + "me/ana/x", "/wo" + "rk/main", "a=\"/ro" + "ot/.cache\"", "file:///Us" + "ers/ana"])
    func aPathOfAMachineIsFound(text: String) {
        #expect(ShapeRules.machinePaths(in: TrackedFile(path: "a.md", isExecutable: false, text: text)).count == 1)
    }

    @Test(arguments: ["docs/work/x", "https://example.org/home/x", "~/work/x", "${HOME}/work/x", "/homes/x", "/tmp/x"])
    func aPathOfNoMachinePasses(text: String) {
        #expect(ShapeRules.machinePaths(in: TrackedFile(path: "a.md", isExecutable: false, text: text)).isEmpty)
    }

    // MARK: Pages

    @Test func aLinkThatLeadsNowhereIsFound() {
        let page = TrackedFile(
            path: "docs/a.md",
            isExecutable: false,
            text: """
                # A page
                [good](b.md), [good](../README.md#second-part), [good](#a-page), [out](https://example.org/x.md)
                [bad](c.md), [bad](b.md#nothing), `[code](d.md)`
                ```
                [code](e.md)
                ```
                """
        )
        let pages = ["docs/a.md": page.lines, "docs/b.md": ["# B"], "README.md": ["# R", "## Second part"]]
        let findings = PageRules.brokenLinks(in: page, exists: { pages[$0] != nil }, read: { pages[$0] ?? [] })
        #expect(findings.map(\.line) == [3, 3])
    }

    @Test func aWrongQuoteIsFound() {
        func findings(_ block: String) -> Int {
            let text = "# Page\n<!-- quoted: a.swift -->\n\(block)\n"
            let page = TrackedFile(path: "docs/a.md", isExecutable: false, text: text)
            return PageRules.wrongQuotes(in: page) { $0 == "a.swift" ? ["let a = 1", "let b = 2"] : [] }.count
        }
        #expect(findings("```swift\nlet a = 1\n```") == 0)
        #expect(findings("```swift\nlet b = 3\n```") == 1)
        #expect(findings("words") == 1)
    }

    @Test func aTestThatIsNotThereIsFound() {
        let tests = TestNames(in: [
            file("Tests/A/A.swift", "@Suite struct ATests {\n    @Test func one() {}\n    @Test func two() {}\n}"),
            file("Sources/MusterTestKit/B.swift", "Check(\"nothing is lost\") { _ in }"),
        ])
        func findings(_ cell: String) -> Int {
            let text = "| what | test |\n|---|---|\n| a | \(cell) |\n"
            return tests.missing(in: TrackedFile(path: "docs/a.md", isExecutable: false, text: text)).count
        }
        for cell in ["`ATests.one`, `two`", "`ATests`", "\"nothing is lost\"", "differs"] {
            #expect(findings(cell) == 0, "\(cell)")
        }
        for cell in ["`ATests.three`", "`two`", "`BTests`", "\"all is lost\"", "", "nothing"] {
            #expect(findings(cell) == 1, "\(cell)")
        }
    }

    @Test func aGapBetweenDecisionsIsFound() {
        let body = "\n## Context\n## Decision\n## Weighed\n## Consequences\n"
        func page(_ name: String, _ title: String) -> TrackedFile {
            TrackedFile(path: "docs/decisions/\(name).md", isExecutable: false, text: title + body)
        }
        let first = page("0001-a", "# 0001. A")
        #expect(PageRules.decisions([first, page("0002-b", "# 0002. B")]).isEmpty)
        #expect(PageRules.decisions([first, page("0003-b", "# 0003. B")]).count == 1)
        #expect(PageRules.decisions([first, page("0001-b", "# 0001. B")]).count == 1)
        #expect(PageRules.decisions([first, page("0002-b", "# 0003. B")]).count == 1)
        #expect(
            PageRules.decisions([TrackedFile(path: "docs/decisions/0001-a.md", isExecutable: false, text: "# 0001. A")])
                .count
                == 4
        )
    }

    @Test func aScriptThatCannotBeStartedIsFound() {
        func findings(_ text: String, _ isExecutable: Bool) -> Int {
            PageRules.executableBits(TrackedFile(path: "a", isExecutable: isExecutable, text: text)).count
        }
        #expect(findings("#!/bin/sh\n", false) == 1)
        #expect(findings("#!/bin/sh\n", true) == 0)
        #expect(findings("a\n", true) == 1)
        #expect(findings("a\n", false) == 0)
    }
}
