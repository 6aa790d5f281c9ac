import Foundation
import MusterCore
import MusterEngine
import MusterReport
import MusterStore
import Synchronization

/// Has a run done: asks for it, follows it to its end, shows it, writes its results, and ends the program with its exit
/// code.
struct RunSession {
    let session: StateSession
    let options: any VerbOptions
    let follow: FollowOptions

    /// Asks for a new run.
    func submit(_ spec: RunSpec) async throws {
        let token = RequestToken.make()
        try await perform(.submit(token: token, spec: spec), token: token, run: nil)
    }

    /// Goes on with one that was interrupted or is paused.
    func resume(_ id: PlanID) async throws {
        try await perform(.resume(id), token: nil, run: id)
    }

    /// Goes on with one that was interrupted. Should it be paused by then, it says so.
    func takeUp(_ id: PlanID) async throws {
        try await perform(.takeUp(id), token: nil, run: id)
    }

    /// Asks an unfinished run to end, and follows it to there.
    static func end(
        _ name: String?,
        options: any VerbOptions,
        follow: FollowOptions,
        what: String,
        _ request: (PlanID) -> Request
    ) async throws {
        let session = try StateSession.open(options, to: .write)
        let row = try RunLookup(store: session.store).find(
            name,
            where: { !$0.state.isFinal },
            what: "unfinished run to \(what)"
        )
        if row.state.isFinal {
            let text = "run \(RunName(row.id)) has ended already (\(row.result.rawValue))"
            if options.json {
                Output.json(RunResultShape(row: row, exitCode: ExitCodes.passed, report: nil, results: nil))
            } else {
                Output.line(text)
            }
            return
        }
        let wanted = request(row.id)
        if try ProgramRequest.program(of: row, in: session) != nil {
            return try await ProgramRequest(session: session, options: options).ask(wanted, of: row)
        }
        if case .abort = wanted {
            throw CLIError(
                "--force is for plans of programs; give up on a lab's run with: muster halt \(RunName(row.id))"
            )
        }
        let runs = RunSession(session: session, options: options, follow: follow)
        do {
            try await runs.perform(wanted, token: nil, run: row.id)
        } catch let end as RunEnd where end.exitCode == ExitCodes.interrupted {
            // It was asked to end, and has ended.
            throw RunEnd(exitCode: ExitCodes.passed)
        }
    }

    // MARK: Following

    private func perform(_ request: Request, token: String?, run: PlanID?) async throws {
        let signals = Signals()
        let begin = try read { () throws(StoreError) in try session.store.position() }
        let watch = RunWatch(
            session: session,
            options: options,
            results: follow.results,
            token: token,
            run: run,
            after: begin
        )
        try watch.examine()
        let follower = RunFollower(session) { watch.say($0) }
        let number = try await follower.ask(request)
        watch.await(number)
        // Both only wait for others; cancelled when the run is over, and the program ends after that.
        let listening = Task {
            var endings = 0
            for await signal in signals.stream {
                switch signal {
                case .tell: watch.tell()
                case .detach:
                    watch.close()
                    Foundation.exit(ExitCodes.interrupted)
                case .end:
                    endings += 1
                    if endings == 1, watch.run == nil {
                        if await follower.withdraw(number) {
                            watch.close()
                            Output.note("stopped before it was begun; nothing was started")
                            Foundation.exit(ExitCodes.interrupted)
                        }
                        // It was answered just now: by a run, which is ended as any other.
                        _ = try? watch.look()
                    }
                    guard endings == 1, let id = watch.run else {
                        watch.close()
                        Output.note("stopped; nothing is lost; next: muster resume")
                        Foundation.exit(ExitCodes.interrupted)
                    }
                    watch.isInterrupted = true
                    watch.say(
                        "ending run \(RunName(id)): running tests get \(Defaults.grace.shortText); again to stop at once"
                    )
                    _ = try? await follower.ask(.cancel(id))
                }
            }
        }
        // As above.
        let ticking = Task {
            while !Task.isCancelled {
                try await Task.sleep(for: .milliseconds(500))
                watch.tick()
            }
        }
        defer {
            listening.cancel()
            ticking.cancel()
        }
        do {
            try await follower.follow(
                resuming: {
                    _ = try? watch.look()
                    return watch.run
                },
                resumesAtOnce: token != nil,
                look: { try watch.look() ? .isOver : .goesOn }
            )
        } catch {
            watch.close()
            // Nobody waits for it any more, so nobody is to begin it.
            if watch.run == nil { _ = await follower.withdraw(number) }
            await follower.letGo()
            throw error
        }
        ticking.cancel()
        try watch.conclude()
    }

    private func read<Value>(_ body: () throws(StoreError) -> Value) throws -> Value {
        try RunLookup(store: session.store).read(body)
    }
}
