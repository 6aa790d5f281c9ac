import ArgumentParser

/// What `muster` says of itself as a whole: every verb with a line, within 40 lines.
enum RootHelp {
    static func isAsked(by arguments: [String]) -> Bool { [[], ["-h"], ["--help"], ["help"]].contains(arguments) }

    static var text: String {
        let configuration = MusterCommand.configuration
        var lines = [configuration.abstract, "", configuration.discussion, ""]
        for group in configuration.groupedSubcommands {
            let shown = group.subcommands.filter { $0.configuration.shouldDisplay }
            for (place, verb) in shown.enumerated() {
                let title = place == 0 ? group.name.filter { $0 != ":" } : ""
                lines.append("\(padded(title, 10))\(padded(name(of: verb), 10))\(verb.configuration.abstract)")
            }
        }
        lines += ["", "muster help VERB tells more of one; every verb takes --json, --state DIR and -f FILE."]
        return lines.joined(separator: "\n")
    }

    private static func name(of verb: any ParsableCommand.Type) -> String {
        verb.configuration.commandName ?? "\(verb)".lowercased()
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}
