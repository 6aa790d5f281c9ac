import Foundation
import MusterCore
import MusterEngine
import MusterReport
import MusterStore
import Synchronization

/// One run as its command sees it: reads what is new in the store, shows it, keeps the results up to date.
final class RunWatch: Sendable {
    private struct State {
        var token: String?
        var run: PlanID?
        /// The number of the request that asked, while its answer has not been seen.
        var unanswered: Int64?
        /// What is wrong with the run's rows: then only its own row is looked at.
        var flaw: String?
        /// The newest event when it was asked.
        let begin: Int64
        var position: Int64
        var spec: RunSpec?
        var view: (any RunView)?
        var placed: Set<StepIndex> = []
        var outputs: [StepIndex: Int] = [:]
        var isInterrupted = false
        var resultsError: ResultsError?
        /// How the tests went in the runs before this one, which is read once: it does not change.
        var history: RunHistory?
        var lastWrite: ContinuousClock.Instant?
        var time = HostTime()
    }

    private let session: StateSession
    private let options: any VerbOptions
    private let state: Mutex<State>
    /// Where the results go, instead of what the run's request says; absolute.
    private let results: String?

    init(
        session: StateSession,
        options: any VerbOptions,
        results: String?,
        token: String?,
        run: PlanID?,
        after position: Int64
    ) {
        self.session = session
        self.options = options
        self.results = results.map(Paths.absolute)
        state = Mutex(State(token: token, run: run, begin: position, position: position))
    }

    var run: PlanID? { state.withLock { $0.run } }
    var isInterrupted: Bool {
        get { state.withLock { $0.isInterrupted } }
        set { state.withLock { $0.isInterrupted = newValue } }
    }

    // MARK: Looking

    /// Has the answer to this request looked for.
    func await(_ request: Int64) { state.withLock { $0.unanswered = request } }

    /// Learns whether the run can be gone on with at all. Called before it is asked to end, while that can still be
    /// told.
    func examine() throws {
        try state.withLock { state in
            guard let id = state.run, let row = try read({ () throws(StoreError) in try session.store.plan(id) }) else {
                return
            }
            state.flaw = try read { () throws(StoreError) in try session.store.flaw(of: row) }
        }
    }

    /// Reads what is new and shows it; true when the run is over, or paused. Throws when the request was refused.
    func look() throws -> Bool {
        try state.withLock { state in
            let isWaiting = try isUnanswered(&state)
            if state.run == nil { try findRun(&state, isWaiting: isWaiting) }
            guard let id = state.run else { return false }
            guard let row = try look(at: id, &state) else { return false }
            if row.state.isFinal { return true }
            if let number = state.unanswered, !isWaiting {
                // Answered: by what the run does from here on, or by a refusal.
                try throwRefusal(of: Refusal.token(of: number), after: state.begin)
                state.unanswered = nil
            }
            return row.state == .paused && !isWaiting
        }
    }

    /// Whether the request still lies in the inbox. Asked before its answer is looked for: what has left the inbox has
    /// been answered in the same commit.
    private func isUnanswered(_ state: inout State) throws -> Bool {
        guard let number = state.unanswered else { return false }
        return try read { () throws(StoreError) in try session.store.requests(after: number - 1) }
            .contains { $0.id == number }
    }

    private func findRun(_ state: inout State, isWaiting: Bool) throws {
        guard let token = state.token else { return }
        if let row = try read({ () throws(StoreError) in try session.store.plan(request: token) }) {
            state.run = row.id
            state.unanswered = nil
            return
        }
        // The answer to this request is either a plan or a refusal; both stand in the store.
        try throwRefusal(of: token, after: state.begin)
        if state.unanswered != nil, !isWaiting {
            throw CLIError("the request was dropped before anybody began it; nothing was started: ask again")
        }
    }

