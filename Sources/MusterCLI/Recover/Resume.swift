import ArgumentParser
import MusterCore
import MusterStore

struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Go on with an interrupted or paused run.",
        discussion: """
              muster resume             the newest run that is not finished
              muster resume r-7f3k      this one; what failed in it is tried again

            It uses the lab as it was when the run began; what has changed since is said, not applied.
            """
    )
    @OptionGroup var options: GlobalOptions
    @OptionGroup var follow: FollowOptions
    @Argument(help: "The run.", completion: Completions.unfinishedRuns) var run: String?

    func run() async throws {
        let session = try StateSession.open(options, to: .write)
        let row = try RunLookup(store: session.store).find(
            run,
            where: { !$0.state.isFinal },
            what: "unfinished run to resume"
        )
        guard !row.state.isFinal else {
            throw CLIError("run \(RunName(row.id)) has ended (\(row.result.rawValue)); there is nothing to resume")
        }
        if try ProgramRequest.program(of: row, in: session) != nil {
            return try await ProgramRequest(session: session, options: options).ask(.resume(row.id), of: row)
        }
        let runs = RunSession(session: session, options: options, follow: follow)
        try await runs.resume(row.id)
    }
}

struct Cancel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "End a run properly, as its `keep` says.",
        discussion: """
              muster cancel             the run that is not finished
              muster cancel r-7f3k      this one

            Running tests end, configuring steps finish; then it pauses or tears down as its `keep` says.
            """
    )
    @OptionGroup var options: GlobalOptions
    @OptionGroup var follow: FollowOptions
    @Argument(help: "The run.", completion: Completions.unfinishedRuns) var run: String?
    @Flag(help: "A program's plan: end what is suspended without asking it.") var force = false

    func run() async throws {
        try await RunSession.end(run, options: options, follow: follow, what: "cancel") {
            force ? .abort($0) : .cancel($0)
        }
    }
}

struct Halt: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Give up on a run at once; its machines stay.",
        discussion: """
              muster halt r-7f3k

            Halting a run that has ended changes nothing.
            """
    )
    @OptionGroup var options: GlobalOptions
    @OptionGroup var follow: FollowOptions
    @Argument(help: "The run.", completion: Completions.unfinishedRuns) var run: String?

    func run() async throws {
        try await RunSession.end(run, options: options, follow: follow, what: "halt") { .halt($0) }
    }
}
