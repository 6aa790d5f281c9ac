import Foundation
import Testing

/// Several commands on one state: one conducts, the others follow it, and one of them goes on when it is gone.
@Suite(.serialized) struct HandOverTests {
    /// Labs that share one state, each with one test that waits for a file.
    private final class Stage: Sendable {
        let home: LabFolder
        let labs: [LabFolder]
        var state: String { home.path + "/.muster" }

        init(_ count: Int) throws {
            home = try LabFolder()
            labs = try (0..<count).map { number in
                let lab = try LabFolder.scene(tests: [
                    "long": "touch $MUSTER_LAB_DIR/began\nwhile [ ! -e $MUSTER_LAB_DIR/go ]; do sleep 0.02; done"
                ])
                let text = try #require(lab.read("lab.yaml"))
                try lab.write("lab.yaml", text.replacingOccurrences(of: "lab: scene", with: "lab: scene\(number)"))
                return lab
            }
        }

        /// Begins the test of a lab and waits until it is under way.
        func begin(_ number: Int) async throws -> Running {
            let running = try Running(["test", "--state", state], in: labs[number].path)
            try await labs[number].awaitFile("began")
            return running
        }

        /// A stage whose first two commands are under way: one conducts, the other follows it.
        static func ofTwo(_ count: Int = 2) async throws -> (stage: Stage, first: Running, second: Running) {
            let stage = try Stage(count)
            let first = try await stage.begin(0)
            let second = try await stage.begin(1)
            #expect(stage.holder == first.pid)
            return (stage, first, second)
        }

        /// Follows the events of the state from a position; there was a step already.
        func follow(since position: Int = 0) async throws -> Running {
            let follower = try Running(
                ["events", "-f", "--since", "\(position)", "--json", "--state", state],
                in: home.path
            )
            try await follower.line("step.started")
            return follower
        }

        /// Tests a lab from its beginning to its end, or goes on with what was interrupted.
        func finish(_ number: Int) async throws {
            let end = try await Program.muster(
                ["test", "--state", state],
                in: labs[number].path,
                killAfter: .seconds(60)
            )
            #expect(end.status == 0, "\(end.output)\(end.errors)")
        }

        func letGo(_ number: Int) throws { try labs[number].write("go", "") }

        func attempts(_ number: Int) throws -> [String] {
            let text = labs[number].read("results/latest/results.jsonl") ?? ""
            return try text.split(separator: "\n").map { line in
                let fields = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
                return ["attempt", "outcome"].map { "\(fields[$0] ?? "")" }.joined(separator: " ")
            }
        }

        /// Ended well, with the one attempt that was begun, and nothing left.
        func expectWhole(_ number: Int, _ running: Running) async throws {
            let end = await running.ending()
            #expect(end.status == 0, "lab \(number): \(end.output)")
            #expect(try attempts(number) == ["1 pass"], "lab \(number)")
        }

        func expectNothingLeft() {
            #expect(LabFolder.processes(of: home.path) == [])
            for lab in labs { #expect(lab.processes() == []) }
        }

        var holder: Int32? { home.read(".muster/conductor.lock").flatMap { Int32($0.prefix { $0 != "\n" }) } }

        func events() async throws -> [LabFolder.Event] {
            let end = try await Program.muster(["events", "--since", "0", "--json", "--state", state], in: home.path)
            return end.output.split(separator: "\n").compactMap { LabFolder.Event(String($0)) }
        }
    }

    @Test(arguments: 1...5) func aClientGoesOnWhenItsConductorIsKilled(round: Int) async throws {
        let (stage, first, second) = try await Stage.ofTwo()
        let follower = try await stage.follow()
        let killed = Running.now()
        first.send(SIGKILL)
        let resumed = try await follower.line("plan.resumed")
        let event = try #require(LabFolder.Event(resumed.text))
        // 17 to 75 ms on a quiet machine, and two seconds where three suites and a build shared two processors. What it
        // must not be is the time after which somebody looks by himself, of which there is none.
        let (toCommit, toReader) = (Double(event.at - killed) / 1000, Double(resumed.at - killed) / 1000)
        print(
            "kill -9 to the first commit of the next conductor: \(toCommit) ms; to a follower of events: \(toReader) ms"
        )
        #expect(toCommit < 20_000)
        #expect(stage.holder == second.pid)
        try stage.letGo(1)
        try await stage.expectWhole(1, second)
        // The killed one's run is nobody's until somebody asks for it.
        try stage.letGo(0)
        try await stage.finish(0)
        #expect(try stage.attempts(0) == ["1 pass"])
        follower.send(SIGTERM)
        _ = await follower.ending()
        stage.expectNothingLeft()
    }

