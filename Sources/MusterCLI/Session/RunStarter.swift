import Foundation
import MusterCore
import MusterEngine
import MusterStore

/// Begins a run, or goes on with the one of the same kind that was interrupted.
struct RunStarter {
    let session: StateSession
    let options: any VerbOptions
    let follow: FollowOptions
    let startsNew: Bool

    func start(_ spec: RunSpec) async throws {
        let lookup = RunLookup(store: session.store)
        let runs = RunSession(session: session, options: options, follow: follow)
        let unfinished = try lookup.read { () throws(StoreError) in try session.store.plans(lab: spec.lab, limit: 200) }
            .first { !$0.state.isFinal && $0.verb == spec.verb }
        guard let unfinished, !StateLock.isHeld(session.state) else { return try await runs.submit(spec) }
        if startsNew {
            _ = try lookup.read { () throws(StoreError) in
                try session.store.submit(.halt(unfinished.id), at: HostTime().now())
            }
            return try await runs.submit(spec)
        }
        if !options.json {
            Output.note(
                "going on with run \(RunName(unfinished.id)); to begin another: muster \(spec.verb.rawValue) --new"
            )
        }
        if let stored = try lookup.read({ () throws(StoreError) in try session.store.spec(of: unfinished.id) }),
            stored.groups != spec.groups || stored.suites.map(\.tests.count) != spec.suites.map(\.tests.count)
                || stored.files != spec.files
        {
            Output.note("\(spec.labFile) has changed since that run began; the run goes on with what it began with")
        }
        try await runs.resume(unfinished.id)
    }
}

/// Keeps copies of the lab's files that a run uses.
struct LabFiles {
    let session: StateSession

    func keep(_ spec: RunSpec) throws -> [LabFile] {
        let archive = FileArchive(session.state)
        var paths: Set<String> = []
        func command(_ template: Template?) {
            guard case .literal(let text)? = template?.segments.first,
                let path = CommandBuilder.labFile(ofCommand: text)
            else {
                return
            }
            paths.insert(path)
        }
        for group in spec.groups {
            for step in group.steps {
                command(step.undo)
                switch step.kind {
                case .process(let template): command(template)
                case .run(let template): command(template)
                case .files(let files):
                    for case .lab(let path) in files.map(\.source) { paths.insert(path) }
                }
            }
            for case .run(let template) in group.ready.map(\.probe) { command(template) }
        }
        for suite in spec.suites {
            command(suite.before)
            command(suite.after)
            for test in suite.tests {
                switch test.command {
                case .file(let path): paths.insert(path)
                case .run(let template): command(template)
                }
            }
        }
        do {
            return try paths.sorted().compactMap { path throws(StateError) in
                try archive.keep(path, labDirectory: spec.labDirectory)
            }
        } catch {
            throw CLIError(error.description, exitCode: ExitCodes.infrastructure)
        }
    }
}

extension RunSpec {
    /// Bringing up very many machines by mistake is expensive: above a limit it must be asked for.
    func checkNodeLimit(_ limit: Int) throws {
        let count = groups.filter(\.hasNodes).map(\.count).reduce(0, +)
        guard count > limit else { return }
        throw CLIError("\(labFile) has \(count) nodes, more than \(limit): if that is meant, say --max-nodes \(count)")
    }
}
