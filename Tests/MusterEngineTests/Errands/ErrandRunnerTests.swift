import Foundation
import Logging
import MusterCore
import MusterDrivers
import MusterTestKit
import Testing

@testable import MusterEngine

/// Scripts of triggers and sinks, for real.
@Suite struct ErrandRunnerTests {
    let folder: ReportFolder
    let inbox = Inbox()
    let runner: ErrandRunner
    let lab: String
    let tenure = Tenure(Epoch(1))

    init() throws {
        folder = try ReportFolder()
        lab = folder.path + "/lab"
        mkdir(lab, 0o700)
        let surroundings = CommandBuilder.Surroundings(environment: ["PATH": "/usr/bin:/bin"]) { name in
            name == "hook" ? "s3cret" : nil
        }
        runner = ErrandRunner(
            inbox: inbox,
            time: HostTime(),
            settings: Performer.Settings(state: folder.state, stateName: "abc123", surroundings: surroundings),
            logger: Logger(label: "test")
        )
    }

    private func script(_ path: String, _ number: Int64 = 1, node: Int = 0) -> Errand {
        .script(
            ErrandRow(
                lab: "shop",
                number: number,
                node: NodeID(Int64(node + 1)),
                name: NodeName(group: "app", index: node),
                at: Timestamp(rawValue: 0),
                kind: .script(path: path, folder: lab, mode: "LINUX", state: "ISUP")
            )
        )
    }

    private func write(_ name: String, _ text: String) throws {
        try text.write(toFile: lab + "/" + name, atomically: false, encoding: .utf8)
        chmod(lab + "/" + name, 0o755)
    }

    /// The failures of so many errands, as they end.
    private func ends(_ count: Int) async throws -> [String?] {
        var ends: [String?] = []
        while ends.count < count {
            // On a thread of its own: what is awaited wants those of the others.
            let items = await withCheckedContinuation { (done: CheckedContinuation<[Inbox.Item], Never>) in
                Thread.detachNewThread { [inbox] in done.resume(returning: inbox.take(timeout: .seconds(60))) }
            }
            try #require(!items.isEmpty)
            for case .event(.errandEnded(_, let failure)) in items { ends.append(failure) }
        }
        return ends
    }

    @Test func aScriptOfTheLabRunsWithWhatItIsAbout() async throws {
        try write(
            "tell.sh",
            "#!/bin/sh\necho $MUSTER_NODE $MUSTER_MODE $MUSTER_STATE $MUSTER_ERRAND > out\necho said\n"
        )
        runner.begin(script("./tell.sh"), tenure)
        #expect(try await ends(1) == [nil])
        let out = try String(contentsOfFile: lab + "/out", encoding: .utf8)
        #expect(out == "app/0 LINUX ISUP abc123-shop-1\n")
        let log = try String(contentsOfFile: folder.state.scriptLog, encoding: .utf8)
        #expect(log.contains("app/0 SCRIPT:./tell.sh in LINUX/ISUP") && log.contains("ended with 0\nsaid\n"))
    }

    @Test func whatLeadsOutOfTheLabIsNotRun() async throws {
        try write("../outside.sh", "#!/bin/sh\ntouch ../ran\n")
        #expect(symlink("../outside.sh", lab + "/link.sh") == 0)
        for (number, path) in ["/bin/true", "../outside.sh", "link.sh", "a/../../outside.sh", "none.sh", ""]
            .enumerated()
        {
            runner.begin(script(path, Int64(number)), tenure)
            let failure = try await ends(1)[0]
            #expect(failure != nil, "\(path)")
        }
        #expect(access(folder.path + "/ran", F_OK) != 0)
    }

    @Test func scriptsOfANodeRunOneAfterAnotherAndNoneTwiceAtOnce() async throws {
        try write("add.sh", "#!/bin/sh\necho $MUSTER_ERRAND >> order\n")
        for number in 1...5 as ClosedRange<Int64> {
            runner.begin(script("add.sh", number), tenure)
            runner.begin(script("add.sh", number), tenure)
        }
        #expect(try await ends(5) == [nil, nil, nil, nil, nil])
        let order = try String(contentsOfFile: lab + "/order", encoding: .utf8)
        #expect(order == (1...5).map { "abc123-shop-\($0)\n" }.joined())
        await runner.stop()
    }

    @Test func aSinkThatIsACommandGetsTheMessageOnItsInput() async throws {
        var digest = NotificationDigest()
        digest.add("it is in LINUX/LOST", about: "app/0", now: Timestamp(rawValue: 0))
        digest.add("it is in LINUX/LOST", about: "app/1", now: Timestamp(rawValue: 1_500_000))
        let taken = digest.take(at: Timestamp(rawValue: 2_000_000))
        let content = try #require(taken)
        try write("sink.sh", "#!/bin/sh\ncat > message\necho $1\nexit $1\n")
        func message(_ status: String) -> Errand {
            var sink = NoticeSink(.command([Template("./sink.sh"), Template(status)]))
            sink.folder = lab
            return .notices(NoticeMessage(lab: "shop", sink: sink, upTo: 3, attempt: 2, content: content))
        }
        runner.begin(message("0"), tenure)
        #expect(try await ends(1) == [nil])
        let text = try String(contentsOfFile: lab + "/message", encoding: .utf8)
        let expected =
            #"{"attempt":2,"format":1,"lab":"shop","notices":[{"count":2,"first":"1970-01-01T00:00:00.000000Z","#
            + #""last":"1970-01-01T00:00:01.500000Z","nodes":["app/0","app/1"],"text":"it is in LINUX/LOST"}],"#
            + #""omitted":0}"# + "\n"
        #expect(text == expected)
        runner.begin(message("7"), tenure)
        #expect(try await ends(1) == ["it ended with 7: 7"])
    }

    @Test func aSecretThatIsNotThereIsNamedAndNoSecretIsShown() async throws {
        func post(_ template: Template) async throws -> String? {
            let content = NotificationDigest.Message(entries: [], omitted: 0)
            let sink = NoticeSink(.webhook(template))
            runner.begin(.notices(NoticeMessage(lab: "a", sink: sink, upTo: 1, attempt: 1, content: content)), tenure)
            return try await ends(1)[0]
        }
        let missing = try await post(Template(segments: [.literal("http://127.0.0.1:9/"), .secret("none")]))
        #expect(missing?.contains("MUSTER_SECRET_NONE") == true)
        // Nobody listens there.
        let refused = try await post(Template(segments: [.literal("http://127.0.0.1:9/"), .secret("hook")]))
        #expect(refused != nil && refused?.contains("s3cret") == false)
        let wrong = try await post(Template(segments: [.secret("hook")]))
        #expect(wrong?.contains("http://") == true && wrong?.contains("s3cret") == false)
        await runner.stop()
    }
}
