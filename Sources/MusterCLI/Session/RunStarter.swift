import Foundation
import MusterCore
import MusterEngine
import MusterStore

/// Begins a run, or goes on with the one of the same kind that was interrupted.
///
/// What a command asked for that ended before anybody began it is no run yet, and is dropped (`RunFollower`): whoever
/// asks for the same again gets the same, and whoever asks for something else gets that.
struct RunStarter {
    let session: StateSession
    let options: any VerbOptions
    let follow: FollowOptions
    let startsNew: Bool

    /// - Parameter preparing: what is done with the request of a new run before it is asked for.
    func start(_ spec: RunSpec, preparing: (RunSpec) async throws -> RunSpec = { $0 }) async throws {
        let lookup = RunLookup(store: session.store)
        let runs = RunSession(session: session, options: options, follow: follow)
        let unfinished = try lookup.read { () throws(StoreError) in try session.store.plans(lab: spec.lab, limit: 200) }
            .first { !$0.state.isFinal && $0.verb == spec.verb }
        guard !StateLock.isHeld(session.state) else { return try await runs.submit(try await preparing(spec)) }
        if startsNew { try dropWaiting(like: spec, lookup) }
        guard let unfinished else { return try await runs.submit(try await preparing(spec)) }
        if startsNew {
            let prepared = try await preparing(spec)
            _ = try lookup.read { () throws(StoreError) in
                try session.store.submit(.halt(unfinished.id), at: HostTime().now())
            }
            return try await runs.submit(prepared)
        }
        if !options.json {
            Output.note(
                "going on with run \(RunName(unfinished.id)); to begin another: muster \(spec.verb.rawValue) --new"
            )
        }
        // One that cannot be read is refused with the reason when it is asked to go on.
        if let stored = try? session.store.spec(of: unfinished.id),
            stored.groups != spec.groups || stored.suites.map(\.tests.count) != spec.suites.map(\.tests.count)
                || stored.files != spec.files
        {
            Output.note("\(spec.labFile) has changed since that run began; the run goes on with what it began with")
        }
        if unfinished.state == .paused {
            try await runs.resume(unfinished.id)
        } else {
            try await runs.takeUp(unfinished.id)
        }
    }

    /// A new run is meant to be the only one of its kind: what waits to be begun is not, unless its author still does.
    private func dropWaiting(like spec: RunSpec, _ lookup: RunLookup) throws {
        try lookup.read { () throws(StoreError) in
            for row in try session.store.requests(after: 0) {
                guard case .submit(let token, let asked) = row.request, asked.verb == spec.verb, asked.lab == spec.lab,
                    RequestToken.authorIsGone(token) != false
                else { continue }
                _ = try session.store.withdraw(request: row.id)
            }
        }
    }
}

extension RunSpec {
    /// Bringing up very many machines by mistake is expensive: above a limit it must be asked for.
    func checkNodeLimit(_ limit: Int) throws {
        let count = groups.map(\.places).reduce(0, +)
        guard count > limit else { return }
        throw CLIError("\(labFile) has \(count) nodes, more than \(limit): if that is meant, say --max-nodes \(count)")
    }
}
