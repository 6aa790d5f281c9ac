import Foundation
package import MusterCore

extension PluginDriver {
    /// The machines that exist outside for this state, whether their nodes are known or not: of every plug-in that a
    /// node of the state was made by.
    package func belongings() async -> Belongings {
        var belongings = Belongings()
        for plugin in knownPlugins {
            do throws(StepError) {
                belongings.found += try await machines(of: plugin)
            } catch {
                belongings.problems.append(error)
            }
        }
        belongings.found = Set(belongings.found).sorted { $0.name < $1.name }
        return belongings
    }

    /// Destroys a machine, also when nothing is noted of it, or that it is gone.
    package func remove(_ belonging: Belonging, of node: NodeHandle) async throws(StepError) {
        var note: PluginNote?
        if let known = PluginNote.read(node.directory), known.name == belonging.name {
            note = known
        } else {
            for plugin in knownPlugins where note == nil {
                // One that cannot be asked has said nothing of this machine.
                guard let machines = try? await machines(of: plugin), machines.contains(belonging) else { continue }
                note = PluginNote(
                    machine: plugin,
                    name: belonging.name,
                    lab: belonging.lab,
                    node: belonging.nodeName,
                    nodeID: belonging.node.rawValue,
                    operation: belonging.operation?.description ?? "\(belonging.name)-found"
                )
            }
        }
        guard var note else {
            throw StepError(.refused, "no plug-in of this state lists the machine \(belonging.name) any more")
        }
        note.isGone = false
        try RemoteNodes.makeFolder(node.directory)
        try note.write(node.directory)
        try await destroy(node)
    }

    /// Those that nodes of the state were made by.
    private var knownPlugins: [PluginMachine] {
        var plugins: [PluginMachine] = []
        let names = (try? FileManager.default.contentsOfDirectory(atPath: options.nodes)) ?? []
        for name in names.sorted() {
            guard let note = PluginNote.read("\(options.nodes)/\(name)") else { continue }
            if !plugins.contains(note.machine) { plugins.append(note.machine) }
        }
        return plugins
    }

    private func machines(of plugin: PluginMachine) async throws(StepError) -> [Belonging] {
        let program = program(plugin)
        let heard = try await program.ask(try request(.list, plugin))
        let machines = try program.read(heard, of: .list) { object throws(PluginValueError) in
            try PluginAnswer.Listed.all(object)
        }
        return machines.compactMap { machine in
            guard machine.labels["muster.state"] == options.state, machine.machine.hasPrefix("\(options.state)-n"),
                let number = Int64(machine.machine.dropFirst(options.state.count + 2))
            else { return nil }
            return Belonging(
                driver: kind,
                name: machine.machine,
                lab: machine.labels["muster.lab"] ?? "",
                node: NodeID(number),
                nodeName: machine.labels["muster.node"] ?? "",
                operation: machine.labels["muster.operation"].map { OperationID($0) },
                status: "listed"
            )
        }
    }
}
