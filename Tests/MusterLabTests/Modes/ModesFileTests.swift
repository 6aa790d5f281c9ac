import MusterCore
import Testing

@testable import MusterLab

@Suite struct ModesFileTests {
    private func problems(_ text: String) -> [String] {
        do {
            _ = try ModesParser.parse(text: text)
            return []
        } catch {
            return error.diagnostics.map {
                "\($0.line):\($0.column) \($0.message)" + ($0.hint.isEmpty ? "" : " | \($0.hint)")
            }
        }
    }

    @Test(arguments: [
        ("modes: [a]", "1:8 'modes' wants a mapping from names to modes, not a list"),
        ("mods: {}", "1:1 unknown key 'mods' in the file of modes | did you mean 'modes'?"),
        (
            "extends: linx",
            "1:10 'extends' wants one of container, linux, linux-pxe, ironic, not 'linx' | did you mean 'linux'?"
        ),
        (
            "modes:\n  M:\n    invalid: coerce",
            "3:14 'invalid' wants accept-and-report, reject or { coerce: STATE }, not 'coerce' | say to which state: { coerce: STATE }"
        ),
        (
            "modes:\n  M:\n    timeouts:\n      A: { after: 30, do: reboot }",
            "4:19 'after' wants a duration with a unit, such as 2m | 30 seconds is 30s"
        ),
        (
            "modes:\n  M:\n    timeouts:\n      A: { after: 30s }",
            "4:7 the timeout of 'A' wants one of 'do' or 'state'"
        ),
        (
            "modes:\n  M:\n    timeouts:\n      A: 30s",
            "4:10 a timeout is 'none' or a mapping, not '30s' | such as { after: 2m, do: reboot }"
        ),
        (
            "modes:\n  M:\n    timeouts:\n      A: { after: 30s, do: notify, by: [soft] }",
            "4:36 'by' goes with 'do: reboot' only"
        ),
        ("modes:\n  M:\n    transitions: { A: [B, B] }", "3:27 'B' follows 'A' twice"),
        (
            "modes:\n  M:\n    transitions: { A: [B/C] }",
            "3:24 'B/C' is no name for a state or mode: \(ModesReader.nameRule)"
        ),
        (
            "commands:\n  reboot:\n    rungs:\n      - sof: { within: 3s }",
            "4:9 a rung is one of wake, soft, hard, power-cycle, power-on, power-off | did you mean 'soft'?"
        ),
        ("commands:\n  reboot: { rungs: [] }", "2:20 command 'reboot' needs one rung at least"),
        ("muster-modes: 2", "1:15 this Muster reads version 1 of it, not 2 | a newer Muster may read this file"),
    ])
    func whatIsWrongIsSaidWithItsPlace(text: String, message: String) {
        #expect(problems(text) == [message])
    }

    @Test func anEmptyFileAndOneThatIsNoTextAreRefused() {
        #expect(problems("").count == 1 && problems("# nothing").count == 1)
        #expect(throws: LabError.self) { try ModesParser.parse(bytes: [0xFF, 0xFE, 0], file: "m") }
    }

    @Test func anExtensionOverridesOnlyWhatItNames() throws {
        let text = """
            extends: linux
            repairs: 1
            modes:
              LINUX:
                timeouts:
                  BOOTING: { after: 9m, do: notify }
                transitions:
                  SETUP: [ISUP]
            """
        let (base, own) = (try ModePresets.source("linux").set, try ModesParser.parse(text: text))
        var expected = base
        expected.repairs = 1
        expected.modes[0].rules.timeouts.removeAll { $0.state == "BOOTING" }
        expected.modes[0].rules.timeouts.append(StateTimeout(state: "BOOTING", after: .seconds(540), action: .notify))
        expected.modes[0].transitions.removeAll { $0.from == "SETUP" }
        expected.modes[0].transitions.append(StateTransition(from: "SETUP", to: "ISUP"))
        #expect(own.set == expected && own.extends == "linux" && own.own.modes.count == 1)
    }

