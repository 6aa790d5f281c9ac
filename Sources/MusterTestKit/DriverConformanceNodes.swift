import MusterCore
import MusterDrivers

extension DriverConformance {
    static let nodeChecks: [Check] = [
        Check("a node has an address, and making it again finds the same node") { subject in
            let nap = uniqueNap()
            var node = subject.node("node")
            let server = server("exec sleep \(nap)")
            let facts = try await subject.driver.create(node, operation: operation("create"), server: server)
            try demand(facts["address"]?.hasPrefix(subject.addressPrefix) == true, "there is no address in \(facts)")
            let again = try await subject.driver.create(node, operation: operation("create"), server: server)
            try equal(again, facts, "the facts of the second call")
            let third = try await subject.successor().create(node, operation: operation("create"), server: server)
            try equal(third, facts, "the facts another conductor gets")
            node.facts = facts
            try equal(try await mains(subject), 1, "servers started by three calls")
            try await subject.driver.destroy(node)
        },
        Check("twenty nodes made at once have twenty addresses") { subject in
            let nodes = (0..<20).map { subject.node("many-\($0)") }
            let addresses = try await withThrowingTaskGroup(of: String.self) { group in
                for (index, node) in nodes.enumerated() {
                    group.addTask {
                        try await subject.driver.create(node, operation: operation("create-\(index)"), server: nil)[
                            "address"
                        ] ?? ""
                    }
                }
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            try equal(addresses.count, 20, "different addresses (\(addresses))")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for node in nodes { group.addTask { try await subject.driver.destroy(node) } }
                try await group.waitForAll()
            }
            try equal(await subject.belongings(), [], "what is left")
        },
        Check("the same operation on two nodes gives two addresses") { subject in
            let one = try await subject.made("one")
            let two = try await subject.made("two")
            try demand(one.facts["address"] != two.facts["address"], "both are at \(one.facts)")
            try await subject.driver.destroy(one)
            try await subject.driver.destroy(two)
        },
        Check("a node may lie deep") { subject in
            let deep = (0..<8).map { "a-rather-long-name-for-a-folder-\($0)" }.joined(separator: "/")
            let node = try await subject.made(deep)
            try demand(node.directory.utf8.count > 250, "\(node.directory) is not deep")
            let exit = try await subject.driver.run(shell("pwd"), on: node, operation: operation("pwd"))
            try demand(exit.succeeded, "\(exit)")
            try equal(try output("pwd", on: node, subject), subject.place(node) + "\n", "where commands run")
            try await subject.driver.destroy(node)
        },
        Check("destroying ends everything, and may be repeated") { subject in
            let nap = uniqueNap()
            let node = try await subject.made(server: server("sleep \(nap) & exec sleep \(nap)"))
            try await subject.sh("setsid env -i sleep \(nap) > /dev/null 2>&1 &", "daemon", on: node)
            _ = try await subject.driver.run(
                shell("setsid env -i sleep \(nap) > /dev/null 2>&1 &", leftovers: .keep),
                on: node,
                operation: operation("keep")
            )
            try await subject.driver.destroy(node)
            try equal(subject.processes(nap), [], "processes of a destroyed node")
            try equal(await subject.belongings(), [], "what is left of a destroyed node")
            try await subject.driver.destroy(node)
            try await subject.successor().destroy(node)
            try await refused(.lost, "a command on a destroyed node") {
                _ = try await subject.driver.run(program("true"), on: node, operation: operation("late"))
            }
        },
        Check("destroying what was never made succeeds") { subject in
            try await subject.driver.destroy(subject.node("never"))
        },
        Check("power off ends the server and is no loss; power on starts it again") { subject in
            let nap = uniqueNap()
            let node = try await subject.made(server: server(telling + "exec sleep \(nap)"))
            try await subject.driver.watch(node)
            try await subject.driver.powerOff(node)
            try equal(subject.processes(nap), [], "processes of a server that is off")
            try await subject.driver.powerOff(node)
            try await subject.driver.watch(node)
            try await subject.sh("mkfifo up", "while-off", on: node)
            try await subject.driver.powerOn(node, operation: operation("on"))
            try await subject.driver.powerOn(node, operation: operation("on"))
            try await subject.sh("cat up", "see", on: node)
            try equal(try await mains(subject), 1, "servers after power on")
            // The first event ever is the loss of the new server.
            try await subject.kill(operation("on"), node)
            guard case .lost(let id, let reason)? = await subject.nextEvent() else {
                throw Failure(description: "no loss was reported")
            }
            try equal(id, node.id, "who was lost")
            try demand(reason.contains("9"), "the reason does not name the signal: \(reason)")
            try await subject.driver.destroy(node)
        },
        Check("each rung leaves one server running, or none") { subject in
            let nap = uniqueNap()
            let node = try await subject.made(server: server(telling + "exec sleep \(nap)"))
            try await subject.sh("mkfifo up", "prepare", on: node)
            for rung in Rung.allCases where subject.driver.rungs.contains(rung) {
                if rung != .powerOn {
                    try await subject.driver.powerOff(node, grace: rung == .soft ? .seconds(5) : .zero)
                }
                try equal(subject.processes(nap).count, rung == .powerOn ? 1 : 0, "servers before \(rung.rawValue)")
                try await subject.driver.powerOn(node, operation: operation("on-\(rung.rawValue)"))
                if rung != .powerOn { try await subject.sh("cat up", "see-\(rung.rawValue)", on: node) }
                try equal(try await mains(subject), 1, "servers after \(rung.rawValue)")
            }
            try await subject.driver.destroy(node)
        },
        Check("what it can do to a node it does, also twice; anything else it refuses by name") { subject in
            let nap = uniqueNap()
            let node = try await subject.made(server: server("exec sleep \(nap)"))
            let able = subject.driver.capabilities
            for capability in Capability.allCases where !able.contains(capability) {
                do {
                    _ = try await subject.driver.perform(
                        capability,
                        on: node,
                        operation: operation(capability.rawValue)
                    )
                    throw Failure(description: "\(capability.rawValue) was said to be done")
                } catch let error as StepError {
                    try equal(error.code, .refused, "why it does not \(capability.rawValue)")
                    try demand(error.message.contains(capability.rawValue), "it does not name it: \(error.message)")
                }
            }
            func perform(_ capability: Capability) async throws {
                guard able.contains(capability) else { return }
                for time in 1...2 {
                    let id = operation("\(capability.rawValue)-\(time)")
                    let facts = try await subject.driver.perform(capability, on: node, operation: id)
                    if capability == .inspect { try demand(!facts.isEmpty, "inspect finds nothing out") }
                }
            }
            for capability in [Capability.verify, .inspect, .adopt] { try await perform(capability) }
            try await subject.sh("mkdir -p deep/er && touch deep/er/file .hidden", "litter", on: node)
            try await perform(.clean)
            if able.contains(.clean) {
                try equal(subject.processes(nap), [], "processes of a clean node")
                try await subject.sh("test ! -e deep && test ! -e .hidden", "look", on: node)
            }
            try await perform(.deploy)
            if able.contains(.deploy) { try equal(try await mains(subject), 1, "servers of a deployed node") }
            try await perform(.tearDown)
            if able.contains(.tearDown) { try equal(subject.processes(nap), [], "processes after tear-down") }
            try await subject.driver.destroy(node)
        },
        Check("an older conductor is refused and starts nothing") { subject in
            var node = try await subject.made()
            node.tenure = Tenure(7)
            try await subject.sh("true", "new", on: node)
            let successor = subject.successor()
            node.tenure = Tenure(6)
            for driver in [subject.driver, successor] {
                try await refused(.refused, "a command of an old epoch") {
                    _ = try await driver.run(shell("touch started"), on: node, operation: operation("old"))
                }
                try await refused(.refused, "the end of an old epoch") { try await driver.destroy(node) }
            }
            node.tenure = Tenure(7)
            try await subject.sh("test ! -e started", "look", on: node)
            try await subject.driver.destroy(node)
        },
    ]

    /// The first words of a server that says when it is under way, where somebody has made a pipe to hear it: a driver
    /// may answer before the program has taken the place of what starts it.
    private static let telling = "[ ! -p up ] || echo up > up; "

    /// How many servers run: processes that were started as such, not their children.
    private static func mains(_ subject: Subject) async throws -> Int {
        await subject.belongings().count { $0.kind == .process }
    }
}
