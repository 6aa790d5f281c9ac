import Foundation
import MusterCore
import MusterTestKit
import Testing

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// The program that sees to packages, by each shell that is there, on systems that are made of fakes.
@Suite struct PackageProgramTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let shell: [String]
        let tool: String
        var testDescription: String { "\(tool) by \(shell.joined(separator: " "))" }
    }

    static let shells = [["/bin/dash"], ["/bin/bash"], ["/bin/sh"]].filter { access($0[0], X_OK) == 0 }
    static let cases: [Case] = {
        let tools = ["dnf", "yum", "microdnf", "zypper", "apt-get", "apk", "pacman"]
        // Busybox's shell may prefer what it has itself, as an `rpm`, to what is in PATH.
        let busybox = ["/bin/busybox", "sh"]
        let own = access(busybox[0], X_OK) == 0 ? ["apt-get", "apk", "pacman"] : []
        return shells.flatMap { shell in tools.map { Case(shell: shell, tool: $0) } }
            + own.map { Case(shell: busybox, tool: $0) }
    }()

    @Test(arguments: cases)
    func whatIsMissingIsInstalledOnce(_ test: Case) throws {
        let system = try FakeSystem(test.tool, installed: ["here"], available: ["new", "other one", "nice"])
        let needs = PackageNeeds(require: ["here", "new", "other one"], recommend: ["nice", "nowhere", "here"])
        let end = try system.run(test.shell, needs)
        #expect(end.status == 0, "\(end.output)")
        #expect(system.installed.isSuperset(of: ["here", "new", "other one", "nice"]))
        #expect(end.output.contains("goes on without nowhere, which is recommended"), "\(end.output)")
        #expect(end.control == "duration save\nduration 1h\nduration restore\n")
        let calls = system.calls
        #expect(calls.filter { $0.hasSuffix("new other one") }.count == 1, "the required ones at once: \(calls)")
        #expect(calls.filter { $0.hasSuffix(" here") } == [], "what is there is not installed: \(calls)")
        // Again there is nothing to do, and nothing is asked.
        let again = try system.run(test.shell, needs)
        #expect(again.status == 0 && again.control.isEmpty && system.calls == calls)
        #expect(system.questions == end.questions)
    }

    @Test(arguments: cases)
    func whatIsThereCostsNoInstallation(_ test: Case) throws {
        let system = try FakeSystem(test.tool, installed: ["here"])
        let end = try system.run(test.shell, PackageNeeds(require: ["here", "/bin/sh"]))
        #expect(end.status == 0 && end.output.isEmpty && end.control.isEmpty)
        #expect(system.calls.isEmpty)
    }

    @Test(arguments: cases)
    func aRequiredPackageThatCannotBeHadIsAnErrorThatNamesIt(_ test: Case) throws {
        let system = try FakeSystem(test.tool, installed: [], available: ["new"])
        let needs = PackageNeeds(require: ["new", "no'\"where"], recommend: ["nice"])
        for _ in 1...2 {
            let end = try system.run(test.shell, needs)
            #expect(end.status == 2)
            let note = try end.note()
            #expect(note.hasPrefix("required packages could not be installed: "))
            #expect(note.contains("no'\"where; \(test.tool) ended with "))
            #expect(note.contains("No match for argument: no'\"where"), "\(note)")
            #expect(end.output.contains("No match for argument"), "what the manager said is in the output")
        }
    }

    @Test(arguments: cases)
    func theUsersOwnHostIsLeftAlone(_ test: Case) throws {
        let system = try FakeSystem(test.tool, installed: ["here"], available: ["new"])
        let end = try system.run(test.shell, PackageNeeds(require: ["here", "new"]), mayInstall: false)
        #expect(end.status == 2)
        let note = try end.note()
        #expect(note.hasPrefix("required packages are missing: new; this node is a process of your own host"))
        #expect(note.contains("'\(test.tool) install'"), "\(note)")
        let content = try system.run(test.shell, PackageNeeds(require: ["here"], recommend: ["new"]), mayInstall: false)
        #expect(content.status == 0 && content.control.isEmpty)
        #expect(system.calls.isEmpty && system.installed.isDisjoint(with: ["new"]))
    }

    @Test(arguments: shells)
    func whoeverCannotInstallIsTold(shell: [String]) throws {
        let needs = PackageNeeds(require: ["new"])
        let user = try FakeSystem("dnf", available: ["new"])
        let asUser = try user.run(shell, needs, ["FAKE_UID": "1000"])
        #expect(asUser.status == 2 && user.calls.isEmpty)
        #expect(
            try asUser.note().hasSuffix(
                "dnf needs root to install them, and this is alice: have the node entered as root"
            )
        )

        let image = try FakeSystem("dnf", available: ["new"])
        let onImage = try image.run(shell, needs, ["MUSTER_OSTREE": image.folder])
        #expect(onImage.status == 2 && image.calls.isEmpty)
        #expect(try onImage.note().contains("its system is an image"))

        let bare = try FakeSystem(nil)
        #expect(
            try bare.run(shell, needs).note().contains("none of dnf, yum, microdnf, zypper, apt-get, apk and pacman")
        )
        // Where nobody can be asked, nothing is known to be missing on the user's host.
        #expect(try bare.run(shell, needs, mayInstall: false).status == 0)
    }

    @Test func whatADebianPackageProvidesIsThere() throws {
        let system = try FakeSystem("apt-get", installed: [], available: [])
        try system.install("postfix", provides: "mail-transport-agent, smtp (= 3.7)")
        let needs = PackageNeeds(require: ["mail-transport-agent", "smtp"])
        #expect(try system.run(["/bin/sh"], needs, mayInstall: false).status == 0)
        #expect(try system.run(["/bin/sh"], PackageNeeds(require: ["mail"]), mayInstall: false).status == 2)
    }

    @Test func aSetHasOneKeyInWhateverOrder() {
        let needs = PackageNeeds(require: ["a", "b"], recommend: ["c"])
        #expect(needs.key == PackageNeeds(require: ["b", "a", "a"], recommend: ["c"]).key)
        let others = [
            PackageNeeds(require: ["a", "b", "c"]), PackageNeeds(recommend: ["a", "b", "c"]),
            PackageNeeds(require: ["ab"], recommend: ["c"]), PackageNeeds(require: ["a"], recommend: ["b", "c"]),
        ]
        #expect(Set(others.map(\.key) + [needs.key]).count == 5)
    }

    @Test(arguments: TestFrame.ResultRule.allCases)
    func whatNeverBeganIsAnErrorWhateverTheTestsResultSays(rule: TestFrame.ResultRule) {
        var frame = TestFrame(tree: "/t", directory: "")
        frame.result = rule
        var exit = ProcessExit(status: 2, startedAt: Timestamp(rawValue: 0), endedAt: Timestamp(rawValue: 1))
        func outcome() -> Outcome {
            let timeout: Duration = .seconds(1)
            return SuiteMachine.judge(.exited(exit), lost: nil, isCancelling: false, timeout: timeout, frame: frame)
                .outcome
        }
        exit.findings = TestFindings(outcome: .error, note: "required packages are missing")
        exit.findings?.notSetUp = true
        #expect(outcome() == .error)
        exit.findings?.notSetUp = nil
        #expect((outcome() == .pass) == (rule == .pass), "of one that began the rule holds")
        exit.findings = nil
        exit.notStarted = "no such file"
        #expect(outcome() == .error)
    }

    @Test func theCommandOfAPlanSaysTheSameWithoutATest() throws {
        let system = try FakeSystem("dnf", available: ["new"])
        let command = PackageNeeds(require: ["new"], recommend: ["it's"]).command
        let end = try system.run(["/bin/sh", "-c", command], nil)
        #expect(end.status == 0 && system.installed.contains("new"), "\(end.output)")
        #expect(end.output.contains("goes on without it's"))
    }
}

