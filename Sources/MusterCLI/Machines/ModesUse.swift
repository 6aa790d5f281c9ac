import ArgumentParser
import MusterCore
import MusterLab
import MusterStore

struct ModesUse: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "use",
        abstract: "Have a lab's nodes decided by a table from now on.",
        discussion: """
              muster modes use modes.yaml
              muster modes use linux --lab shop    where a state has several labs

            Nodes keep their states and counters. The lab's next `up` or `test` brings the table of its own file again.
            """
    )
    @OptionGroup var options: GlobalOptions
    @Option(help: "The lab, where there are several.") var lab: String?
    @Argument(help: "A file, a folder of tables, or a preset.") var table: String

    func run() async throws {
        let source = try ModeSource.load(table, json: options.json)
        let errors = ModeChecker.findings(in: source).filter { $0.code.severity == .error }
        guard errors.isEmpty else {
            throw CLIError(DiagnosticRenderer.render(errors.map(\.diagnostic), outcome: "the table cannot be used"))
        }
        let session = try StateSession.open(options, to: .write)
        let nodes = try RunLookup(store: session.store).read { () throws(StoreError) in
            try session.store.nodes(lab: lab, includingGone: false)
        }
        let labs = Set(nodes.map(\.lab)).sorted()
        guard let chosen = labs.first, labs.count == 1 else {
            let hint = labs.isEmpty ? "no node is up" : "name one of \(labs.joined(separator: ", ")) by --lab"
            throw CLIError("there is not one lab whose nodes could use it: \(hint)")
        }
        switch try await InboxQuestion(session: session).ask(.useModes(lab: chosen, source.set)) {
        case .refused(let reason): throw CLIError(reason)
        case .silence: throw CLIError("whoever conducts has not answered", exitCode: ExitCodes.notObtained)
        case .taken: say("the nodes of \(chosen) are decided by \(table)", taken: true, chosen)
        case .nobody: say("noted; the next command that performs has it used for \(chosen)", taken: false, chosen)
        }
    }

    private func say(_ text: String, taken: Bool, _ lab: String) {
        if options.json { Output.json(Shape(lab: lab, taken: taken)) } else { Output.line(text) }
    }

    private struct Shape: Encodable {
        var format = 1
        var lab: String
        var taken: Bool
    }
}