    @Test func ofSeveralWhoWaitOneConductsAndTheOthersFollowIt() async throws {
        let stage = try Stage(5)
        let first = try await stage.begin(0)
        var others: [Running] = []
        for number in 1..<5 { others.append(try await stage.begin(number)) }
        let follower = try await stage.follow()
        let last = try #require(try await stage.events().last?.position)
        let killed = Running.now()
        first.send(SIGKILL)
        // Each run is gone on with: by the new conductor's own wish, or as its client asks.
        try await follower.awaitEvents(after: last, "plan.resumed", count: 4)
        let resumed = follower.events(after: last).filter { $0.kind == "plan.resumed" }
        #expect(Set(resumed.compactMap(\.run)).count == 4)
        print("kill -9 to the last of four runs going on: \(Double((resumed.map(\.at).max() ?? 0) - killed) / 1000) ms")
        let holder = try #require(stage.holder)
        #expect(others.map(\.pid).contains(holder))
        for number in 1..<5 { try stage.letGo(number) }
        for number in 1..<5 { try await stage.expectWhole(number, others[number - 1]) }
        try stage.letGo(0)
        try await stage.finish(0)
        follower.send(SIGTERM)
        _ = await follower.ending()
        stage.expectNothingLeft()
    }

    /// Whose run is final lets go, also with others' runs in hand; they are not disturbed.
    @Test func aClientGoesOnWhenTheConductorsOwnRunIsOver() async throws {
        let (stage, first, second) = try await Stage.ofTwo(3)
        let third = try await stage.begin(2)
        let follower = try await stage.follow()
        let last = try #require(try await stage.events().last?.position)
        try stage.letGo(0)
        try await stage.expectWhole(0, first)
        try await follower.awaitEvents(after: last, "plan.resumed", count: 2)
        let all = follower.events(after: last)
        if let stopped = all.first(where: { $0.kind == "plan.stopped" }),
            let resumed = all.first(where: { $0.kind == "plan.resumed" })
        {
            print(
                "end of the conductor's run to the next conductor's first commit: \(Double(resumed.at - stopped.at) / 1000) ms"
            )
        }
        #expect(stage.holder == second.pid || stage.holder == third.pid)
        try stage.letGo(1)
        try stage.letGo(2)
        try await stage.expectWhole(1, second)
        try await stage.expectWhole(2, third)
        follower.send(SIGTERM)
        _ = await follower.ending()
        stage.expectNothingLeft()
    }

    @Test func aStoppedConductorIsNamedAndGoesOnWhenItIsContinued() async throws {
        let (stage, first, second) = try await Stage.ofTwo()
        first.send(SIGSTOP)
        let line = try await second.line("has not answered since")
        #expect(line.text.contains("pid \(first.pid)"))
        #expect(line.text.contains("it is stopped"))
        #expect(line.text.contains("kill -CONT \(first.pid)"))
        #expect(line.text.contains("kill -9 \(first.pid)"))
        first.send(SIGCONT)
        try await second.line("answers again")
        try stage.letGo(0)
        try stage.letGo(1)
        try await stage.expectWhole(0, first)
        try await stage.expectWhole(1, second)
        stage.expectNothingLeft()
    }

    @Test func aStoppedConductorThatIsKilledIsReplaced() async throws {
        let (stage, first, second) = try await Stage.ofTwo(3)
        first.send(SIGSTOP)
        // It comes while the conductor is stopped: the kernel takes its connection, and nobody answers.
        let third = try Running(["test", "--state", stage.state], in: stage.labs[2].path)
        try await third.line("it is stopped")
        try await second.line("it is stopped")
        first.send(SIGKILL)
        try await stage.labs[2].awaitFile("began")
        for number in 0..<3 { try stage.letGo(number) }
        try await stage.expectWhole(1, second)
        try await stage.expectWhole(2, third)
        try await stage.finish(0)
        stage.expectNothingLeft()
    }

    /// Followed from a position, through a kill, an end and a time without any conductor: each event once, in order.
    @Test func eventsAreFollowedThroughEveryChange() async throws {
        let (stage, first, second) = try await Stage.ofTwo(3)
        let follower = try await stage.follow(since: 3)
        first.send(SIGKILL)
        try await follower.line("plan.resumed")
        try stage.letGo(1)
        try await stage.expectWhole(1, second)
        try stage.letGo(0)
        try await stage.finish(0)
        // Nobody conducts now; the follower waits for who comes.
        let third = try await stage.begin(2)
        try stage.letGo(2)
        try await stage.expectWhole(2, third)
        let last = try #require(try await stage.events().last)
        try await follower.line("\"position\":\"\(last.position)\"")
        follower.send(SIGTERM)
        let end = await follower.ending()
        let seen = end.output.split(separator: "\n").compactMap { LabFolder.Event(String($0))?.position }
        #expect(seen == Array(4...last.position))
        stage.expectNothingLeft()
    }
}

extension Running {
    func events(after position: Int64) -> [LabFolder.Event] {
        lines.compactMap { LabFolder.Event($0.text) }.filter { $0.position > position }
    }

    /// Waits for so many events of a kind after a position.
    func awaitEvents(after position: Int64, _ kind: String, count: Int) async throws {
        try await until { lines in
            lines.compactMap { LabFolder.Event($0.text) }.count { $0.position > position && $0.kind == kind } >= count
        }
    }
}
