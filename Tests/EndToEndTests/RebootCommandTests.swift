import Foundation
import Testing

/// Reboots and verbs of real nodes, also killed in the middle.
@Suite struct RebootCommandTests {
    private static let lab = """
        muster: 1
        lab: shop
        groups:
          app:
            count: 2
            provision:
              - process: { run: "echo started >> starts; exec sleep 1000" }
              - files: [{ text: "hello", to: greeting }]
            ready:
              - file: starts
        """

    private func folder(_ text: String = lab) async throws -> LabFolder {
        let lab = try LabFolder()
        try lab.write("lab.yaml", text)
        let up = try await Program.muster(["up"], in: lab.path)
        try #require(up.status == 0, "\(up.output)\(up.errors)")
        return lab
    }

    private func servers(_ lab: LabFolder) -> Int { lab.processes().count { $0.contains("sleep 1000") } }

    @Test(.timeLimit(.minutes(5))) func nodesAreRebootedSwitchedAndTold() async throws {
        let lab = try await folder()
        let reboot = try await Program.muster(["reboot", "app", "--wait"], in: lab.path)
        #expect(reboot.status == 0, "\(reboot.errors)")
        #expect(reboot.output.contains("reboot: 2 of 2 nodes done"), "\(reboot.output)")
        #expect(servers(lab) == 2)
        let history = try await Program.muster(["nodes", "app/0", "--history"], in: lab.path).output
        #expect(history.components(separatedBy: "SHUTDOWN").count == 2, "\(history)")

        let off = try await Program.muster(["power", "off", "app/1", "--json"], in: lab.path)
        #expect(off.status == 0 && off.output.contains("\"state\":\"success\""), "\(off.output)\(off.errors)")
        #expect(servers(lab) == 1)
        #expect(try await Program.muster(["status"], in: lab.path).output.contains("switched off on request"))
        // A server that is off is not lost, whoever looks next.
        let refused = try await Program.muster(["exec", "app/1", "--", "true"], in: lab.path)
        #expect(refused.status == 125 && refused.errors.contains("stopped"), "\(refused.errors)")
        let on = try await Program.muster(["power", "on", "app"], in: lab.path)
        #expect(on.status == 3 && on.output.contains("it is ISUP already"), "\(on.output)")
        #expect(servers(lab) == 2)
        #expect(try await Program.muster(["exec", "app", "--", "true"], in: lab.path).status == 0)

        let unknown = try await Program.muster(["reboot", "app/7"], in: lab.path)
        #expect(unknown.status == 2 && unknown.errors.contains("there are app/0, app/1"))
        #expect(try await Program.muster(["reboot", "app/0", "--by", "kick"], in: lab.path).status == 2)
        #expect(try await Program.muster(["reboot", "app/0", "--pause", "5"], in: lab.path).status == 2)
        let verb = try await Program.muster(["provision", "deploy", "app/0"], in: lab.path)
        #expect(verb.status == 3 && verb.output.contains("not possible in ISUP"), "\(verb.output)")
        #expect(try await Program.muster(["down"], in: lab.path).status == 0)
        #expect(lab.processes() == [])
    }

