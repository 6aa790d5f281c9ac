import Foundation
import Testing

/// Nodes that report by themselves, and what follows outside, with `kill -9` in the middle.
@Suite(.serialized) struct ReportsTests {
    private static func lab(_ files: [String: String], extra: String = "") throws -> LabFolder {
        let lab = try LabFolder()
        try lab.write(
            "lab.yaml",
            """
            muster: 1
            lab: shop
            \(extra)
            groups:
              app:
                count: 2
                provision:
                  - process: { run: ./server.sh }
                ready:
                  - file: up
            """
        )
        let server = "#!/bin/sh\necho ISUP >> \"$MUSTER_REPORT\"\ntouch up\nexec sleep 1000\n"
        try lab.write("server.sh", server, executable: true)
        for (name, text) in files { try lab.write(name, text, executable: name.hasSuffix(".sh")) }
        return lab
    }

    private static func muster(_ lab: LabFolder, _ arguments: String...) async throws -> Program.Ending {
        try await Program.muster(arguments, in: lab.path)
    }

    /// The states that a node came into by its events, in order.
    private static func states(_ lab: LabFolder, _ node: String) async throws -> [String] {
        let end = try await muster(lab, "events", "--node", node, "--json")
        return end.output.split(separator: "\n").compactMap { line in
            let event = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            guard event?["event"] as? String == "node.state", let detail = event?["detail"] as? String else {
                return nil
            }
            return detail.components(separatedBy: " < ").first?.components(separatedBy: "/").last
        }
    }

    @Test(.timeLimit(.minutes(3))) func reportsCountOnceWhoeverIsKilledMeanwhile() async throws {
        let count = 150
        let hammer = """
            #!/bin/sh
            i=0
            while [ $i -lt \(count) ]; do
                echo SHUTDOWN >> "$MUSTER_REPORT"
                sleep 0.01
                echo "BOOTING id=$i" >> "$MUSTER_REPORT"
                sleep 0.01
                i=$((i + 1))
            done
            touch "$MUSTER_LAB_DIR/written"
            """
        let lab = try Self.lab(["hammer.sh": hammer])
        let up = try await Self.muster(lab, "up")
        #expect(up.status == 0, "\(up.errors)")
        #expect(try await Self.states(lab, "app/0").contains("ISUP"))
        let before = try await Self.states(lab, "app/0").count

        // Two conductors die while the node reports; it goes on reporting to nobody.
        let sequence = "SHUTDOWN>BOOTING>SHUTDOWN>BOOTING>SHUTDOWN"
        let since = try #require(try await lab.events().last.map { String($0.position) })
        for (node, command) in [
            ("app/0", ["sh", "-c", "exec \"$MUSTER_LAB_DIR/hammer.sh\""]), ("app/1", ["sleep", "1000"]),
        ] {
            let conductor = try Running(["exec", node, "--"] + command, in: lab.path)
            let wait = try await Self.muster(
                lab,
                "wait",
                "app/0",
                sequence,
                "--since",
                since,
                "--for",
                "60s",
                "--wait-for-conductor"
            )
            #expect(wait.status == 0, "\(wait.errors)")
            conductor.send(SIGKILL)
            _ = await conductor.ending()
        }
        try await lab.awaitFile("written")
        let folder = try #require(lab.nodeFolder("app", 0))
        try lab.append("not/a/state\nISUP\nSHUTDO", to: folder + "/muster.reports")

        // Nobody conducts: the next command takes what was said meanwhile, and what is no whole line waits.
        #expect(try await Self.muster(lab, "exec", "app/1", "--", "true").status != 2)
        let taken = try await Self.states(lab, "app/0").dropFirst(before)
        let reported = (0..<count).flatMap { _ in ["SHUTDOWN", "BOOTING"] } + ["ISUP"]
        #expect(Array(taken) == reported)
        let events = try await Self.muster(lab, "events", "--node", "app/0").output
        #expect(events.components(separatedBy: "node.report-refused").count == 2)
        #expect(try await Self.muster(lab, "halt").status != 2)
        #expect(try await Self.muster(lab, "down").status == 0)
    }

