import Foundation
import MusterCore
import MusterReport
import Synchronization

/// How a run is shown while it goes on. Called by one thread at a time.
protocol RunView: AnyObject, Sendable {
    /// The rows as they are now, with the events since the last time.
    func update(_ rows: RunRows, now: Timestamp)
    /// Time has passed.
    func tick(now: Timestamp)
    /// Tells how it stands, on request.
    func tell()
    /// A line that stays.
    func say(_ text: String)
    /// Leaves the terminal as it was.
    func close()
}

/// Chooses how a run is shown: a live screen on a terminal, lines elsewhere, nothing for programs.
enum RunViews {
    static func make(spec: RunSpec, options: any VerbOptions) -> any RunView {
        // The output of an `exec` is that of its command.
        if options.json || options.quiet || spec.verb == .exec { return SilentView(spec: spec, style: style(options)) }
        let style = style(options)
        return style.isLive ? LiveView(spec: spec, style: style) : LinesView(spec: spec, style: style)
    }

    /// The last lines: what came of it, failures first.
    static func summary(
        _ report: RunReport,
        interrupted: Bool,
        results: String?,
        files: [String],
        options: any VerbOptions
    ) {
        let style = style(options)
        let text = SummaryText(width: width(style), usesColor: style.usesColor, isASCII: style.isASCII)
        let lines = text.lines(
            report,
            summary: RunSummary(report, interrupted: interrupted),
            resultsPath: results.map(Paths.short),
            files: files
        )
        Output.lines((style.isLive ? [""] : []) + lines + next(report))
    }

    /// How lines for people are written here: how wide, with or without colour, ASCII only or not.
    static func ink(_ options: any VerbOptions) -> (width: Int, usesColor: Bool, isASCII: Bool) {
        let style = style(options)
        return (width(style), style.usesColor, style.isASCII)
    }

    /// What a person can do now.
    private static func next(_ report: RunReport) -> [String] {
        if report.verb == .down, report.state == .stopped, report.result == .error {
            return [
                "  muster down                  try again: what is undone is not undone twice",
                "  muster down --force          go on over what cannot be undone",
                "  muster gc, muster reconcile  what is left of machines, if anything is",
            ]
        }
        guard report.state == .paused else { return [] }
        return [
            "  muster resume \(report.run)    try again what failed",
            "  muster cancel \(report.run)    end it",
            "  muster down             take its machines down",
        ]
    }

    private static func style(_ options: any VerbOptions) -> TerminalStyle {
        TerminalStyle.detect(
            isTTY: Terminal.isTTY(STDOUT_FILENO),
            environment: Environment.all,
            noColorFlag: options.noColor
        )
    }

    private static func width(_ style: TerminalStyle) -> Int {
        style.isLive ? Terminal.size(of: STDOUT_FILENO, environment: Environment.all).columns : 100
    }
}

/// Says nothing while the run goes on, except when asked.
final class SilentView: RunView {
    private let progress: Mutex<RunProgress>
    private let style: TerminalStyle

    init(spec: RunSpec, style: TerminalStyle) {
        progress = Mutex(RunProgress(spec: spec))
        self.style = style
    }

    func update(_ rows: RunRows, now: Timestamp) { progress.withLock { $0.take(rows, now: now) } }
    func tick(now: Timestamp) { progress.withLock { $0.now = now } }
    func tell() { for line in progress.withLock({ $0.statusLines(style: style) }) { Output.note(line) } }
    func say(_ text: String) { Output.note(text) }
    func close() {}
}

/// A line for each change that matters, and a heartbeat when nothing has changed for long.
final class LinesView: RunView {
    private struct State {
        var progress: RunProgress
        var log: LineLog
    }
    private let state: Mutex<State>
    private let style: TerminalStyle

    init(spec: RunSpec, style: TerminalStyle) {
        state = Mutex(State(progress: RunProgress(spec: spec), log: LineLog(style: style)))
        self.style = style
    }

    func update(_ rows: RunRows, now: Timestamp) {
        let lines = state.withLock { state in
            state.progress.take(rows, now: now)
            return state.log.lines(for: rows.events, progress: state.progress, now: now)
        }
        Output.lines(lines)
    }

    func tick(now: Timestamp) {
        if let line = state.withLock({ $0.log.heartbeat(now: now) }) { Output.line(line) }
    }

    func tell() { Output.lines(state.withLock { $0.progress.statusLines(style: style) }) }
    func say(_ text: String) { Output.line(TerminalText.clean(text, ascii: style.isASCII)) }
    func close() {}
}

/// One screen with rows that stay where they are.
final class LiveView: RunView {
    private struct State {
        var progress: RunProgress
        var painter = TerminalPainter { Output.write($0, to: STDOUT_FILENO) }
        var isOpen = true
    }
    private let state: Mutex<State>
    private let style: TerminalStyle

    init(spec: RunSpec, style: TerminalStyle) {
        state = Mutex(State(progress: RunProgress(spec: spec)))
        self.style = style
    }

    func update(_ rows: RunRows, now: Timestamp) {
        state.withLock { state in
            state.progress.take(rows, now: now)
            paint(&state)
        }
    }

    func tick(now: Timestamp) {
        state.withLock { state in
            state.progress.now = now
            paint(&state)
        }
    }

    func tell() {
        state.withLock { state in
            state.painter.print(state.progress.statusLines(style: style), size: size)
            paint(&state)
        }
    }

    func say(_ text: String) {
        state.withLock { state in
            state.painter.print([TerminalText.clean(text, ascii: style.isASCII)], size: size)
            paint(&state)
        }
    }

    func close() {
        state.withLock { state in
            guard state.isOpen else { return }
            state.isOpen = false
            state.painter.end(keepsFrame: true)
        }
    }

    private var size: Terminal.Size { Terminal.size(of: STDOUT_FILENO, environment: Environment.all) }

    private func paint(_ state: inout State) {
        guard state.isOpen else { return }
        let size = size
        let frame = Screen.frame(
            state.progress,
            width: size.columns,
            height: TerminalPainter.height(in: size),
            style: style
        )
        state.painter.paint(frame, size: size)
    }
}

extension RunProgress {
    mutating func take(_ rows: RunRows, now: Timestamp) {
        update(plan: rows.plan, steps: rows.steps, nodes: rows.nodes, attempts: rows.attempts, now: now)
    }
}
