import MusterCore
import MusterEngine
import MusterStore

/// Tries again what failed in a group: in its run, where that waits for it, or by another run with the same request.
struct GroupRetry {
    let session: StateSession
    let options: GlobalOptions
    let follow: FollowOptions

    func retry(_ group: String) async throws {
        let lookup = RunLookup(store: session.store)
        let all = try lookup.read { () throws(StoreError) in try GroupStandings.read(session.store) }
        let found = all.compactMap { $0[group] }
        guard let standing = found.first else {
            let known = all.flatMap(\.all).map(\.group).joined(separator: ", ")
            throw CLIError("no group is called '\(group)'" + (known.isEmpty ? "" : "; there are \(known)"))
        }
        if found.count > 1 {
            let labs = found.map { "'\($0.lab)'" }.joined(separator: " and ")
            throw CLIError("labs \(labs) have a group '\(group)': muster up \(group) -f FILE says which is meant")
        }
        guard standing.state == .failed || standing.state == .blocked else { return try nothingToRetry(standing) }
        guard let row = standing.run else {
            throw CLIError("no run tells how '\(group)' is brought up: muster up \(group)")
        }
        let runs = RunSession(session: session, options: options, follow: follow)
        if row.state == .paused { return try await runs.resume(row.id) }
        if !row.state.isFinal {
            if !StateLock.isHeld(session.state) { return try await runs.takeUp(row.id) }
            throw CLIError(
                "run \(RunName(row.id)) has not ended: wait for it (muster wait \(group) ready), or: muster cancel \(RunName(row.id))",
                exitCode: ExitCodes.notObtained
            )
        }
        guard let stored = try lookup.read({ () throws(StoreError) in try session.store.spec(of: row.id) }),
            row.verb.bringsUp
        else {
            let reason = standing.reason.map { ": \(printable($0))" } ?? ""
            throw CLIError(
                "the teardown of '\(group)' has failed\(reason); try it again: muster down \(group); or have it made anew: muster up \(group)"
            )
        }
        var spec = stored.again(group)
        follow.apply(to: &spec)
        try await runs.submit(spec)
    }

    private func nothingToRetry(_ standing: GroupStanding) throws {
        let text = "'\(standing.group)' is \(standing.state.rawValue)"
        switch standing.state {
        case .ready:
            if options.json {
                Output.json(Shape(group: standing.group, state: standing.state.rawValue))
            } else {
                Output.line("\(text); there is nothing to retry")
            }
        case .gone: throw CLIError("\(text); bring it up: muster up \(standing.group)")
        case .waiting, .working, .tearingDown, .blocked, .failed:
            throw CLIError(
                "\(text), and has not failed: muster why \(standing.group)",
                exitCode: ExitCodes.notObtained
            )
        }
    }

    private struct Shape: Encodable {
        var format = 1
        var group: String
        var state: String
        var retried = false
    }
}

extension RunSpec {
    /// The same request for one group, and what it needs, alone: without tests.
    func again(_ group: String) -> RunSpec {
        var wanted: Set = [group]
        for spec in groups.reversed() where wanted.contains(spec.name) { wanted.formUnion(spec.needs.map(\.group)) }
        var spec = self
        spec.verb = .up
        spec.groups = groups.filter { wanted.contains($0.name) }
        spec.suites = []
        spec.keep = .always
        spec.changes = nil
        spec.resultsDirectory = nil
        return spec
    }
}
