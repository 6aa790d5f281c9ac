import Foundation
import Testing

/// Modes and states of real nodes, as people see and wait for them.
@Suite struct NodeStatesTests {
    private static let lab = """
        muster: 1
        lab: shop
        groups:
          app:
            count: 2
            provision:
              - process: { run: "sleep 1000" }
        """

    @Test(.timeLimit(.minutes(5))) func nodesAreReportedWaitedForAndTold() async throws {
        let lab = try LabFolder()
        try lab.write("lab.yaml", Self.lab)
        func muster(_ arguments: String...) async throws -> (status: Int, output: String, errors: String) {
            let end = try await Program.muster(arguments, in: lab.path)
            return (Int(end.status), end.output, end.errors)
        }
        let up = try await muster("up")
        #expect(up.status == 0, "\(up.errors)")
        let nodes = try await muster("nodes", "--json")
        #expect(nodes.output.contains("\"mode\":\"CONTAINER\"") && nodes.output.contains("\"state\":\"ISUP\""))
        #expect(try await muster("wait", "app", "ready", "--for", "5s").status == 0)
        let last = try await muster("events", "--json").output.split(separator: "\n").last
        let event = try JSONSerialization.jsonObject(with: Data((last ?? "").utf8)) as? [String: Any]
        let position = try #require((event?["position"] as? String) ?? (event?["position"] as? Int).map(String.init))

        // Nobody conducts: what is said waits, and who waits is told.
        #expect(try await muster("event", "send", "app/1", "SHUTDOWN").output.hasPrefix("noted"))
        let deserted = try await muster("wait", "app/1", "SHUTDOWN>ISUP", "--for", "5s")
        #expect(deserted.status == 3 && deserted.errors.contains("nobody conducts"))
        for _ in 0..<2 {
            _ = try await muster("event", "send", "app/1", "ISUP", "--source", "agent", "--id", "7")
        }
        #expect(try await muster("modes", "use", "linux").output.hasPrefix("noted"))
        #expect(try await muster("exec", "app/0", "--", "true").status == 0)
        // It is the table from now on: a run that is no `up` or `test` does not bring the lab's own again.
        #expect(
            try await muster("wait", "app/0", "CONTAINER/ISUP", "--for", "1s").errors.contains("no mode 'CONTAINER'")
        )
        let wait = try await muster("wait", "app/1", "SHUTDOWN>ISUP", "--since", position, "--for", "5s")
        #expect(wait.status == 0, "\(wait.errors)")
        let history = try await muster("nodes", "app/1", "--history", "--json").output
        #expect(history.components(separatedBy: "\"state\":\"ISUP\"").count == 3, "\(history)")

        #expect(try await muster("wait", "app/7", "ready").errors.contains("there are app/0, app/1"))
        #expect(try await muster("wait", "app", "NOSUCH").status == 2)
        #expect(try await muster("down").status == 0)
    }
}
