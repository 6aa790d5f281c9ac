import ArgumentParser
import Foundation
import MusterCore
import MusterStore

struct Event: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what has happened to a node.",
        discussion: """
              muster event send app/1 ISUP
            """,
        subcommands: [EventSend.self]
    )
}

struct EventSend: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "send",
        abstract: "Say that a node is in a state.",
        discussion: """
              muster event send app/1 SHUTDOWN
              muster event send app/1 ISUP --source agent --id 4711   sent twice, it counts once
              muster event send app/1 deploy --event                  for modes that are driven by events

            The mode table of its lab says what follows. Where nobody conducts, the next one who does takes it in.
            """
    )
    @OptionGroup var options: GlobalOptions
    @Flag(help: "What is named is an event, not a state.") var event = false
    @Option(help: "Who says so.") var source = "person"
    @Option(help: "The source's own name for this report.") var id: String?
    @Argument(help: "The node.", completion: Completions.nodes) var node: String
    @Argument(help: "The state.") var state: String

    /// So long a name of a source, or of a report, may be.
    private static let lengthMax = 200

    func validate() throws {
        for text in [source, id ?? "", state] where text.utf8.count > Self.lengthMax {
            throw ValidationError("'\(text.prefix(20))…' is too long: at most \(Self.lengthMax) bytes")
        }
    }

    func run() async throws {
        let session = try StateSession.open(options, to: .write)
        let row = try NodeLookup(store: session.store).one(node)
        let content: NodeReport.Content = event ? .event(state, goal: nil) : .state(state)
        let report = NodeReport(lab: row.lab, node: row.name, content, source: source, id: id)
        switch try await InboxQuestion(session: session).ask(.report(report)) {
        case .refused(let reason): throw CLIError(reason)
        case .silence: throw CLIError("whoever conducts has not answered", exitCode: ExitCodes.notObtained)
        case .taken:
            let now = try RunLookup(store: session.store).read { () throws(StoreError) in
                try session.store.nodeState(of: row.id)
            }
            say(taken: true, row, now)
        case .nobody: say(taken: false, row, nil)
        }
    }

    private func say(taken: Bool, _ row: NodeRow, _ now: NodeStateRow?) {
        if options.json {
            Output.json(Shape(node: row.name.description, taken: taken, mode: now?.mode, state: now?.state))
        } else if let now {
            Output.line("\(row.name) is \(now.mode)/\(now.state)")
        } else {
            Output.line("noted; nobody conducts this state: the next command that does takes it in")
        }
    }

    private struct Shape: Encodable {
        var format = 1
        var node: String
        var taken: Bool
        var mode: String?
        var state: String?
    }
}
