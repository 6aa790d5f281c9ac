import MusterCore
import MusterDrivers

extension DriverConformance {
    static let lossChecks: [Check] = [
        Check("the end of a server is the loss of its node, with how it ended") { subject in
            let killed = try await serving("killed", subject)
            try await subject.driver.watch(killed)
            try await subject.kill(operation("create"), killed)
            try await lost(killed, because: "signal 9", subject)
            try await refused(.lost, "watching a lost node") { try await subject.driver.watch(killed) }
            try await refused(.lost, "another conductor's watch") { try await subject.successor().watch(killed) }
            try await subject.driver.destroy(killed)
        },
        Check("a server that ends by itself is lost also when nobody watched") { subject in
            let node = try await subject.made(server: server("exit 3"))
            // The loss is found by the watch, or reported after it: whichever is first.
            do {
                try await subject.driver.watch(node)
                try await lost(node, because: "exit 3", subject)
            } catch let error as StepError {
                try equal(error.code, .lost, "the error (\(error))")
                try demand(error.message.contains("exit 3"), "'\(error)' does not say how it ended")
            }
            try await subject.driver.destroy(node)
        },
        Check("a node without a server is lost only with its supervisor") { subject in
            let node = try await subject.made()
            let nap = uniqueNap()
            try await subject.driver.watch(node)
            try await subject.sh("true", "done", on: node)
            let command = shell("(sleep \(nap) &) ; echo up > up; sleep \(nap)")
            let running = try await subject.begun(command, "running", on: node)
            try await subject.killKeeper(node)
            try await lost(node, because: subject.lossOfKeeper, subject)
            try await refused(.lost, "a command whose supervisor was killed") { _ = try await running.value }
            try equal(subject.processes(nap), [], "what the supervisor left")
            // What had ended before is still known, by whoever asks.
            let exit = try await subject.successor().run(program("true"), on: node, operation: operation("done"))
            try equal(exit.status, 0, "the recorded status")
            try await refused(.lost, "the repetition of what was lost") {
                _ = try await subject.successor().run(program("true"), on: node, operation: operation("running"))
            }
            try await refused(.lost, "watching a lost node") { try await subject.successor().watch(node) }
            try await subject.driver.destroy(node)
            try equal(await subject.belongings(), [], "what is left")
        },
        Check("a loss is reported once") { subject in
            let node = try await serving("node", subject)
            try await subject.driver.watch(node)
            try await subject.driver.watch(node)
            try await subject.kill(operation("create"), node)
            try await lost(node, because: "signal 9", subject)
            try await subject.driver.destroy(node)
            let other = try await serving("other", subject)
            try await subject.driver.watch(other)
            try await subject.kill(operation("create"), other)
            try await lost(other, because: "signal 9", subject)
            try await subject.driver.destroy(other)
        },
        Check("a node that is destroyed is not reported as lost") { subject in
            let node = try await subject.made(server: server("exec sleep \(uniqueNap())"))
            try await subject.driver.watch(node)
            try await subject.driver.destroy(node)
            let other = try await serving("other", subject)
            try await subject.driver.watch(other)
            try await subject.kill(operation("create"), other)
            try await lost(other, because: "signal 9", subject)
            try await subject.driver.destroy(other)
        },
        Check("a server that cannot be started fails its node's making") { subject in
            let node = subject.node("bad")
            let server = Command(.arguments(["/no/such/server"]), environment: path, timeout: nil, leftovers: .keep)
            let error = try await refused(.notStarted, "a server that is not there") {
                _ = try await subject.driver.create(node, operation: operation("create"), server: server)
            }
            try demand(error.message.contains("/no/such/server"), "'\(error)' does not name it")
            try await subject.driver.destroy(node)
            try equal(await subject.belongings(), [], "what is left")
        },
    ]

    /// A node whose server has said that it runs: one that is only about to be started is not found, and not killed.
    private static func serving(_ name: String, _ subject: Subject) async throws -> NodeHandle {
        let text = "mkfifo up; echo up > up; exec sleep \(uniqueNap())"
        let node = try await subject.made(name, server: server(text))
        try await subject.sh("until [ -p up ]; do sleep 0.05; done; cat up", "server-is-up", on: node)
        return node
    }

    private static func lost(
        _ node: NodeHandle,
        because wanted: String,
        _ subject: Subject,
        line: UInt = #line
    ) async throws {
        guard case .lost(let id, let reason)? = await subject.nextEvent() else {
            throw Failure(description: "no loss was reported (line \(line))")
        }
        // Two nodes of a subject have different numbers, so an event that comes twice is seen.
        try equal(id, node.id, "who was lost", line: line)
        try demand(reason.contains(wanted), "the reason '\(reason)' does not say '\(wanted)'", line: line)
    }
}
