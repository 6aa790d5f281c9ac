import Testing

/// `muster modes` as people type it.
@Suite struct ModesTests {
    private func folder(_ files: [String: String]) throws -> LabFolder {
        let lab = try LabFolder()
        for (name, text) in files { try lab.write(name, text) }
        return lab
    }

    @Test func aTableIsCheckedLikeByACompiler() async throws {
        let text = "extends: linux\nmodes:\n  LINUX:\n    timeouts:\n      BOTING: { after: 1m, do: notify }\n"
        let lab = try folder(["modes.yaml": text, "good.yaml": "extends: container\n"])
        let wrong = try await Program.muster(["modes", "check", "modes.yaml"], in: lab.path)
        #expect(wrong.status == 2)
        #expect(wrong.errors.contains("modes.yaml:5:7: a timeout for 'BOTING', which mode LINUX does not have"))
        #expect(wrong.errors.contains("did you mean 'BOOTING'?"))
        let json = try await Program.muster(["modes", "check", "modes.yaml", "--json"], in: lab.path)
        #expect(json.status == 2 && json.output.contains("\"code\":\"timeout_unknown_state\""))
        let good = try await Program.muster(["modes", "check", "good.yaml"], in: lab.path)
        #expect(good.status == 0 && good.output == "good.yaml is right: 1 mode, 5 states\n")
        let missing = try await Program.muster(["modes", "check", "none.yaml"], in: lab.path)
        #expect(missing.status == 2 && missing.errors.contains("there is no such file"))
    }

    @Test func aTableIsShownAndPlayed() async throws {
        let script = """
            {"initial": [{"id": "n1", "mode": "CONTAINER", "state": "SHUTDOWN"}],
             "steps": [["event", "n1", "BOOTING"], ["advance", 60]],
             "trace": [[0, "STATE", "n1", "CONTAINER", "BOOTING"],
                       [60, "TIMEOUT", "n1", "CONTAINER", "BOOTING", "REBOOT"]],
             "final": {"n1": {"mode": "CONTAINER", "state": "BOOTING", "deadline": 120}}}
            """
        let other = script.replacing("120", with: "121")
        let lab = try folder(["script.json": script, "other.json": other, "broken.json": "{\"steps\": []}"])
        let matrix = try await Program.muster(["modes", "matrix", "container"], in: lab.path)
        #expect(matrix.status == 0 && matrix.output.hasPrefix("mode\tfrom\tto\nCONTAINER\tSHUTDOWN\tSHUTDOWN\n"))
        let same = try await Program.muster(["modes", "replay", "container", "script.json", "--check"], in: lab.path)
        #expect(same.status == 0 && same.output == "same  case 1\n", "\(same.output)\(same.errors)")
        let differs = try await Program.muster(["modes", "replay", "container", "other.json", "--check"], in: lab.path)
        #expect(differs.status == 1 && differs.output.contains("DIFFERS"))
        let played = try await Program.muster(["modes", "replay", "container", "script.json"], in: lab.path)
        #expect(played.output.contains("[60,\"TIMEOUT\",\"n1\",\"CONTAINER\",\"BOOTING\",\"REBOOT\"]"))
        let broken = try await Program.muster(["modes", "replay", "container", "broken.json"], in: lab.path)
        #expect(broken.status == 2 && broken.errors.contains("'initial' is missing"))
    }

    @Test func aTableOfAnotherSystemBecomesAFile() async throws {
        let columns = ["source", "event", "target", "target_provision_state_after", "fired_by"]
        let row = ["enroll", "manage", "verifying", "manageable", "API manage"]
        let table = [columns, row].map { $0.joined(separator: "\t") + "\n" }.joined()
        let lab = try folder(["p.tsv": table])
        let written = try await Program.muster(["modes", "import", "ironic", "p.tsv"], in: lab.path)
        #expect(written.status == 0)
        #expect(written.output.contains("        manage: { to: verifying, goal: manageable, verb: true }\n"))
        let wrong = try await Program.muster(["modes", "import", "emulab", "."], in: lab.path)
        #expect(wrong.status == 2 && wrong.errors.contains("state_transitions.tsv"))
    }
}
