import ArgumentParser
import Foundation
import MusterCore
import MusterEngine
import MusterStore

/// The turns of a conductor on this thread alone, without its inbox, performer or followers: for callgrind.
struct Turns: ParsableCommand {
    static let name = "turns"
    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "Only turns, on one thread: for counting instructions; see scripts/instructions."
    )
    @Option(help: "fan, chain, layers or diamond.") var shape = Shape.chain
    @Option(help: "How many steps.") var count = 1000
    @Flag(help: "As many plans of one step, one after the other.") var plans = false
    @Option(help: "Where to write.") var folder: String?
    @Flag(help: "A store in memory.") var memory = false

    func validate() throws {
        guard (1...10_000_000).contains(count) else { throw ValidationError("--count wants 1 to 10,000,000") }
    }

    func run() throws {
        let scratch = try Scratch(in: folder)
        defer { scratch.remove() }
        let sqlite = memory ? nil : try SQLiteStore(path: scratch.path + "/muster.db")
        var core = try ConductorCore(
            store: sqlite ?? MemoryStore(),
            identity: ConductorCore.Identity(host: "bench", pid: 1, seed: 1),
            time: HostTime()
        )
        let before = sqlite?.counters
        var ended = 0
        var turns = 0
        for plan in 0..<(plans ? count : 1) {
            let steps = shape.steps(plans ? 1 : count)
            var items: [Inbox.Item] = [.event(.submitted(Workbench.submission("bench-\(plan)", steps)))]
            while !items.isEmpty {
                turns += 1
                let directives = try core.takeTurn(consume items)
                items = []
                for case .perform(let act) in directives {
                    items.append(.event(.actEnded(act, .succeeded(facts: [:]))))
                    ended += 1
                }
            }
        }
        guard ended == count else { throw Workbench.Failure(description: "\(ended) of \(count) steps ended") }
        let after = sqlite?.counters
        let statements = (after?.statements ?? 0) - (before?.statements ?? 0)
        print("\(plans ? "plans" : shape.rawValue) of \(count): \(turns) turns, \(statements) statements")
    }
}