/// A system of fakes: a manager, what is installed, and what it could install.
private final class FakeSystem {
    struct End {
        let status: Int?
        let output: String
        let control: String
        let questions: Int

        /// The note of the error that the control stream has.
        func note() throws -> String {
            let lines = control.split(separator: "\n").map(String.init)
            let text = try #require(lines.last, "\(output)")
            #expect(lines.dropLast().last == "result \(text.utf8.count)")
            let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: String] ?? [:]
            #expect(object["status"] == "error" && object["muster"] == "not-set-up")
            return object["note"] ?? ""
        }
    }

    let folder: String

    /// - Parameter tool: the manager; nil for a system without one.
    init(_ tool: String?, installed: [String] = [], available: [String] = []) throws {
        var template = Array((FileManager.default.temporaryDirectory.path + "/packages-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw POSIXError(.EIO) }
        folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        for name in ["bin", "installed", "available"] {
            try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
        }
        for name in available { try Data().write(to: URL(fileURLWithPath: "\(folder)/available/\(name)")) }
        for name in installed { try install(name) }
        for name in ["cat", "cut", "grep", "mkdir", "mktemp", "rm", "sed", "sh", "tail", "tr"] {
            let places = ["/bin/\(name)", "/usr/bin/\(name)"]
            let place = try #require(places.first { access($0, X_OK) == 0 }, "\(name) is not there")
            try FileManager.default.createSymbolicLink(atPath: "\(folder)/bin/\(name)", withDestinationPath: place)
        }
        var fakes = ["id"]
        switch tool {
        case "apt-get"?: fakes += ["dpkg-query", "apt-get"]
        case "apk"?: fakes += ["apk"]
        case "pacman"?: fakes += ["pacman"]
        // Its tool for other systems' packages is there, and is not asked.
        case let tool?: fakes += ["rpm", tool, "dpkg-query"]
        case nil: break
        }
        let own = ["apt-get": "dpkg", "apk": "apk-tools", "pacman": "pacman"]
        if let tool { try install(own[tool] ?? "rpm") }
        try SpawnedProgram.put(Self.fake, as: fakes.map { "\(folder)/bin/\($0)" }, folder: folder)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    private static let fake = #"""
        #!/bin/sh
        name=${0##*/}
        there() { echo "$1" >>"$FAKE/questions"; [ -e "$FAKE/installed/$1" ]; }
        case "$name $1" in
            "id -u") echo "${FAKE_UID:-0}"; exit ;;
            "id -un") echo alice; exit ;;
            "rpm -q") [ "$2" != --whatprovides ] || shift; there "$2"; exit ;;
            "apk info") there "$3"; exit ;;
            "pacman -T") there "$2"; exit ;;
            "dpkg-query -W")
                if [ "$2" != -f ]; then there "$2"; exit; fi
                if [ $# = 4 ]; then there "$4" && echo installed || echo not-installed; exit; fi
                for file in "$FAKE"/installed/*; do echo "installed, $(cat "$file"),"; done
                exit
                ;;
        esac
        echo "$name $*" >>"$FAKE/calls"
        wanted=no failed=0
        for word; do
            case $word in
                -S | install | add) wanted=yes ;;
                -* | *::*) ;;
                *)
                    [ "$wanted" = yes ] || continue
                    [ -e "$FAKE/available/$word" ] && continue
                    echo "Error:"
                    echo
                    echo "No match for argument: $word"
                    failed=1
                    ;;
            esac
        done
        # As yum has it: what is there is installed, and all is well.
        [ "$name" = yum ] || [ "$failed" = 0 ] || exit 1
        for word; do
            if [ -e "$FAKE/available/$word" ]; then : >"$FAKE/installed/$word"; fi
        done
        # As zypper has it: that something is to be started anew is no failure.
        [ "$name" != zypper ] || exit 103
        exit 0
        """#

    func install(_ name: String, provides: String = "") throws {
        try Data(provides.utf8).write(to: URL(fileURLWithPath: "\(folder)/installed/\(name)"))
    }

    private func lines(_ name: String) -> [String] {
        let text = (try? String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init)
    }

    var installed: Set<String> {
        Set((try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/installed")) ?? [])
    }
    /// What the manager was told to do, without what only fetches its lists.
    var calls: [String] { lines("calls").filter { !$0.hasSuffix(" update") && !$0.hasSuffix(" -Sy") } }
    var questions: Int { lines("questions").count }

    /// - Parameter needs: what the program is called with; nil for a shell that has all of it.
    func run(
        _ shell: [String],
        _ needs: PackageNeeds?,
        _ more: [String: String] = [:],
        mayInstall: Bool = true
    ) throws -> End {
        var words = shell
        if let needs {
            words += ["-c", PackageProgram.text, PackageProgram.name]
            words += needs.arguments(stamp: "\(folder)/tmt/packages/\(needs.key)")
        }
        var environment = ["PATH": "\(folder)/bin", "FAKE": folder, "TMPDIR": folder]
        if needs != nil { environment["MUSTER_TEST_CONTROL"] = SpawnedProgram.controlDescriptor }
        if mayInstall { environment[PackageProgram.variable] = PackageProgram.installs }
        environment.merge(more) { $1 }
        let program = try SpawnedProgram(words, environment: environment, folder: folder)
        return End(
            status: program.status,
            output: program.output,
            control: program.control,
            questions: questions
        )
    }
}