    private func throwRefusal(of token: String, after begin: Int64) throws {
        var after = begin
        while true {
            let events = try read { () throws(StoreError) in
                try session.store.events(after: after, plan: nil, limit: 1000)
            }
            for event in events where event.kind == .requestRefused {
                guard let refusal = event.detail.flatMap({ Refusal($0) }), refusal.token == token else { continue }
                throw CLIError(
                    "refused: \(refusal.message)",
                    exitCode: refusal.code == "in-use" ? ExitCodes.notObtained : ExitCodes.usage
                )
            }
            guard let last = events.last, events.count == 1000 else { return }
            after = last.position
        }
    }

    /// The run's row as it is now; nil when it is not there yet.
    private func look(at id: PlanID, _ state: inout State) throws -> PlanRow? {
        let store = session.store
        if state.flaw != nil { return try read { () throws(StoreError) in try store.plan(id) } }
        if state.spec == nil {
            guard var spec = try read({ () throws(StoreError) in try store.spec(of: id) }) else { return nil }
            if let results { spec.resultsDirectory = results }
            state.spec = spec
            keepLifetime(spec)
            state.view = RunViews.make(spec: spec, options: options)
        }
        guard let spec = state.spec,
            let row = try read({ () throws(StoreError) in try store.plan(id) })
        else { return nil }
        let events = try newEvents(of: id, &state)
        let rows = RunRows(
            plan: row,
            steps: try read { () throws(StoreError) in try store.steps(of: id) },
            nodes: try read { () throws(StoreError) in try store.nodes(lab: row.lab, includingGone: true) }.filter {
                $0.createdBy == id || $0.heldBy == id
            },
            attempts: try read { () throws(StoreError) in try store.attempts(of: id) },
            events: events
        )
        try keepResults(rows, spec, &state)
        try showOutputs(rows, spec, &state)
        state.view?.update(rows, now: state.time.now())
        return row
    }

    /// Whatever becomes of this command, its lab is gone in time.
    private func keepLifetime(_ spec: RunSpec) {
        guard spec.expiresAt != nil, let problem = Reaper.start(for: session) else { return }
        Output.note("the lifetime of lab \(spec.lab) is kept by the next command only: \(problem)")
    }

    private func newEvents(of id: PlanID, _ state: inout State) throws -> [EventRow] {
        var all: [EventRow] = []
        while true {
            let after = state.position
            let events = try read { () throws(StoreError) in
                try session.store.events(after: after, plan: id, limit: 1000)
            }
            all += events
            guard let last = events.last else { return all }
            state.position = last.position
            if events.count < 1000 { return all }
        }
    }

    func tick() {
        state.withLock { state in state.view?.tick(now: state.time.now()) }
    }

    func tell() {
        state.withLock { state in
            if let view = state.view { view.tell() } else { Output.note("no run is under way for this command yet") }
        }
    }

    func say(_ text: String) {
        state.withLock { state in
            if let view = state.view { view.say(text) } else { Output.note(text) }
        }
    }

    /// Leaves the terminal as it was.
    func close() { state.withLock { $0.view?.close() } }

    // MARK: Results

    private func keepResults(_ rows: RunRows, _ spec: RunSpec, _ state: inout State) throws {
        guard spec.verb == .test, let directory = spec.resultsDirectory else { return }
        let writer = ResultsWriter(
            directory: directory,
            run: RunName(rows.plan.id),
            formats: Set(spec.resultFormats),
            more: spec.resultFiles ?? []
        )
        do {
            for attempt in rows.attempts where attempt.startedAt != nil && !state.placed.contains(attempt.step) {
                guard try ResultsPlacer(session: session).place(attempt, of: spec, with: writer) else { continue }
                state.placed.insert(attempt.step)
            }
            // At the end, and now and then before it: an interrupted run leaves valid files.
            let isOver = rows.plan.state.isFinal || rows.plan.state == .paused
            let isDue = state.lastWrite.map { $0.duration(to: .now) > .seconds(1) } ?? true
            guard isOver || isDue else { return }
            state.lastWrite = .now
            let history = state.history ?? pastRuns(of: rows.plan, spec)
            state.history = history
            if let report = try ReportBuilder(store: session.store).report(on: rows.plan.id) {
                try writer.write(report, history: history)
            }
            state.resultsError = nil
        } catch let error as ResultsError {
            // The run goes on to its end; what could not be written is said there and can be written again.
            state.resultsError = error
        } catch let error as StoreError {
            throw CLIError(error.message, exitCode: error.code.exitCode)
        }
    }

