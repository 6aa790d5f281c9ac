import Foundation
import Testing

/// Each rule over the whole repository. What the rules themselves find and let pass is in `RuleTests`.
@Suite struct TidyTests {
    private func expectNone(_ findings: [Finding]) {
        if !findings.isEmpty { Issue.record("\(findings.count) found:\n\(findings.report)") }
    }

    @Test func theRepositoryIsFound() {
        #expect(Repository.files.contains { $0.path == "Package.swift" })
        #expect(Repository.swiftFiles.count > 40)
        #expect(Repository.swiftFiles.allSatisfy { $0.code.count == $0.lines.count })
    }

    @Test func importsPointDown() {
        expectNone(Repository.swiftFiles.flatMap(ImportRules.findings))
    }

    @Test func noBannedCalls() {
        expectNone(Repository.swiftFiles.flatMap { Ban.findings(in: $0) })
    }

    @Test func everyAllowanceIsNeeded() {
        for allowance in Ban.allowances {
            let used = Repository.swiftFiles.filter { $0.path == allowance.path }.flatMap {
                Ban.uses(in: $0).map(\.call)
            }
            for call in allowance.calls where !used.contains(call) {
                Issue.record("\(allowance.path) does not use \(call): take it off the allowances")
            }
        }
    }

    @Test func filesAreShort() {
        expectNone(Repository.swiftFiles.flatMap(ShapeRules.length))
        for machine in ShapeRules.machines where !Repository.swiftFiles.contains(where: { $0.path == machine }) {
            Issue.record("\(machine) is listed as a long machine, but is not there")
        }
    }

    @Test func linesAreShort() {
        expectNone(Repository.swiftFiles.flatMap { ShapeRules.width(of: $0) })
        expectNone(Repository.files.filter { $0.text?.hasPrefix("#!") == true }.flatMap { ShapeRules.width(of: $0) })
    }

    @Test func publicDeclarationsAreDocumented() {
        expectNone(Repository.swiftFiles.filter { $0.path.hasPrefix("Sources/") }.flatMap(ShapeRules.undocumented))
    }

    @Test func nothingIsPutOffInComments() {
        expectNone(Repository.swiftFiles.flatMap { ShapeRules.notes(in: $0.path, comments: $0.comments) })
        let scripts = Repository.files.filter { $0.text?.hasPrefix("#!") == true || $0.path.hasSuffix(".sh") }
        expectNone(scripts.flatMap { ShapeRules.notes(in: $0.path, comments: $0.lines) })
    }

    @Test func noPathOfSomebodysMachine() {
        expectNone(Repository.files.flatMap(ShapeRules.machinePaths))
    }

    @Test func linksLeadSomewhere() {
        let pages = Repository.files.filter { $0.path.hasSuffix(".md") }
        expectNone(
            pages.flatMap { page in
                PageRules.brokenLinks(
                    in: page,
                    exists: { FileManager.default.fileExists(atPath: Repository.root + "/" + $0) },
                    read: { path in pages.first { $0.path == path }?.lines ?? [] }
                )
            }
        )
    }

    @Test func quotedCodeIsThere() {
        let read: (String) -> [String] = { path in Repository.files.first { $0.path == path }?.lines ?? [] }
        let pages = Repository.files.filter { $0.path.hasSuffix(".md") }
        expectNone(pages.flatMap { PageRules.wrongQuotes(in: $0, read: read) })
    }

    @Test func testsThatPagesNameAreThere() {
        let tests = TestNames(in: Repository.swiftFiles)
        expectNone(Repository.files.filter { $0.path == "docs/coming-from-dynflow.md" }.flatMap(tests.missing))
    }

    @Test func decisionsAreNumbered() {
        let pages = Repository.files.filter { $0.path.hasPrefix("docs/decisions/") && $0.path.hasSuffix(".md") }
        #expect(!pages.isEmpty)
        expectNone(PageRules.decisions(pages))
    }

    @Test func scriptsCanBeStarted() {
        expectNone(Repository.files.flatMap(PageRules.executableBits))
        for script in ["muster", "scripts/test", ".ci/run"] {
            #expect(Repository.files.contains { $0.path == script && $0.isExecutable }, "\(script) is not there")
        }
    }

    @Test func theLicenceIsThere() throws {
        let licence = try #require(Repository.files.first { $0.path == "LICENSE" }?.text)
        #expect(licence.contains("Apache License") && licence.contains("Version 2.0, January 2004"))
    }

    @Test func versionsAreNotPinned() {
        #expect(
            !Repository.files.contains { $0.path == "Package.resolved" },
            "Package.resolved is not tracked: git rm it"
        )
    }
}
