import ArgumentParser
import Foundation
import MusterCore
import MusterStore

struct Retry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Try a failed group, or a failed step of a program's plan, again.",
        discussion: """
              muster retry app                           what failed in group app, and in what it needs
              muster retry r-7f3k:3                      step 3 of a plan, as it is
              muster retry r-7f3k:charge --input new.json  with another input
              muster retry r-7f3k:3 --input -            read from standard input

            A group is brought up as the run had it that failed, whatever the lab file says by now; what was started of a node is
            undone first, and what is ready stays. A plan has to be paused: `muster status r-7f3k` shows its steps.
            """
    )
    @OptionGroup var options: GlobalOptions
    @OptionGroup var follow: FollowOptions
    @Argument(help: "A group, or a step: r-7f3k:3.", completion: Completions.things) var thing: String
    @Option(help: "A file with the new input of a step, as JSON; - for standard input.") var input: String?

    /// So large an input may be.
    private static let bytesMax = 1 << 20

    func run() async throws {
        let session = try StateSession.open(options, to: .write)
        // Names of groups have no colon in them.
        if !thing.contains(":"), RunName(thing) == nil {
            if input != nil { throw CLIError("--input is for a step of a program's plan, not for a group") }
            return try await GroupRetry(session: session, options: options, follow: follow).retry(thing)
        }
        let found = try StepLookup(store: session.store).find(thing)
        let text = try input.map { try newInput($0, of: found.step) }
        try await ProgramRequest(session: session, options: options).ask(
            .retry(StepID(plan: found.row.id, index: found.step.index), input: text),
            of: found.row
        )
    }

    /// The new input in the envelope of the old one. What it took from other steps it takes no more.
    private func newInput(_ path: String, of step: StepRow) throws -> String {
        let name = path == "-" ? "standard input" : path
        let data = try read(path, name)
        guard data.count <= Self.bytesMax else { throw CLIError("\(name): an input may have 1 MiB, this has more") }
        let value: Any
        do {
            value = try JSONSerialization.jsonObject(with: data, options: .fragmentsAllowed)
        } catch {
            let detail = (error as NSError).userInfo[NSDebugDescriptionErrorKey] as? String
            throw CLIError("\(name) is not JSON: \(detail ?? error.localizedDescription)")
        }
        var envelope: [String: Any] = ["input": value]
        let old = step.spec.input.flatMap { try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }
        if let secrets = old?["secrets"] { envelope["secrets"] = secrets }
        let encoded = try JSONSerialization.data(withJSONObject: envelope, options: [.sortedKeys])
        return String(decoding: encoded, as: UTF8.self)
    }

    /// At most one byte more than is allowed, however long the input is.
    private func read(_ path: String, _ name: String) throws -> Data {
        guard let file = path == "-" ? FileHandle.standardInput : FileHandle(forReadingAtPath: path) else {
            throw CLIError("\(name) cannot be read: no such file, or not allowed")
        }
        var data = Data()
        do {
            while data.count <= Self.bytesMax, let more = try file.read(upToCount: Self.bytesMax + 1 - data.count),
                !more.isEmpty
            {
                data += more
            }
        } catch {
            throw CLIError("\(name) cannot be read: \(error.localizedDescription)")
        }
        return data
    }
}

struct Skip: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Go on without a failed step of a program's plan.",
        discussion: """
              muster skip r-7f3k:3

            What uses the step's output is skipped with it; the plan then ends with a warning. It has to be paused.
            """
    )
    @OptionGroup var options: GlobalOptions
    @Argument(help: "The step: r-7f3k:3.") var step: String

    func run() async throws {
        let session = try StateSession.open(options, to: .write)
        let found = try StepLookup(store: session.store).find(step)
        try await ProgramRequest(session: session, options: options).ask(
            .skip(StepID(plan: found.row.id, index: found.step.index)),
            of: found.row
        )
    }
}

struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Have a program's plan start nothing more.",
        discussion: """
              muster pause r-7f3k       what runs goes to its end; go on with: muster resume r-7f3k
            """
    )
    @OptionGroup var options: GlobalOptions
    @Argument(help: "The run.", completion: Completions.unfinishedRuns) var run: String

    func run() async throws {
        let session = try StateSession.open(options, to: .write)
        let row = try RunLookup(store: session.store).find(run)
        guard try ProgramRequest.program(of: row, in: session) != nil else {
            throw CLIError("run \(run) is one of a lab, which is not paused on request; end it: muster cancel \(run)")
        }
        try await ProgramRequest(session: session, options: options).ask(.pause(row.id), of: row)
    }
}
