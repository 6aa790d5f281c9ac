import ArgumentParser
import MusterLab

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check a lab file; say all that is wrong with it.",
        discussion: """
              muster check                 lab.yaml here
              muster check -f labs/a.yaml --json

            Ends with 0 when it is right, 2 otherwise. Nothing is started.
            """
    )
    @OptionGroup var options: GlobalOptions
    @OptionGroup var lab: LabOptions

    func run() async throws {
        let loaded = try LabLoader(options: options, lab: lab).load()
        if options.json { return Output.json(DiagnosticsShape(ok: true, diagnostics: loaded.warnings)) }
        guard !options.quiet else { return }
        Output.line(
            "\(options.labFile) is right: lab \(loaded.name), \(counted(loaded.groups.count, "group")), "
                + "\(counted(loaded.nodeCount, "node")), \(counted(loaded.suites.count, "suite")), \(counted(loaded.testCount, "test"))"
        )
    }
}
