import ArgumentParser
import Foundation
import Logging
import MusterCore
import MusterDrivers
import MusterLab

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Examine what Muster works with: plug-ins.",
        discussion: """
              muster doctor plugin ./my-driver    does it keep to the protocol?
            """,
        subcommands: [DoctorPlugin.self]
    )
}

struct DoctorPlugin: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plugin",
        abstract: "Examine a driver of your own: make machines by it, kill it, take all down.",
        discussion: """
              muster doctor plugin ./my-driver
              muster doctor plugin ./my-driver --options '{"region": "north"}'
              muster doctor plugin my-driver -- --verbose      with arguments of its own

            It makes up to five machines at once in a state of its own, and destroys them all. Ends
            with 1 when the plug-in does not keep to the protocol (docs/formats/plugin.md).
            """
    )
    @OptionGroup var options: CommonOptions
    @Option(
        name: .customLong("options"),
        help: ArgumentHelp("Its options, as a lab would give them.", valueName: "json")
    )
    var values = "{}"
    @Option(help: ArgumentHelp("How long one answer may take (30s, 5m).", valueName: "duration")) var timeout = "1m"
    @Argument(help: "The program.") var program: String
    @Argument(help: "Its arguments.") var arguments: [String] = []

    func run() async throws {
        guard let limit = try? DurationText.parse(timeout) else {
            throw CLIError("--timeout '\(timeout)' is no duration: 30s, 5m")
        }
        guard (try? JSONSerialization.jsonObject(with: Data(values.utf8))) is [String: Any] else {
            throw CLIError("--options '\(values)' is no JSON object: --options '{\"name\": \"value\"}'")
        }
        let first = program.contains("/") ? Paths.absolute(program) : program
        var logger = Logger(label: "muster") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = options.verbose ? .debug : .critical
        let doctor = PluginDoctor(
            PluginMachine(command: [first] + arguments, options: values, timeout: limit),
            state: "doctor-" + String(UInt64.random(in: .min ... .max), radix: 36),
            secrets: { Environment.secretValues },
            logger: logger
        )
        let showsProgress = !options.json && !options.quiet
        let signals = Signals()
        // Awaited below.
        let examination = Task {
            await doctor.examine { finding in
                if showsProgress, finding.outcome == .failed, !Task.isCancelled {
                    Output.note("failed: \(printable(finding.check))")
                }
            }
        }
        // Cancelled below, when there is nothing to end any more.
        let listening = Task {
            for await signal in signals.stream where signal == .end { examination.cancel() }
        }
        let report = await examination.value
        listening.cancel()
        if examination.isCancelled {
            Output.note("interrupted: its machines are destroyed")
            throw RunEnd(exitCode: ExitCodes.interrupted)
        }
        if options.json { Output.json(PluginReportShape(report)) } else { show(report) }
        if !report.isHealthy { throw RunEnd(exitCode: ExitCodes.testsFailed) }
    }

    private func show(_ report: PluginDoctor.Report) {
        let order: [PluginDoctor.Finding.Outcome] = [.failed, .skipped, .passed]
        for outcome in order {
            for finding in report.findings where finding.outcome == outcome {
                if options.quiet, outcome != .failed { continue }
                let word = outcome == .failed ? "FAILED" : outcome.rawValue
                Output.line("\(word.padding(toLength: 9, withPad: " ", startingAt: 0))\(finding.check)")
                if let problem = finding.problem { Output.line("           \(printable(problem))") }
                if let advice = finding.advice { Output.line("           to do: \(advice)") }
            }
        }
        func count(_ outcome: PluginDoctor.Finding.Outcome) -> Int { report.findings.count { $0.outcome == outcome } }
        let title = report.name.map { printable($0) + (report.version.map { " \(printable($0))" } ?? "") } ?? program
        Output.line(
            "\(title): \(count(.passed)) passed, \(count(.failed)) failed, \(count(.skipped)) skipped"
                + (report.isHealthy ? "" : " (docs/formats/plugin.md)")
        )
    }
}

/// What `muster doctor plugin` found, for programs.
struct PluginReportShape: Encodable {
    struct Check: Encodable {
        var check: String
        var outcome: String
        var problem: String?
        var advice: String?
        var durationMS: Int64

        enum CodingKeys: String, CodingKey {
            case check, outcome, problem, advice
            case durationMS = "duration_ms"
        }
    }

    var format = 1
    var ok: Bool
    var name: String?
    var version: String?
    var requests: [String]
    /// Failures first.
    var checks: [Check]

    init(_ report: PluginDoctor.Report) {
        ok = report.isHealthy
        name = report.name
        version = report.version
        requests = report.requests
        let failed = report.findings.filter { $0.outcome == .failed }
        checks = (failed + report.findings.filter { $0.outcome != .failed }).map {
            Check(
                check: $0.check,
                outcome: $0.outcome.rawValue,
                problem: $0.problem,
                advice: $0.advice,
                durationMS: $0.time.microseconds / 1000
            )
        }
    }
}