    /// Killed at each of its commits and of its acts, a reboot leaves both nodes up, with one server each.
    @Test(.timeLimit(.minutes(4)), arguments: ["before-commit", "after-commit", "before-directive", "after-directive"])
    func aRebootSurvivesAKill(kind: String) async throws {
        let lab = try await folder()
        var crashes = 0
        for point in 1...6 {
            let crash = ["MUSTER_CRASH_AT": "\(kind):\(point)"]
            let killed = try await Program.muster(["reboot", "app", "--wait"], in: lab.path, environment: crash)
            if killed.signal == SIGKILL { crashes += 1 }
            // Whether it was begun or not: the next command goes on, or there is nothing to go on with.
            let resumed = try await Program.muster(["resume"], in: lab.path)
            let after = try await Program.muster(["nodes"], in: lab.path).output
            let up = after.split(separator: "\n").count { $0.contains("ready") && $0.contains("ISUP") }
            #expect(
                up == 2,
                "\(kind):\(point)\n\(after)\n\(killed.output)\(killed.errors)\n\(resumed.output)\(resumed.errors)"
            )
            #expect(servers(lab) == 2, "\(kind):\(point)")
        }
        #expect(crashes >= 2, "only \(crashes) crashes \(kind)")
        #expect(try await Program.muster(["reboot", "app"], in: lab.path).status == 0)
        let given = try await Program.muster(["events"], in: lab.path).output
        #expect(!given.contains("given-up"))
        #expect(try await Program.muster(["down"], in: lab.path).status == 0)
        #expect(lab.processes() == [])
    }

    @Test(.timeLimit(.minutes(5))) func aNodeGoesThroughItsProvisionStates() async throws {
        let lab = try await folder(Self.lab.replacing("lab: shop", with: "lab: shop\nmodes: ironic"))
        func provision(_ verb: String) async throws -> (status: Int32, output: String) {
            let end = try await Program.muster(["provision", verb, "app/0"], in: lab.path)
            return (Int32(end.status), end.output + end.errors)
        }
        func now() async throws -> String {
            try await Program.muster(["nodes", "--json"], in: lab.path).output
        }
        #expect(try await now().contains("enroll"))
        let deploy = try await provision("deploy")
        #expect(deploy.status == 3 && deploy.output.contains("possible: manage"), "\(deploy.output)")
        for (verb, state) in [("manage", "manageable"), ("inspect", "manageable"), ("provide", "available")] {
            let end = try await provision(verb)
            #expect(end.status == 0, "\(end.output)")
            #expect(try await now().contains(state))
        }
        // Clean: nothing runs, and its files are gone.
        #expect(servers(lab) == 1)
        let look = ["exec", "app/0", "--", "test", "-e", "greeting"]
        // So nobody is to use it either.
        let refused = try await Program.muster(look, in: lab.path)
        #expect(refused.status == 125 && refused.errors.contains("app/0"), "\(refused.status) \(refused.errors)")
        #expect(!FileManager.default.fileExists(atPath: lab.path + "/.muster/nodes/1-app-0/greeting"))
        #expect(try await provision("deploy").status == 0)
        #expect(try await Program.muster(look, in: lab.path).status == 0)
        #expect(try await now().contains("active"))
        #expect(servers(lab) == 2)
        let rescue = try await provision("rescue")
        #expect(rescue.status == 3 && rescue.output.contains("driver 'process' cannot rescue"), "\(rescue.output)")
        #expect(try await now().contains("active"))
        #expect(try await provision("delete").status == 0)
        #expect(try await now().contains("available"))
        #expect(try await Program.muster(["down"], in: lab.path).status == 0)
    }

    /// Neither `up` nor `reboot` is done before the node says so.
    @Test(.timeLimit(.minutes(5))) func aNodeThatSaysItselfThatItIsUpIsWaitedFor() async throws {
        let text = """
            muster: 1
            lab: shop
            groups:
              app:
                provision:
                  - process:
                      run: sleep 2; echo ISUP >> "$MUSTER_REPORT"; exec sleep 1000
                ready:
                  - state: ISUP
            """
        let lab = try await folder(text)
        let reboot = try await Program.muster(["reboot", "app", "--json"], in: lab.path)
        #expect(reboot.status == 0, "\(reboot.output)\(reboot.errors)")
        let history = try await Program.muster(["nodes", "app/0", "--history"], in: lab.path).output
        let states = history.split(separator: "\n").dropFirst().map { $0.split(separator: " ") }
        #expect(states.map { $0[2] } == ["BOOTING", "ISUP", "SHUTDOWN", "BOOTING", "ISUP"], "\(history)")
        // Both boots took more than the second that the node wants.
        for boot in states where boot[2] == "BOOTING" { #expect(!boot[3].hasSuffix("ms"), "\(history)") }
        try lab.write("lab.yaml", text.replacing("state: ISUP", with: "state: ISUPP"))
        let check = try await Program.muster(["check"], in: lab.path)
        #expect(check.status == 2 && check.errors.contains("did you mean 'ISUP'?"), "\(check.errors)")
        #expect(try await Program.muster(["down"], in: lab.path).status == 0)
    }
}
