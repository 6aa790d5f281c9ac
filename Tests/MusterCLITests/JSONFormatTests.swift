import ArgumentParser
import Foundation
import MusterCore
import MusterStore
import Testing

@testable import MusterCLI

@Suite struct JSONFormatTests {
    private static let page: String = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return (try? String(contentsOf: root.appendingPathComponent("docs/formats/json.md"), encoding: .utf8)) ?? ""
    }()

    @Test func everyEventIsDocumented() {
        for kind in EventRow.Kind.allCases {
            #expect(Self.page.contains("`\(kind.rawValue)`"), "docs/formats/json.md does not name \(kind.rawValue)")
        }
    }

    @Test func everyCodeOfARefusalIsDocumented() {
        for code in Refusal.Reason.codes {
            #expect(Self.page.contains("| `\(code)` |"), "docs/formats/json.md does not name \(code)")
        }
    }

    @Test func everyVerbIsDocumented() {
        let verbs = MusterCommand.configuration.groupedSubcommands.flatMap(\.subcommands)
        #expect(verbs.count >= 17)
        for verb in verbs {
            let name = name(of: verb)
            #expect(Self.page.contains("`\(name)`"), "docs/formats/json.md does not name \(name)")
        }
    }

    @Test func keysOfARunAreAsDocumented() throws {
        let row = PlanRow(
            id: PlanID(1),
            request: "t",
            verb: .up,
            lab: "shop",
            host: "h",
            epoch: 1,
            createdAt: Timestamp(rawValue: 0)
        )
        let broken = try JSONEncoder().encode(JSONShape.Run(row, isConducted: false, flaw: "step 0 is missing"))
        #expect(String(decoding: broken, as: UTF8.self).contains("\"broken\":\"step 0 is missing\""))
        #expect(Self.page.contains("`broken`"))
        let data = try JSONEncoder().encode(JSONShape.Run(row, isConducted: false))
        let fields = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        for key in fields.keys { #expect(Self.page.contains(key), "docs/formats/json.md does not name \(key)") }
        #expect(fields["interrupted"] as? Bool == true)
        #expect(fields["created_at"] as? String == "1970-01-01T00:00:00.000000Z")
    }
}

@Suite struct HelpTests {
    private func help(_ verb: any ParsableCommand.Type) -> [Substring] {
        MusterCommand.helpMessage(for: verb, columns: 80).split(separator: "\n", omittingEmptySubsequences: false)
    }

    @Test func theWholeFitsInFortyLines() {
        let lines = RootHelp.text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect((10...40).contains(lines.count))
        #expect(lines.allSatisfy { $0.count <= 100 })
        let verbs = MusterCommand.configuration.groupedSubcommands.flatMap(\.subcommands)
        for verb in verbs.filter({ $0.configuration.shouldDisplay }) {
            #expect(RootHelp.text.contains(" \(name(of: verb)) "), "the help lacks \(name(of: verb))")
        }
    }

    @Test func eachVerbFitsInFiftyLinesWithExamplesFirst() throws {
        for verb in MusterCommand.configuration.groupedSubcommands.flatMap(\.subcommands) {
            let lines = help(verb)
            #expect((5...50).contains(lines.count), "\(name(of: verb))")
            let example = try #require(
                lines.firstIndex { $0.hasPrefix("  muster \(name(of: verb))") },
                "\(name(of: verb)) shows no example"
            )
            let usage = try #require(lines.firstIndex { $0.hasPrefix("USAGE") })
            #expect(example < usage, "\(name(of: verb)): examples come first")
        }
    }
}

@Suite struct ExecArgumentTests {
    @Test func whatStandsAfterTheTerminatorIsTheCommand() throws {
        let arguments = Exec.separate(["exec", "--json", "app/1", "--", "ls", "-l", "--json", "--"])
        let exec = try #require(try MusterCommand.parseAsRoot(arguments) as? Exec)
        #expect(exec.things == ["app/1"])
        #expect(exec.command == ["ls", "-l", "--json", "--"])
        #expect(exec.options.json)
    }

    @Test func otherVerbsKeepTheirArguments() {
        #expect(Exec.separate(["test", "--", "a"]) == ["test", "--", "a"])
    }
}

@Suite struct LogNameTests {
    private var spec: RunSpec {
        var spec = RunSpec(verb: .test, lab: "shop", labDirectory: "/lab")
        var app = GroupSpec(name: "app", count: 12)
        app.steps = [ProvisionStep(.process(run: nil)), ProvisionStep(.run(Template("./setup")))]
        spec.groups = [app]
        var suite = SuiteSpec(name: "api", group: "app")
        suite.tests = [TestSpec(name: "tests/login", command: .file("tests/login.sh"))]
        spec.suites = [suite]
        return spec
    }

    @Test func thingsAreFoundByTheNamesPeopleSee() {
        let step = StepSpec(.provision, a: 0, b: 1, c: 1)
        #expect(LogFinder.matches(spec, step, "app/1"))
        #expect(LogFinder.matches(spec, step, "app/1:2"))
        #expect(!LogFinder.matches(spec, step, "app/1:1"))
        #expect(!LogFinder.matches(spec, StepSpec(.provision, a: 0, b: 1, c: 11), "app/1"))
        let attempt = StepSpec(.attempt, a: 0, b: 0, c: 2)
        #expect(LogFinder.matches(spec, attempt, "api//tests/login"))
        #expect(LogFinder.matches(spec, attempt, "api//tests/login#2"))
        #expect(!LogFinder.matches(spec, attempt, "api//tests/login#1"))
        #expect(LogFinder.matches(spec, attempt, "tests/login"))
        #expect(!LogFinder.matches(spec, attempt, "login"))
    }
}

/// What people type for a verb.
private func name(of verb: any ParsableCommand.Type) -> String {
    verb.configuration.commandName ?? String(describing: verb).lowercased()
}

@Suite struct ExitCodeTests {
    /// A corrupt or newer database is 2, a full disk 3 (`CONTRACT.md`).
    @Test func failuresOfTheStoreHaveTheirCodes() {
        let expected: [StoreError.Code: Int32] = [
            .corrupt: 2, .newer: 2, .permission: 2, .full: 3, .failed: 3, .fenced: 3, .busy: 4,
        ]
        for code in StoreError.Code.allCases { #expect(code.exitCode == expected[code]) }
    }
}

@Suite struct PathTests {
    @Test func relativePathsMeanTheFolderOfTheCommand() {
        let current = FileManager.default.currentDirectoryPath
        let parent = (current as NSString).deletingLastPathComponent
        #expect(Paths.absolute("a/b") == current + "/a/b")
        #expect(Paths.absolute("./a") == current + "/a")
        #expect(Paths.absolute("a/../b") == current + "/b")
        #expect(Paths.absolute("../a") == (parent == "/" ? "/a" : parent + "/a"))
        #expect(Paths.absolute("/x/../y") == "/y")
    }
}
