import Foundation
import Logging
import MusterCore
import MusterDrivers
import MusterTestKit
import Testing

@Suite(.timeLimit(.minutes(3))) struct PluginDoctorTests {
    private static func report(_ machine: PluginMachine, upTo last: String? = nil) async -> PluginDoctor.Report {
        let state = "doctor-\(DriverConformance.uniqueNap())"
        return await PluginDoctor(machine, state: state, logger: Logger(label: "test")).examine(upTo: last)
    }

    private static func failures(_ report: PluginDoctor.Report) -> [String] {
        report.findings.filter { $0.outcome == .failed }.map { "\($0.check): \($0.problem ?? "")" }
    }

    @Test(arguments: ExamplePlugin.present)
    func theExamplesPass(_ plugin: ExamplePlugin) async throws {
        try await PluginHouse.with(plugin) { house in
            let report = await Self.report(house.machine)
            #expect(Self.failures(report) == [])
            let skipped = report.findings.filter { $0.outcome == .skipped }.map(\.problem)
            #expect(skipped == (plugin == .sh ? ["it does not know 'watch'", "it does not know 'watch'"] : []))
            #expect(report.name == (plugin == .sh ? "folders" : "processes"))
            #expect(house.processes() == [])
            let left = (try? FileManager.default.contentsOfDirectory(atPath: house.machines)) ?? []
            #expect(left == [])
        }
    }

    /// Each breaks the example in one place, and is found by the check of that.
    @Test(
        arguments: [
            ("read -r request || exit 1", "PLUGIN_NO=1", "nothing is done for a request that was cut off"),
            (
                "if ! [ -d \"$machine\" ]; then\n        progress", "if :; then machine=$machine-$$; progress",
                "asked again, create finds what it made"
            ),
            (
                "printf '%s\\n' \"$PLUGIN_LABELS\"", "echo \"{\\\"muster.state\\\":\\\"$PLUGIN_STATE\\\"}\"",
                "list says the labels"
            ),
            ("*\"\\\"muster.state\\\":\\\"$PLUGIN_STATE\\\"\"*)", "*)", "another state does not see it"),
            ("fail unsupported", "ok '' #", "a request that it does not know is refused"),
            ("\\\"connect\\\":[\\\"sh\\\"]", "\\\"connect\\\":[\\\"cat\\\"]", "programs run on the machine"),
            ("on) rm -f \"$machine/off\"", "on) :", "power switches it off and on, also twice"),
            ("if [ -d \"$machine\" ]; then mv", "if false; then mv", "destroy removes it, and may be repeated"),
            ("set -eu", "set -eu; trap 'echo bye' EXIT", "it says nothing but answers, and ends with 0"),
            (
                "mkdir -p \"$draft/root\"", "mkdir -p \"$draft/root\"; (setsid sleep 1000 >/dev/null 2>&1 &)",
                "no process is left"
            ),
            ("ok '\"format\":1", "ok '\"format\":3", "it starts, and describes itself"),
        ]
    )
    func aBrokenPluginFailsTheCheckOfThat(_ former: String, _ broken: String, _ check: String) async throws {
        try await PluginHouse.with(.sh) { house in
            let path = "\(house.folder)/broken"
            let text = try String(contentsOfFile: ExamplePlugin.sh.command[0], encoding: .utf8)
            #expect(text.contains(former))
            try PluginHouse.writeProgram(text.replacingOccurrences(of: former, with: broken), path)
            var machine = house.machine
            machine.command = [path]
            let report = await Self.report(machine, upTo: check)
            #expect(!report.isHealthy)
            let finding = try #require(report.findings.first { $0.check == check })
            #expect(finding.outcome == .failed, "\(report.findings)")
            #expect(finding.problem?.isEmpty == false && finding.advice?.isEmpty == false)
        }
    }
}