    @Test(arguments: ModePresets.names)
    func aPresetHasNoErrorsAndIsWrittenAndReadBack(name: String) throws {
        let source = try ModePresets.source(name)
        let errors = ModeChecker.findings(in: source).filter { $0.code.severity == .error }
        #expect(errors.isEmpty, "\(errors.map(\.diagnostic.message))")
        #expect(try ModesParser.parse(text: ModesWriter.write(source.set)).set == source.set)
    }

    @Test func everythingThatCanBeSaidIsWrittenAndReadBack() throws {
        let text = """
            muster-modes: 1
            netboot-mode: B
            forced-modes: [B]
            repairs: 0
            unasked-shutdown: repair
            defaults:
              invalid: { coerce: X }
              triggers-on-reentry: true
              ready: []
              failed: [X]
              reboot-from: [A 1]
              timeouts: { X: none }
              triggers: { X: ["SCRIPT:a b", "STATE:X"], "A 1": [] }
              sticky: { X: [A 1] }
            modes:
              A:
                invalid: reject
                states: [alone]
                transitions: { "A 1": [X, "on"], X: { "A 1": "(No)Error: \\"x\\"", X: "" }, "*": [X] }
                timeouts:
                  X: { after: 1h30m, do: reboot, by: [wake, power-cycle] }
                  A 1: { after: 1s, do: retry-command }
                  alone: { after: 2d, state: X }
                moves: { X: { B: [X, { state: Y, label: l }] }, "A 1": { B: Y } }
              B:
                events: { Y: { go: X, come: { to: Y, goal: X, verb: true } } }
                stable: [X]
                stuck: [Y]
            commands:
              reboot: { expect: [X], leaves-down: true, rungs: [soft, hard: { within: 5s, attempts: 3, from: [X], expect: [Y] }] }
            nodes:
              pc1: { triggers: { X: [RESET], B/Y: [] } }
            """
        let set = try ModesParser.parse(text: text).set
        #expect(set.modes[0].transitions.count == 5 && set.moves.count == 3 && set.nodeTriggers.count == 2)
        #expect(set.defaults.ready == [] && set.commands[0].rungs.count == 2)
        #expect(try ModesParser.parse(text: ModesWriter.write(set)).set == set)
    }

