import ArgumentParser
import MusterLab

struct FMFVerb: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fmf",
        abstract: "Look into trees of fmf: what is in them, as JSON, and why.",
        discussion: """
              muster fmf ls tests                          the tests and plans of a tree
              muster fmf ls tests --filter 'tag: slow' --context distro=fedora-40
              muster fmf export tests --name /smoke        all their data, a line of JSON each
              muster fmf when 'distro >= fedora-33' --context distro=fedora-40
              muster fmf why tests /tests/smoke --context distro=fedora-40

            Trees are read as fmf 1.7 reads them (docs/formats/fmf.md). Nothing in them is run.
            """,
        subcommands: [FMFList.self, FMFExportVerb.self, FMFWhen.self, FMFWhyVerb.self]
    )
}

/// Which tree, in which context.
struct FMFTreeOptions: ParsableArguments {
    @Argument(help: "The root of a tree, or a folder below it.", completion: .directory) var tree: String = "."
    @Option(name: .customLong("context"), help: "A dimension and its values, such as distro=fedora-40; repeatable.")
    var context: [String] = []

    /// - Throws: `CLIError` with everything that is wrong.
    func read(json: Bool) throws -> FMFTree {
        let context = try context.isEmpty ? nil : FMFTreeOptions.context(context)
        return try FMFTreeOptions.known(json: json) { () throws(FMFError) in
            try FMFTree(at: tree, context: context)
        }
    }

    static func context(_ words: [String]) throws -> FMFContext {
        do throws(FMFRule.Invalid) {
            return try FMFContext(words: words)
        } catch {
            throw CLIError("--context: \(error)")
        }
    }

    static func known<Value>(json: Bool, _ body: () throws(FMFError) -> Value) throws -> Value {
        do throws(FMFError) {
            return try body()
        } catch {
            if json { Output.json(DiagnosticsShape(ok: false, diagnostics: error.diagnostics)) }
            throw CLIError(error.description)
        }
    }
}

/// Which of its nodes.
struct FMFSelectionOptions: ParsableArguments {
    @Option(name: .customLong("filter"), help: "Such as 'tag: slow & tier: 1'; all of several hold.")
    var filters: [String] = []
    @Option(
        name: .customLong("name"),
        help: "A regular expression that is found in the name; one of several is enough."
    )
    var names: [String] = []
    @Option(name: .customLong("condition"), help: .hidden) var conditions: [String] = []

    func nodes(of tree: FMFTree, keys: [String] = [], json: Bool) throws -> [FMFNode] {
        try FMFTreeOptions.known(json: json) { () throws(FMFError) in
            let selection = try FMFSelection(keys: keys, names: names, filters: filters, conditions: conditions)
            return try tree.nodes(selection)
        }
    }
}

struct FMFList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls",
        abstract: "List the tests and plans of a tree.",
        discussion: """
              muster fmf ls tests
              muster fmf ls tests --filter 'tag: slow' --json
            """
    )
    @OptionGroup var options: CommonOptions
    @OptionGroup var source: FMFTreeOptions
    @OptionGroup var selection: FMFSelectionOptions

    func run() async throws {
        struct Shape: Encodable {
            struct Node: Encodable {
                let name: String
                let kind: String
                let summary: String?
                let sources: [String]
                let enabled: Bool
            }
            let format = 1
            let root: String
            let nodes: [Node]
        }
        let tree = try source.read(json: options.json)
        let nodes = try selection.nodes(of: tree, json: options.json).map { node in
            var isEnabled = true
            if case .bool(let enabled)? = node["enabled"] { isEnabled = enabled }
            return Shape.Node(
                name: node.name,
                kind: FMFSuite.kind(of: node).rawValue,
                summary: node["summary"]?.string,
                sources: node.sources,
                enabled: isEnabled
            )
        }
        if options.json { return Output.json(Shape(root: tree.root, nodes: nodes)) }
        for node in nodes {
            let more = (node.enabled ? [] : ["not enabled"]) + [node.summary].compactMap(\.self)
            Output.line("\(node.kind)  \(node.name)" + (more.isEmpty ? "" : "  \(more.joined(separator: ": "))"))
        }
        if nodes.isEmpty, !options.quiet { Output.error("nothing in \(tree.root) is chosen") }
    }
}

