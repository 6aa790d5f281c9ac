import ArgumentParser
import Foundation
import MusterCore
import MusterEngine
import MusterLab
import MusterReport
import MusterStore

struct GraphVerb: AsyncParsableCommand {
    enum Format: String, CaseIterable, ExpressibleByArgument {
        case text, svg, dot, mermaid
    }

    static let configuration = CommandConfiguration(
        commandName: "graph",
        abstract: "Draw what needs what, with states: as text, SVG, DOT or Mermaid.",
        discussion: """
              muster graph                            the lab's groups and tests
              muster graph app                        one group, and what it needs
              muster graph --format svg > lab.svg     a picture for a browser
              muster graph --format dot | dot -Tpng -o lab.png
              muster graph r-7f3k                     how a run set its groups up
              muster graph r-9d2x                     the steps of a program's plan

            States are those of now; for a run, those its setup has come to. It only reads.
            """
    )
    @OptionGroup var options: GlobalOptions
    @OptionGroup var lab: LabOptions
    @Option(help: "text, svg, dot or mermaid.") var format: Format = .text
    @Argument(help: "Groups, or one run; without any the whole lab.", completion: Completions.groups)
    var things: [String] = []

    func run() async throws {
        let drawing = try things.count == 1 && RunName(things[0]) != nil ? ofRun(things[0]) : ofLab()
        if options.json { return Output.json(drawing.shape) }
        switch format {
        case .text: Output.lines(drawing.lines)
        case .dot: Output.raw(drawing.graph.dot.utf8)
        case .mermaid: Output.raw(drawing.graph.mermaid.utf8)
        case .svg:
            guard let picture = GraphSVG.render(drawing.graph) else {
                throw CLIError(
                    "a picture of \(drawing.graph.boxes.count) boxes and \(drawing.graph.arrows.count) arrows cannot be"
                        + " read: name some groups, or let another program draw it: muster graph --format dot"
                )
            }
            Output.raw(picture.utf8)
        }
    }

    /// The lab as its file says, with the states of what is there.
    private func ofLab() throws -> GraphDrawing {
        let loader = LabLoader(options: options, lab: lab)
        let loaded = try loader.load()
        var selection = RunSelection()
        selection.groups = things
        let spec = try loader.spec(.up, of: loaded, selection)
        let names = Set(spec.groups.map(\.name))
        let suites = loaded.suites.map(\.spec).filter { names.contains($0.group) }
        var standings: GroupStandings?
        if FileManager.default.fileExists(atPath: options.stateDirectory.database) {
            let session = try StateSession.open(options, to: .read)
            standings = try RunLookup(store: session.store).read { () throws(StoreError) in
                try GroupStandings.read(session.store, lab: loaded.name)
            }
        }
        return GraphDrawing(lab: loaded.name, run: nil, groups: spec.groups, suites: suites) { group in
            guard let standing = standings?[group.name] else { return nil }
            return GroupReport(
                name: group.name,
                needs: group.needs,
                count: group.hasNodes ? max(group.count, standing.wanted) : 0,
                ready: standing.ready,
                state: standing.state,
                reason: standing.reason
            )
        }
    }

    private func ofRun(_ name: String) throws -> GraphDrawing {
        let session = try StateSession.open(options, to: .read)
        let lookup = RunLookup(store: session.store)
        let row = try lookup.find(name)
        guard let spec = try lookup.read({ () throws(StoreError) in try session.store.spec(of: row.id) }) else {
            throw CLIError("nothing is known any more of what run \(name) was asked to do")
        }
        let steps = try lookup.read { () throws(StoreError) in try session.store.steps(of: row.id) }
        if spec.program != nil { return GraphDrawing(row, spec, steps) }
        let reports = GroupReporter(row: row, spec: spec, steps: steps).reports
        guard !reports.isEmpty else {
            throw CLIError("run \(name) (\(row.verb.rawValue)) sets no groups up: muster why \(name)")
        }
        let byName = Dictionary(reports.map { ($0.name, $0) }) { first, _ in first }
        return GraphDrawing(lab: row.lab, run: RunName(row.id), groups: spec.groups, suites: spec.suites) {
            byName[$0.name]
        }
    }
}
