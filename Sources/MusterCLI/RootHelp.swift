import ArgumentParser

/// What `muster` says of itself as a whole: every verb with a line, within 40 lines.
enum RootHelp {
    static func isAsked(by arguments: [String]) -> Bool { [[], ["-h"], ["--help"], ["help"]].contains(arguments) }

    static var text: String {
        let configuration = MusterCommand.configuration
        var lines = [configuration.abstract, "", configuration.discussion, ""]
        for group in configuration.groupedSubcommands {
            var title = group.name.filter { $0 != ":" }
            for verb in group.subcommands where verb.configuration.shouldDisplay {
                guard let (names, text) = line(of: name(of: verb), verb.configuration.abstract) else { continue }
                lines.append("\(padded(title, 10))\(padded(names, 14))\(text)")
                title = ""
            }
        }
        lines += ["", "muster help VERB tells more of one; every verb takes --json, --state DIR and -f FILE."]
        return lines.joined(separator: "\n")
    }

    /// Verbs that share a line, and what is said of them together.
    private static let pairs = [
        (verbs: ["cancel", "halt"], text: "End a run: as its `keep` says, or at once with its machines left."),
        (verbs: ["reconcile", "gc"], text: "Ask what is true of machines; list or remove what nobody owns."),
    ]

    /// Nil for a verb that stands in the line of another.
    private static func line(of verb: String, _ abstract: String) -> (names: String, text: String)? {
        guard let pair = pairs.first(where: { $0.verbs.contains(verb) }) else { return (verb, abstract) }
        return verb == pair.verbs[0] ? (pair.verbs.joined(separator: " "), pair.text) : nil
    }

    private static func name(of verb: any ParsableCommand.Type) -> String {
        verb.configuration.commandName ?? "\(verb)".lowercased()
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}