    /// Only the page shows it.
    private func pastRuns(of row: PlanRow, _ spec: RunSpec) -> RunHistory {
        spec.resultFormats.contains(.html) ? PastRuns(store: session.store).history(before: row) : RunHistory()
    }

    /// Copies what the commands of an `exec` have printed to our own output.
    private func showOutputs(_ rows: RunRows, _ spec: RunSpec, _ state: inout State) throws {
        guard spec.verb == .exec, !options.json else { return }
        for step in rows.steps
        where step.spec.action == .exec && step.state.hasEnded && state.outputs[step.index] == nil {
            state.outputs[step.index] = 1
            guard let path = try ResultsPlacer(session: session).output(of: step),
                let data = FileManager.default.contents(atPath: path)
            else { continue }
            if rows.steps.count == 1 {
                Output.raw(data)
            } else {
                let name = spec.exec?.nodes[Int(step.spec.a)].description ?? ""
                for line in String(decoding: data, as: UTF8.self).split(separator: "\n") {
                    Output.line("\(name) | \(printable(String(line)))")
                }
            }
        }
    }

    // MARK: The end

    /// Says how it ended and ends the program with that exit code.
    func conclude() throws {
        let (id, spec, interrupted, view) = state.withLock { ($0.run, $0.spec, $0.isInterrupted, $0.view) }
        if let id, let flaw = state.withLock({ $0.flaw }) { try concludeBroken(id, flaw) }
        guard let id, let spec, let row = try read({ () throws(StoreError) in try session.store.plan(id) }) else {
            return
        }
        view?.close()
        Reaper.wake(session.state)
        guard let report = try read({ () throws(StoreError) in try ReportBuilder(store: session.store).report(on: id) })
        else { return }
        var exitCode = RunSummary(report, interrupted: interrupted).exitCode
        if spec.verb == .exec { exitCode = try execStatus(id, row) }
        if spec.order != nil { try concludeOrder(row, spec, wasInterrupted: interrupted) }
        let results =
            spec.verb == .test && spec.resultsDirectory != nil && !spec.resultFormats.isEmpty
            ? spec.resultsDirectory.map { "\($0)/\(RunName(id))" } : nil
        let nothing = try whatWasThere(row, spec)
        if options.json {
            var shape = RunResultShape(row: row, exitCode: exitCode, report: report, results: results)
            shape.nothingToDo = nothing == nil ? nil : true
            Output.json(shape)
        } else if let nothing {
            Output.line(nothing)
        } else if spec.verb != .exec {
            let writer = ResultsWriter(
                directory: spec.resultsDirectory ?? "",
                run: RunName(id),
                formats: Set(spec.resultFormats),
                more: spec.resultFiles ?? []
            )
            RunViews.summary(
                report,
                interrupted: interrupted,
                results: results,
                files: writer.fileNames,
                options: options
            )
        }
        if let error = state.withLock({ $0.resultsError }) {
            throw CLIError(
                "\(error.message)\nThe run is complete; its results: muster results \(RunName(id)) --write DIR",
                exitCode: exitCode == ExitCodes.interrupted ? exitCode : ExitCodes.infrastructure
            )
        }
        throw RunEnd(exitCode: exitCode)
    }

