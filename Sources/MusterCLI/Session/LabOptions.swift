import ArgumentParser
import MusterCore

/// Options of verbs that read the lab file.
struct LabOptions: ParsableArguments {
    @Option(
        name: .customLong("var"),
        parsing: .singleValue,
        help: ArgumentHelp("Set a var of the lab; may be repeated.", valueName: "key=value")
    )
    var variables: [String] = []

    @Option(
        name: .customLong("max-nodes"),
        help: ArgumentHelp("Nodes that may be brought up.", valueName: "n")
    )
    var maxNodes = Defaults.nodesMax

    @Flag(help: "Begin a new run, also after an interruption.") var new = false

    /// The values by name.
    func values() throws -> [String: String] {
        var values: [String: String] = [:]
        for text in variables {
            guard let split = text.firstIndex(of: "="), split != text.startIndex else {
                throw CLIError("--var wants key=value, not '\(text)'")
            }
            values[String(text[..<split])] = String(text[text.index(after: split)...])
        }
        return values
    }
}
