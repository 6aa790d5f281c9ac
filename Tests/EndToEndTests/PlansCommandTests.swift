import Foundation
import Testing

/// Plans of a program, steered from outside by `muster` while it performs them, and after a `kill -9` of it.
@Suite struct PlansCommandTests {
    /// A program with a state of its own.
    private final class Trial: Sendable {
        let lab: LabFolder
        var path: String { lab.path }

        init() throws { lab = try LabFolder() }

        func start(_ plan: String, _ more: String...) throws -> Running {
            try Running([path, plan] + more, in: path, program: "plans-program")
        }

        func muster(_ words: String...) async throws -> Program.Ending {
            try await Program.muster(words + ["--state", path], in: path)
        }

        func effects() -> [String] { (lab.read("effects") ?? "").split(separator: "\n").map(String.init) }
    }

    private func plan(_ running: Running) async throws -> String {
        String(try await running.line("plan r-").text.dropFirst("plan ".count))
    }

    // MARK: kill -9

    /// Begins a call, kills the program during it, starts it again and returns what it says, with its time from the
    /// start until the plan has settled.
    private func killed(_ policy: String, _ trial: Trial) async throws -> (settled: String, took: Int64, Running) {
        let first = try trial.start(policy, "hang")
        try await first.line("begin ")
        first.send(SIGKILL)
        #expect(await first.ending().signal == SIGKILL)
        let begin = Running.now()
        let second = try trial.start(policy)
        let line = try await second.line("settled ")
        return (line.text, line.at - begin, second)
    }

    /// An interrupted call is made again, under the same operation id.
    @Test func aKilledCallThatMayBeRepeatedIs() async throws {
        let trial = try Trial()
        let (settled, took, running) = try await killed("idempotent", trial)
        #expect(settled.hasPrefix("settled stopped success"))
        #expect(took < 5_000_000, "it took \(took) µs")
        let effects = trial.effects()
        #expect(effects.count == 2 && Set(effects).count == 1, "\(effects)")
        running.send(SIGKILL)
    }

    /// What can find out what became of it is asked, and not run again.
    @Test func aKilledCallThatCanBeReconciledIs() async throws {
        let trial = try Trial()
        let (settled, took, running) = try await killed("reconcile", trial)
        #expect(settled.hasPrefix("settled stopped success"))
        #expect(took < 5_000_000, "it took \(took) µs")
        #expect(running.text.contains("reconcile "))
        #expect(trial.effects().count == 1)
        running.send(SIGKILL)
    }

    /// What must not be repeated waits for a person, with the reason, and goes on when the person says so.
    @Test func aKilledCallThatMustNotBeRepeatedWaitsForAPerson() async throws {
        let trial = try Trial()
        let (settled, took, running) = try await killed("never", trial)
        #expect(settled.hasPrefix("settled paused error"))
        #expect(settled.contains("nobody can tell"), "\(settled)")
        #expect(took < 5_000_000, "it took \(took) µs")
        #expect(trial.effects().count == 1)
        let name = try await plan(running)
        let why = try await trial.muster("why", name)
        #expect(why.status == 0 && why.output.contains("nobody can tell"), "\(why.output)\(why.errors)")
        let retried = try await trial.muster("retry", "\(name):Unrepeatable")
        #expect(retried.status == 0, "\(retried.errors)")
        try await running.line("ended ")
        #expect(trial.effects().count == 2)
        running.send(SIGKILL)
    }

    // MARK: Commands

    @Test func aStepIsTriedAgainWithInputFromStandardInput() async throws {
        let trial = try Trial()
        let running = try trial.start("fussy")
        let name = try await plan(running)
        #expect(try await running.line("settled ").text.contains("say please, not now"))
        func retry(_ input: String) async throws -> Program.Ending {
            let script = "printf '%s' \"$1\" | \"$0\" retry \"$2:Fussy\" --input - --state \"$3\""
            let words = ["-c", script, Program.folder + "/muster", input, name, trial.path]
            return try await Program.run("/bin/sh", words, in: trial.path)
        }
        let broken = try await retry("{\"word\": ")
        #expect(broken.status == 2 && broken.errors.contains("is not JSON"), "\(broken.status): \(broken.errors)")
        #expect(try await retry(#"{"word": "please"}"#).status == 0)
        #expect(try await running.line("ended ").text == "ended here you are")
        running.send(SIGKILL)
    }

    @Test func aPausedPlanEndsWhatRunsAndBeginsNothing() async throws {
        let trial = try Trial()
        try #require(mkfifo(trial.path + "/go", 0o600) == 0)
        let running = try trial.start("two")
        let name = try await plan(running)
        try await running.line("at the gate")
        let paused = try await trial.muster("pause", name)
        #expect(paused.status == 0, "\(paused.errors)")
        try await Self.write(trial.path + "/go")
        #expect(try await running.line("settled ").text.hasPrefix("settled paused"))
        #expect(!running.text.contains("begin "))
        let again = try await trial.muster("status", name)
        #expect(again.output.contains("paused"), "\(again.output)")
        let resumed = try await trial.muster("resume", name)
        #expect(resumed.status == 0, "\(resumed.errors)")
        try await running.line("ended ")
        #expect(trial.effects().count == 1)
        running.send(SIGKILL)
    }

    /// Opening a pipe waits for its other end.
    private static func write(_ pipe: String) async throws {
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            Thread.detachNewThread {
                let file = FileHandle(forWritingAtPath: pipe)
                try? file?.write(contentsOf: Data("go".utf8))
                try? file?.close()
                done.resume()
            }
        }
    }

    @Test func oldPlansAreDeletedWhenTheyAreInTheBackup() async throws {
        let trial = try Trial()
        let running = try trial.start("idempotent")
        let name = try await plan(running)
        try await running.line("settled stopped success")
        // Who performs has the state: nobody else deletes from it.
        let busy = try await trial.muster("gc", "--older-than", "1ms", "--backup", "old.jsonl")
        #expect(busy.status == 4, "\(busy.output)\(busy.errors)")
        running.send(SIGKILL)
        _ = await running.ending()
        let young = try await trial.muster("gc", "--older-than", "1d", "--backup", "old.jsonl")
        #expect(young.status == 0 && young.output.contains("deleted 0 runs"), "\(young.output)\(young.errors)")
        #expect(try await trial.muster("runs").output.contains(name))
        let nowhere = try await trial.muster("gc", "--older-than", "1ms", "--backup", "no/such/folder/old.jsonl")
        #expect(nowhere.status != 0)
        #expect(try await trial.muster("runs").output.contains(name), "what is in no backup is not deleted")
        let cleaned = try await trial.muster("gc", "--older-than", "1ms", "--backup", "old.jsonl")
        #expect(cleaned.status == 0 && cleaned.output.contains("deleted 1 run; they are in old.jsonl"), "\(cleaned)")
        let line = try #require(trial.lab.read("old.jsonl")?.split(separator: "\n").first)
        let record = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect(record["run"] as? String == name && record["result"] as? String == "success")
        #expect((record["steps"] as? [[String: Any]])?.first?["action"] as? String == "Idempotent")
        let mode = try FileManager.default.attributesOfItem(atPath: trial.path + "/old.jsonl")[.posixPermissions]
        #expect(mode as? Int == 0o600)
        #expect(try await trial.muster("runs").output.contains(name) == false)
        #expect(try await trial.muster("gc", "--backup", "old.jsonl").status == 2)
    }
}
