import Foundation
import Testing

/// Drivers that users write, as the examples have them.
@Suite struct PluginTests {
    static let examples = [("sh", "driver"), ("python", "driver.py")].filter { name, _ in
        let isThere = name == "sh" || Program.python != nil
        if !isThere { print("skipped: plugin-driver/\(name): python3 is not installed") }
        return isThere
    }

    /// The processes whose command line or environment names the lab.
    private func processes(of lab: LabFolder) -> [String] {
        let pids = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return pids.filter { Int32($0) != nil }.filter { pid in
            ["cmdline", "environ"].contains { file in
                let text = FileManager.default.contents(atPath: "/proc/\(pid)/\(file)") ?? Data()
                return text.range(of: Data((lab.path + "/").utf8)) != nil
            }
        }
    }

    private func machines(of lab: LabFolder) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: lab.path + "/machines")) ?? []
    }

    @Test(arguments: examples)
    func theExampleRunsItsTestsAndLeavesNothing(_ name: String, _ driver: String) async throws {
        let lab = try LabFolder(example: "plugin-driver/\(name)")
        let end = try await Program.muster(["test"], in: lab.path)
        #expect(end.status == 0, "\(end.output)\(end.errors)")
        #expect(machines(of: lab) == [])
        #expect(processes(of: lab) == [])
        let doctor = try await Program.muster(["doctor", "plugin", "./\(driver)", "--json"], in: lab.path)
        #expect(doctor.status == 0, "\(doctor.output)\(doctor.errors)")
        let object = try JSONSerialization.jsonObject(with: Data(doctor.output.utf8)) as? [String: Any]
        #expect(object?["ok"] as? Bool == true)
        #expect(object?["format"] as? Int == 1)
        #expect((object?["checks"] as? [[String: Any]])?.count == 21)
        #expect(machines(of: lab) == [])
    }

    @Test func theDoctorSaysFailuresFirstAndWhatToDo() async throws {
        let lab = try LabFolder(example: "plugin-driver/sh")
        try lab.write("bad", "#!/bin/sh\necho hello\n", executable: true)
        let end = try await Program.muster(["doctor", "plugin", "./bad"], in: lab.path)
        #expect(end.status == 1)
        #expect(end.output.hasPrefix("FAILED   it starts, and describes itself\n"), "\(end.output)")
        #expect(end.output.contains("'hello'") && end.output.contains("to do: answer 'describe'"), "\(end.output)")
        let absent = try await Program.muster(["doctor", "plugin", "./absent"], in: lab.path)
        #expect(absent.status == 1 && absent.output.contains("not there"), "\(absent.output)")
        let options = try await Program.muster(["doctor", "plugin", "./driver", "--options", "x"], in: lab.path)
        #expect(options.status == 2 && options.errors.contains("no JSON object"), "\(options.errors)")
    }

    /// `kill -9` of muster at points of `up` and `down`: afterwards each machine is there once, and then none is.
    @Test(arguments: examples)
    func noMachineIsLostOrMadeTwiceByCrashes(_ name: String, _: String) async throws {
        let points = ["before-directive:1", "after-directive:1", "after-commit:3", "after-directive:4"]
        for point in points {
            let lab = try LabFolder(example: "plugin-driver/\(name)")
            let crash = ["MUSTER_CRASH_AT": point]
            _ = try await Program.muster(["up"], in: lab.path, environment: crash)
            let up = try await Program.muster(["up"], in: lab.path)
            #expect(up.status == 0, "\(point): \(up.output)\(up.errors)")
            #expect(machines(of: lab).count == 2, "\(point): \(machines(of: lab))")
            _ = try await Program.muster(["down"], in: lab.path, environment: crash)
            let down = try await Program.muster(["down"], in: lab.path)
            #expect(down.status == 0, "\(point): \(down.output)\(down.errors)")
            #expect(machines(of: lab) == [], "\(point)")
            #expect(processes(of: lab) == [], "\(point)")
        }
    }

    /// Muster is killed while the plug-in makes the machine; that goes on alone, and never ends.
    @Test func aCreateThatOutlivesMusterIsEndedAndAskedAgain() async throws {
        let lab = try LabFolder(example: "plugin-driver/sh")
        let text = try #require(lab.read("driver"))
        let slow = text.replacingOccurrences(
            of: "    if ! [ -d \"$machine\" ]; then\n        progress",
            with: "    if mkdir first; then : >under-way; sleep 1000; fi\n"
                + "    if ! [ -d \"$machine\" ]; then\n        progress"
        )
        #expect(slow != text)
        try lab.write("driver", slow, executable: true)
        let command = try Running(["up"], in: lab.path)
        try await lab.awaitFile("under-way")
        command.send(SIGKILL)
        _ = await command.ending()
        let up = try await Program.muster(["up"], in: lab.path)
        #expect(up.status == 0, "\(up.output)\(up.errors)")
        #expect(machines(of: lab).count == 2)
        #expect(!processes(of: lab).isEmpty)
        let down = try await Program.muster(["down"], in: lab.path)
        #expect(down.status == 0, "\(down.output)\(down.errors)")
        #expect(machines(of: lab) == [])
        #expect(processes(of: lab) == [])
    }
}
