import ArgumentParser
import Foundation
import MusterCore
import MusterLab

struct Modes: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check, import and try out tables of modes and states.",
        discussion: """
              muster modes check modes.yaml             errors and warnings, like a compiler
              muster modes import emulab DIR > m.yaml   from Emulab's four tables
              muster modes matrix linux                 each legal transition of a preset
              muster modes replay modes.yaml s.json     what would happen, on a clock of its own
              muster modes use modes.yaml               have a lab's nodes decided by it from now on

            A table is a file (docs/formats/modes.md), a folder with Emulab's tables, a table of
            Ironic (.tsv), or a preset: \(ModePresets.names.joined(separator: ", ")). Only `use` changes anything.
            """,
        subcommands: [ModesCheck.self, ModesImport.self, ModesMatrix.self, ModesReplay.self, ModesUse.self]
    )
}

extension ModeSource {
    /// Reads what a user names; what is wrong with it ends the program.
    static func load(_ name: String, json: Bool) throws -> ModeSource {
        try read(json: json) { () throws(LabError) in try ModesParser.load(name) }
    }

    static func read(json: Bool, _ body: () throws(LabError) -> ModeSource) throws -> ModeSource {
        do throws(LabError) {
            return try body()
        } catch {
            if json { Output.json(DiagnosticsShape(ok: false, diagnostics: error.diagnostics)) }
            throw CLIError(error.description)
        }
    }
}

struct ModesCheck: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Say all that is wrong or odd with a table of modes.",
        discussion: """
              muster modes check modes.yaml
              muster modes check DIR --json     Emulab's tables

            Ends with 2 when there is an error, with 0 when there are warnings at most.
            """
    )
    @OptionGroup var options: CommonOptions
    @Argument(help: "A file, a folder of tables, or a preset.") var table: String

    func run() async throws {
        let source = try ModeSource.load(table, json: options.json)
        let findings = ModeChecker.findings(in: source)
        let isRight = !findings.contains { $0.code.severity == .error }
        if options.json {
            Output.json(ModeFindingsShape(ok: isRight, findings: findings.map(ModeFindingsShape.Finding.init)))
        } else {
            let shown = findings.map(\.diagnostic).filter { !options.quiet || $0.severity == .error }
            Output.error(DiagnosticRenderer.render(shown, outcome: "the table cannot be used"))
            if isRight, !options.quiet {
                let states = Set(source.set.modes.flatMap(\.knownStates)).count
                let modes = counted(source.set.modes.count, "mode")
                Output.line("\(table) is right: \(modes), \(counted(states, "state"))")
            }
        }
        if !isRight { throw RunEnd(exitCode: ExitCodes.usage) }
    }
}

/// What is wrong with a table of modes, for programs.
struct ModeFindingsShape: Encodable {
    struct Finding: Encodable {
        var code: String
        var severity: String
        var mode: String
        var state: String
        var details: [String]
        var file: String
        var line: Int
        var column: Int
        var message: String
        var hint: String

        init(_ finding: ModeFinding) {
            code = finding.code.rawValue
            severity = finding.code.severity.rawValue
            mode = finding.mode
            state = finding.state
            details = finding.details
            file = finding.diagnostic.file
            line = finding.diagnostic.line
            column = finding.diagnostic.column
            message = finding.diagnostic.message
            hint = finding.diagnostic.hint
        }
    }

    var format = 1
    var ok: Bool
    var findings: [Finding]
}

struct ModesImport: AsyncParsableCommand {
    enum Origin: String, CaseIterable, ExpressibleByArgument { case emulab, ironic }

    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Write tables of other systems as a file of modes.",
        discussion: """
              muster modes import emulab DIR > modes.yaml    state_transitions.tsv, mode_transitions.tsv,
                                                             state_timeouts.tsv, state_triggers.tsv
              muster modes import ironic FILE > modes.yaml   provision_states.tsv

            What is written reads back as the same table.
            """
    )
    @OptionGroup var options: CommonOptions
    @Argument(help: "emulab or ironic.") var origin: Origin
    @Argument(help: "The folder of Emulab's tables, or Ironic's table.") var path: String

    func run() async throws {
        let source = try ModeSource.read(json: options.json) { () throws(LabError) in
            switch origin {
            case .emulab: try EmulabTables.load(folder: path)
            case .ironic: try IronicTable.load(path)
            }
        }
        let text = ModesWriter.write(source.set)
        if options.json {
            struct Shape: Encodable {
                let format = 1
                let modes: [String]
                let yaml: String
            }
            return Output.json(Shape(modes: source.set.modes.map(\.name), yaml: text))
        }
        Output.raw(text.utf8)
        let count = ModeChecker.findings(in: source).count
        if count > 0, !options.quiet {
            Output.note("\(counted(count, "finding")) in these tables; see them: muster modes check \(path)")
        }
    }
}