    @Test(.timeLimit(.minutes(5))) func theStreamIsFilteredByFieldsAndTellsWhatIsGone() async throws {
        let lab = try Self.lab([:])
        #expect(try await Self.muster(lab, "up").status == 0)
        func events(_ filter: String, _ more: String...) async throws -> Program.Ending {
            try await Program.muster(["events", "--since", "0", "--json", "--filter", filter] + more, in: lab.path)
        }
        let up = try await events("object-type=node-state event-type=ISUP,LOST object-name=app/1")
        let lines = up.output.split(separator: "\n")
        #expect(!lines.isEmpty && lines.allSatisfy { $0.contains("\"thing\":\"app/1\"") && $0.contains("/ISUP <") })
        #expect(try await events("group=app experiment=other").output.isEmpty)
        let wrong = try await events("nosuch=1")
        #expect(wrong.status == 2 && wrong.errors.contains("no field 'nosuch'"), "\(wrong.errors)")
        #expect(try await Self.muster(lab, "down").status == 0)
        guard Program.python != nil else { return }
        try await lab.changeRows("DELETE FROM events WHERE position IN (2, 3)")
        let gone = try await events("object-type=plan")
        #expect(gone.status == 0 && gone.errors.contains("2 events after position 0 were deleted"), "\(gone.errors)")
    }

    @Test(.timeLimit(.minutes(3))) func scriptsRunAndSinksAreToldAlsoAfterKill9() async throws {
        let modes = """
            muster-modes: 1
            extends: container
            modes:
              CONTAINER:
                triggers:
                  SHUTDOWN: [NOTIFY, "SCRIPT:announce.sh", PXERESET]
            """
        let lab = try Self.lab(
            [
                "modes.yaml": modes,
                "announce.sh": "#!/bin/sh\necho $MUSTER_NODE $MUSTER_MODE $MUSTER_STATE $MUSTER_ERRAND >> announced\n",
                "tell.sh": "#!/bin/sh\ncat >> told\ntouch \"begun$1\"\n[ -e gate ] || exec sleep 1000\n",
            ],
            extra: "modes: modes.yaml\nnotify:\n  - command: [./tell.sh, now]"
        )
        let up = try await Self.muster(lab, "up")
        #expect(up.status == 0, "\(up.errors)")
        let report = ["exec", "app/0", "--", "sh", "-c", "echo SHUTDOWN >> \"$MUSTER_REPORT\"; exec sleep 1000"]
        let conductor = try Running(report, in: lab.path)
        try await lab.awaitFile("begunnow")
        conductor.send(SIGKILL)
        _ = await conductor.ending()
        try lab.write("gate", "")

        // It was not known to be sent: it is sent again.
        _ = try await Self.muster(lab, "exec", "app/1", "--", "true")
        let told = (lab.read("told") ?? "").split(separator: "\n")
        #expect(told.count == 2 && told.first == told.last, "\(told)")
        #expect(told.last?.contains("\"nodes\":[\"app/0\"]") == true)
        let announced = (lab.read("announced") ?? "").split(separator: "\n")
        #expect(announced.first?.hasPrefix("app/0 CONTAINER SHUTDOWN ") == true)
        #expect(Set(announced).count == 1, "at least once, under one name: \(announced)")
        let events = try await Self.muster(lab, "events", "--since", "0").output
        #expect(events.contains("PXERESET: no service does this"))
        #expect(events.components(separatedBy: "notice.sent").count == 2, "\(events)")
        #expect(try await Self.muster(lab, "halt").status != 2)
        #expect(try await Self.muster(lab, "down").status == 0)
    }
}

extension LabFolder {
    /// The folder of the newest node of a name, relative to the lab's.
    fileprivate func nodeFolder(_ group: String, _ index: Int) -> String? {
        let nodes = ".muster/nodes"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path + "/" + nodes)) ?? []
        return names.filter { $0.hasSuffix("-\(group)-\(index)") }.max().map { nodes + "/" + $0 }
    }

    fileprivate func append(_ text: String, to name: String) throws {
        let file = try #require(FileHandle(forWritingAtPath: path + "/" + name))
        try file.seekToEnd()
        try file.write(contentsOf: Data(text.utf8))
        try file.close()
    }
}
