import ArgumentParser
import MusterCore
import MusterLab

/// Options of verbs that do something to nodes as a whole.
struct OrderOptions: ParsableArguments {
    @Flag(help: "Stay until all nodes are done, also where another command conducts.") var wait = false
    @Option(help: ArgumentHelp("What a failure means: fatal, nonfatal or ignore.", valueName: "action"))
    var failureAction: FailureAction?
    @Argument(help: "Nodes or groups.", completion: Completions.nodes) var nodes: [String]

    func validate() throws {
        guard nodes.count <= Self.namesMax else {
            throw ValidationError("\(nodes.count) names are more than the \(Self.namesMax) that go at once")
        }
    }

    private static let namesMax = 100_000
}

/// When and how commands reach nodes.
struct CommandOptions: ParsableArguments {
    @Flag(help: "Also where a node is better left alone.") var force = false
    @Option(help: ArgumentHelp("So many nodes begin together (default 12).", valueName: "n")) var batch: Int?
    @Option(help: ArgumentHelp("Time between batches (default 5s).", valueName: "duration")) var pause: String?
    @Option(help: ArgumentHelp("How long a node may take (default 15m).", valueName: "duration")) var within: String?

    func apply(to order: inout NodeOrder) throws {
        order.isForced = force
        if let batch {
            guard batch > 0 else { throw CLIError("--batch wants a number above 0, not \(batch)") }
            order.batch = batch
        }
        if let pause { order.pause = try Self.duration(pause, "--pause") }
        if let within { order.within = try Self.duration(within, "--within") }
    }

    private static func duration(_ text: String, _ option: String) throws -> Duration {
        guard let duration = try? DurationText.parse(text) else {
            throw CLIError("\(option) wants a duration with a unit, such as 30s or 5m, not '\(text)'")
        }
        return duration
    }
}

extension FailureAction: ExpressibleByArgument {}
extension Rung: ExpressibleByArgument {}