struct ModesMatrix: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "matrix",
        abstract: "Print each legal transition, tab-separated.",
        discussion: """
              muster modes matrix modes.yaml    mode, from, to; '*' is every state of its mode
            """
    )
    @OptionGroup var options: CommonOptions
    @Argument(help: "A file, a folder of tables, or a preset.") var table: String

    func run() async throws {
        let matrix = ModeTable(try ModeSource.load(table, json: options.json).set).matrix
        if options.json {
            struct Transition: Encodable {
                let mode: String
                let from: String
                let to: String
            }
            let rows = matrix.map { Transition(mode: $0.mode, from: $0.from, to: $0.to) }
            return Output.json(JSONShape.List(name: "transitions", elements: rows))
        }
        Output.lines(["mode\tfrom\tto"] + matrix.map { "\($0.mode)\t\($0.from)\t\($0.to)" })
    }
}

struct ModesReplay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Play a script of events, and print what comes of it.",
        discussion: """
              muster modes replay modes.yaml script.json
              muster modes replay DIR traces.json --check    does it come out as the script says?

            A script is a case, or a list of cases, with 'initial' nodes and 'steps' such as
            ["event", "n1", "ISUP"] and ["advance", 60] (docs/formats/modes.md). Printed is the same
            with its 'trace' and how the nodes ended. --check ends with 1 when a case comes out otherwise.
            """
    )
    @OptionGroup var options: CommonOptions
    @Flag(help: "Compare with the trace in the script, and say what differs.") var check = false
    @Argument(help: "A file, a folder of tables, or a preset.") var table: String
    @Argument(help: "The script, as JSON.") var script: String

    func run() async throws {
        let modes = ModeTable(try ModeSource.load(table, json: options.json).set)
        let (cases, isList) = try load()
        var results: [ReplayCase] = []
        for (index, script) in cases.enumerated() {
            do {
                results.append(try ModeReplay.play(script, on: modes))
            } catch {
                throw CLIError("\(self.script): \(script.name ?? "case \(index + 1)"): \(error.message)")
            }
        }
        if check { return try compare(cases, results) }
        if isList { Output.json(results) } else if let result = results.first { Output.json(result) }
    }

    private func load() throws -> (cases: [ReplayCase], isList: Bool) {
        guard let data = FileManager.default.contents(atPath: script) else {
            throw CLIError("there is no file \(script), or it cannot be read")
        }
        let isList = data.first { !" \t\r\n".utf8.contains($0) } == UInt8(ascii: "[")
        do {
            let decoder = JSONDecoder()
            return isList
                ? (try decoder.decode([ReplayCase].self, from: data), true)
                : ([try decoder.decode(ReplayCase.self, from: data)], false)
        } catch let error as DecodingError {
            throw CLIError("\(script) is no script: \(Self.text(error))")
        }
    }

    private static func text(_ error: DecodingError) -> String {
        func place(_ path: [any CodingKey]) -> String {
            let names = path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
            return names.isEmpty ? "" : " at \(names)"
        }
        return switch error {
        case .keyNotFound(let key, let context): "'\(key.stringValue)' is missing\(place(context.codingPath))"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            "a value of another kind is wanted\(place(context.codingPath))"
        case .dataCorrupted: "it is not JSON"
        @unknown default: "it cannot be read"
        }
    }

    private func compare(_ cases: [ReplayCase], _ results: [ReplayCase]) throws {
        struct Outcome: Encodable {
            let name: String
            let same: Bool
            let difference: String?
        }
        let outcomes = zip(cases, results).enumerated().map { index, pair in
            let difference = Self.difference(pair.0, pair.1)
            return Outcome(name: pair.0.name ?? "case \(index + 1)", same: difference == nil, difference: difference)
        }
        if options.json {
            Output.json(JSONShape.List(name: "cases", elements: outcomes))
        } else {
            for outcome in outcomes where !options.quiet || !outcome.same {
                Output.line("\(outcome.same ? "same" : "DIFFERS")  \(printable(outcome.name))")
                if let difference = outcome.difference { Output.line("  " + difference) }
            }
        }
        if outcomes.contains(where: { !$0.same }) { throw RunEnd(exitCode: ExitCodes.testsFailed) }
    }

    /// The first thing that came out otherwise than the script says; nil when it says nothing else.
    private static func difference(_ script: ReplayCase, _ result: ReplayCase) -> String? {
        func line(_ entry: [ReplayValue]?) -> String {
            guard let entry, let data = try? JSONEncoder().encode(entry) else { return "nothing more" }
            return String(decoding: data, as: UTF8.self)
        }
        if let trace = script.trace, let other = result.trace, trace != other {
            let place =
                zip(trace, other).enumerated().first { $0.element.0 != $0.element.1 }?.offset
                ?? min(trace.count, other.count)
            let (wanted, came) = (
                trace.indices.contains(place) ? trace[place] : nil, other.indices.contains(place) ? other[place] : nil
            )
            return "line \(place + 1) of the trace: \(line(wanted)) was to come, \(line(came)) came"
        }
        guard let final = script.final else { return nil }
        for (node, wanted) in final.sorted(by: { $0.key < $1.key }) where result.final?[node] != wanted {
            let came = result.final?[node].map { "\($0.mode)/\($0.state)" } ?? "nothing"
            return "\(node) was to end in \(wanted.mode)/\(wanted.state), and ended in \(came) or with another deadline"
        }
        return nil
    }
}