struct FMFExportVerb: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Print all data of nodes, a line of JSON each, sorted by name.",
        discussion: """
              muster fmf export tests
              muster fmf export tests --context distro=fedora-40 --context arch=x86_64 --name /smoke

            Each line is {"name": …, "data": …}, with sorted keys.
            """
    )
    @OptionGroup var options: CommonOptions
    @OptionGroup var source: FMFTreeOptions
    @OptionGroup var selection: FMFSelectionOptions

    func run() async throws {
        let tree = try source.read(json: options.json)
        let nodes = try selection.nodes(of: tree, json: options.json)
        let text = try FMFTreeOptions.known(json: options.json) { () throws(FMFError) in
            try FMFExport.jsonLines(nodes, of: tree)
        }
        Output.raw(text.utf8)
    }
}

struct FMFWhen: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "when",
        abstract: "Say whether a rule holds in a context: true, false or cannot-decide.",
        discussion: """
              muster fmf when 'distro >= fedora-33 and arch == x86_64' --context distro=fedora-40
            """
    )
    @OptionGroup var options: CommonOptions
    @Argument(help: "A rule as in 'when' of 'adjust'.") var rule: String
    @Option(name: .customLong("context"), help: "A dimension and its values, such as distro=fedora-40; repeatable.")
    var context: [String] = []

    func run() async throws {
        let context = try FMFTreeOptions.context(context)
        let decision: FMFRule.Decision
        do throws(FMFRule.Invalid) {
            decision = try FMFRule(rule).decide(context)
        } catch {
            throw CLIError("\(error)")
        }
        struct Shape: Encodable {
            let format = 1
            let rule: String
            let decision: String
        }
        if options.json { return Output.json(Shape(rule: rule, decision: decision.rawValue)) }
        Output.line(decision.rawValue)
    }
}

struct FMFWhyVerb: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "why",
        abstract: "Say which rules of a node apply in a context, and what they change.",
        discussion: """
              muster fmf why tests /tests/smoke --context distro=fedora-40
            """
    )
    @OptionGroup var options: CommonOptions
    @OptionGroup var source: FMFTreeOptions
    @Argument(help: "The name of a node.") var node: String

    func run() async throws {
        struct Shape: Encodable {
            struct Rule: Encodable {
                let rule: String
                let place: String?
                let outcome: String
                let reason: String?
                let changes: [String]
            }
            let format = 1
            let node: String
            let sources: [String]
            let rules: [Rule]
        }
        let tree = try source.read(json: options.json)
        guard let found = tree.node(node) else {
            throw CLIError("there is no node '\(node)' in \(tree.root): 'muster fmf ls' lists them")
        }
        let rules = try FMFTreeOptions.known(json: options.json) { () throws(FMFError) in try tree.why(found) }.map {
            Shape.Rule(
                rule: $0.rule,
                place: $0.location?.description,
                outcome: $0.outcome.rawValue,
                reason: $0.reason,
                changes: $0.changes.map(\.key)
            )
        }
        if options.json { return Output.json(Shape(node: node, sources: found.sources, rules: rules)) }
        Output.line("\(node) from \(found.sources.joined(separator: ", "))")
        for rule in rules {
            let changes = rule.changes.isEmpty ? "" : ", changes \(rule.changes.joined(separator: ", "))"
            let reason = rule.reason.map { " (\($0))" } ?? ""
            Output.line("  \(rule.place ?? "-")  \(rule.rule): \(rule.outcome)\(changes)\(reason)")
        }
        if rules.isEmpty { Output.line("  no rules of 'adjust'") }
    }
}