    @Test func mistakesInATableAreFound() throws {
        let text = """
            netboot-mode: NOPE
            modes:
              M:
                ready: [UPP]
                transitions: { DOWN: [UP], UP: [DOWN] }
                timeouts:
                  UPP: { after: 1m, do: notify }
                  UP: { after: 1m, do: reboot }
                triggers:
                  UP: [POWERCYLE, "STATE:UP", "STATE:NOWHERE"]
                moves: { UP: { L: UP } }
            """
        let findings = ModeChecker.findings(in: try ModesParser.parse(text: text))
        let found = Set(findings.map(\.code))
        #expect(
            found == [
                .unknownMode, .unknownState, .timeoutUnknownState, .commandMissing, .triggerUnknownAction,
                .triggerCircle,
                .moveUnknownMode,
            ]
        )
        let misspelt = try #require(findings.first { $0.code == .triggerUnknownAction })
        #expect(misspelt.diagnostic.hint == "did you mean 'POWERCYCLE'?" && misspelt.diagnostic.line == 10)
        #expect(findings.allSatisfy { $0.diagnostic.line > 0 })
    }

    // MARK: Tables of Emulab

    private func tables(_ change: [String: String]) -> [String: [UInt8]] {
        var files = [
            "state_transitions": "op_mode\tstate1\tstate2\tlabel\nM\tA\tB\t\nM\tB\tA\n",
            "mode_transitions": "op_mode1\tstate1\top_mode2\tstate2\tlabel\n",
            "state_timeouts": "op_mode\tstate\ttimeout\taction\nM\tA\t5\tNOTIFY\r\n",
            "state_triggers": "node_id\top_mode\tstate\ttrigger\npc1\t*\tA\tRESET\n",
        ]
        for (name, text) in change { files[name] = text }
        return files.mapValues { Array($0.utf8) }
    }

    @Test func tablesWithoutTheirLastColumnsAreRead() throws {
        let source = try EmulabTables.read(tables([:]), folder: "d")
        #expect(source.set.modes[0].transitions.count == 2)
        #expect(source.set.modes[0].rules.timeouts == [StateTimeout(state: "A", after: .seconds(5), action: .notify)])
        #expect(source.set.nodeTriggers.map(\.node) == ["pc1"])
    }

    @Test(arguments: [
        ("state_timeouts", "op_mode\tstate\ttimeout\taction\nM\tA\tx\tNOTIFY\n", 2),
        ("state_timeouts", "op_mode\tstate\ttimeout\taction\nM\tA\t5\tNOTIFY\nM\tB\t5\tJUMP\n", 3),
        ("state_transitions", "op_mode\tstate1\n", 1), ("state_transitions", "op_mode\tstate1\tstate2\nM\tA\n", 2),
        ("mode_transitions", "op_mode1\tstate1\top_mode2\tstate2\nM\tA/B\tM\tA\n", 2),
    ])
    func aWrongTableIsSaidWithItsLine(name: String, text: String, line: Int) {
        let error = #expect(throws: LabError.self) { try EmulabTables.read(tables([name: text]), folder: "d") }
        #expect(error?.diagnostics.map(\.line) == [line])
        #expect(error?.diagnostics.first?.file == "d/\(name).tsv")
    }

    // MARK: Replay

    @Test func aScriptIsPlayedOnItsOwnClock() throws {
        let table = try ModePresets.table("linux")
        let script = ReplayCase(
            initial: [ReplayCase.Node(id: "a", mode: "LINUX", state: "ISUP")],
            steps: [
                [.text("command"), .text("a"), .text("reboot")], [.text("advance"), .whole(75)],
                [.text("event"), .text("a"), .text("SHUTDOWN")], [.text("at"), .number(100.5)],
                [.text("event"), .text("a"), .text("BOOTING")],
            ]
        )
        let result = try ModeReplay.play(script, on: table)
        #expect(
            result.trace == [
                [.whole(75), .text("RETRY"), .text("a"), .text("reboot"), .text("soft")],
                [.whole(75), .text("STATE"), .text("a"), .text("LINUX"), .text("SHUTDOWN")],
                [.number(100.5), .text("STATE"), .text("a"), .text("LINUX"), .text("BOOTING")],
                [.number(100.5), .text("TRIGGER"), .text("a"), .text("BOOTING")],
                [.number(100.5), .text("TRIGGER"), .text("a"), .text("CHECKGENISUP")],
                [.number(100.5), .text("GENISUP"), .text("a"), .text("none")],
            ]
        )
        #expect(result.final?["a"]?.deadline == .number(280.5))
    }

    @Test(arguments: [
        ([ReplayValue.text("jump"), .text("a")], "step 1: there is no \"jump\""),
        ([.text("event"), .text("b"), .text("X")], "step 1: there is no node 'b' in 'initial'"),
        ([.text("advance")], "step 1: \"advance\" wants seconds"), ([.whole(3)], "step 1: a step begins with a word"),
    ])
    func aWrongScriptIsSaid(step: [ReplayValue], message: String) throws {
        let table = try ModePresets.table("linux")
        let script = ReplayCase(initial: [ReplayCase.Node(id: "a", mode: "LINUX", state: "ISUP")], steps: [step])
        let error = #expect(throws: ReplayError.self) { try ModeReplay.play(script, on: table) }
        #expect(error?.message.hasPrefix(message) == true)
    }
}
