import ArgumentParser
import Foundation
import MusterCore
import MusterDrivers
import MusterStore

struct GC: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc",
        abstract: "List what nobody owns any more: supervisors, processes, folders; remove it on request.",
        discussion: """
              muster gc             list only
              muster gc --remove    end the processes, remove the folders of nodes that are gone
            """
    )
    @OptionGroup var options: GlobalOptions
    @Flag(help: "Remove what is listed.") var remove = false

    func run() async throws {
        let session = try StateSession.open(options, creating: false)
        let nodes = try RunLookup(store: session.store).read { () throws(StoreError) in
            try session.store.nodes(lab: nil, includingGone: true)
        }
        // A node is on record before it is made: what has no record, or is gone, belongs to nobody.
        let owned = Set(nodes.filter { $0.state != .gone }.map { session.state.node($0) })
        let leftovers = Leftovers.find(nodesDirectory: session.state.nodes).filter { !owned.contains($0.directory) }
        if options.json {
            Output.json(JSONShape.List(name: "leftovers", elements: leftovers.map(Shape.init)))
        } else if leftovers.isEmpty {
            Output.line("nothing is left behind")
        } else {
            var table = TextTable(header: ["NODE", "PROCESSES", "FOLDER"])
            for leftover in leftovers {
                table.add([
                    (leftover.directory as NSString).lastPathComponent,
                    leftover.processes.map(String.init).joined(separator: " "),
                    Paths.short(leftover.directory),
                ])
            }
            Output.lines(table.lines)
            if !remove { Output.line("remove it: muster gc --remove") }
        }
        guard remove else { return }
        for leftover in leftovers {
            do {
                try await leftover.remove()
            } catch {
                throw CLIError("\(leftover.directory): \(error.message)", exitCode: ExitCodes.infrastructure)
            }
        }
        if !options.json, !leftovers.isEmpty { Output.line("removed \(leftovers.count)") }
    }

    private struct Shape: Encodable {
        var node: String
        var processes: [Int32]
        var folder: String
        init(_ leftover: Leftovers) {
            node = (leftover.directory as NSString).lastPathComponent
            processes = leftover.processes
            folder = leftover.directory
        }
    }
}