    /// Says that an `up` had nothing to do; nil when it had.
    private func whatWasThere(_ row: PlanRow, _ spec: RunSpec) throws -> String? {
        guard spec.verb == .up, row.state == .stopped, row.result == .success else { return nil }
        let steps = try read { () throws(StoreError) in try session.store.steps(of: row.id) }
        guard steps.allSatisfy({ $0.spec.action == .barrier }) else { return nil }
        let count = spec.groups.reduce(0) { $0 + ($1.hasNodes ? $1.count : 0) }
        let groups = spec.groups.count(where: \.hasNodes)
        return "nothing to do: \(counted(count, "node")) in \(counted(groups, "group")) \(count == 1 ? "is" : "are") up"
    }

    /// What came of each node.
    private func concludeOrder(_ row: PlanRow, _ spec: RunSpec, wasInterrupted: Bool) throws {
        let steps = try read { () throws(StoreError) in try session.store.steps(of: row.id) }
        let result = OrderResult(spec, steps)
        let isCancelled = wasInterrupted || row.result == .cancelled
        let exitCode = isCancelled ? ExitCodes.interrupted : result.exitCode
        if options.json {
            Output.json(OrderResultShape(row, exitCode: exitCode, result))
        } else {
            Output.lines(result.lines)
        }
        throw RunEnd(exitCode: exitCode)
    }

    /// A run whose rows are broken has no report; it can only be said that it was given up on.
    private func concludeBroken(_ id: PlanID, _ flaw: String) throws {
        if options.json, let row = try read({ () throws(StoreError) in try session.store.plan(id) }) {
            Output.json(RunResultShape(row: row, exitCode: ExitCodes.passed, report: nil, results: nil))
        } else {
            Output.line("run \(RunName(id)) is halted; it was broken: \(printable(flaw))")
            Output.line("its machines stay: muster status, muster down")
        }
        throw RunEnd(exitCode: ExitCodes.passed)
    }

    /// The command's own status; the highest of several; 125 when Muster itself failed.
    private func execStatus(_ id: PlanID, _ row: PlanRow) throws -> Int32 {
        if row.result == .cancelled { return ExitCodes.interrupted }
        var status: Int32 = 0
        for step in try read({ () throws(StoreError) in try session.store.steps(of: id) })
        where step.spec.action == .exec {
            guard let error = step.error else { continue }
            let words = error.message.split(separator: " ")
            switch error.code {
            case .exited: status = max(status, words.last.flatMap { Int32($0) } ?? 1)
            case .signalled: status = max(status, 128 + (words.last.flatMap { Int32($0) } ?? 0))
            case .timedOut, .notStarted, .lost, .notReady, .unresolved, .refused, .cancelled, .file,
                .missingSecret, .unknown, .thrown, .noAction, .badValue, .children:
                Output.note("exec: \(printable(error.message))")
                status = max(status, ExitCodes.execFailed)
            }
        }
        return status
    }

    private func read<Value>(_ body: () throws(StoreError) -> Value) throws -> Value {
        try RunLookup(store: session.store).read(body)
    }
}

/// A run's rows as they stood at one look, and the events since the look before.
struct RunRows: Sendable {
    var plan: PlanRow
    var steps: [StepRow]
    var nodes: [NodeRow]
    var attempts: [AttemptRow]
    var events: [EventRow]
}

/// Names of the files that attempts leave in the results.
enum ResultFiles {
    static let outputName = "output.txt"
    /// The output of an earlier start of a test that went away.
    static func outputName(ofStart start: Int) -> String { "output.\(start).txt" }

    /// Most files of an attempt that are shown beside its results.
    private static let filesMax = 100_000

    /// The regular files below a folder, as paths in it, in order; none where it is not there.
    static func names(in folder: String) throws -> [String] {
        guard let found = FileManager.default.enumerator(atPath: folder) else { return [] }
        var names: [String] = []
        while let name = found.nextObject() as? String, names.count < filesMax {
            if found.fileAttributes?[.type] as? FileAttributeType == .typeRegular { names.append(name) }
        }
        return names.sorted()
    }

    static func outputPath(suite: String, test: String, attempt: Int) -> String {
        ResultsPath.file(suite: suite, test: test, attempt: attempt, name: outputName)
    }
}
