import Foundation
import Logging
import MusterCore
import MusterSupervision
import NIOCore
import Synchronization

/// A plug-in's program, asked one request at a time by a process of its own each.
struct PluginProgram: Sendable {
    /// The longest line of an answer, and the longest answer, in bytes and in lines.
    static let lineMax = 1 << 20
    static let answerMax = 16 << 20
    static let linesMax = 20_000
    /// How much of its standard error goes to the log.
    static let errorMax = 64 << 10

    var command: [String]
    var logger: Logger
    /// Values that are shown nowhere.
    var secrets: @Sendable () -> [String] = { [] }

    /// Where it runs: the folder of its own file, so that it finds what lies beside it; Muster's own where it is a name
    /// in `PATH`.
    var folder: String? {
        guard let program = command.first, program.hasPrefix("/") else { return nil }
        return (program as NSString).deletingLastPathComponent
    }

    /// For people.
    var title: String { command.first.map { ($0 as NSString).lastPathComponent } ?? "plug-in" }

    /// What came of a request, apart from what was asked.
    struct Heard: Sendable {
        var ok: PluginValue
        /// What is not as it should be, and does no harm.
        var complaints: [String] = []
        var time: Duration
    }

    /// Something that it was told while it ran.
    enum Line: Sendable {
        case progress(String)
        case output([UInt8])
        case watching
    }

    /// Asks, and returns what the answer says after `ok`.
    ///
    /// - Parameters:
    ///   - isEndless: it may take as long as it likes, and its input stays open meanwhile.
    ///   - onStart: is told of the process before it is given the request. False ends it.
    ///   - onLine: what it says before its answer.
    /// - Throws: `.badValue` for an answer that is none, `.timedOut` for none in time, `.notStarted`, and what it says.
    func ask(
        _ request: PluginRequest,
        isEndless: Bool = false,
        holdsInput: Bool? = nil,
        onStart: (@Sendable (ProcessIdentity) -> Bool)? = nil,
        onLine: @escaping @Sendable (Line) -> Void = { _ in }
    ) async throws(StepError) -> Heard {
        guard let first = command.first, !first.isEmpty else {
            throw StepError(.notStarted, "the plug-in has no command")
        }
        let masks = Self.masks(secrets())
        let answer = AnswerReader(id: request.id, masks: masks, onLine: onLine)
        let said = ErrorReader(limit: Self.errorMax, masks: masks) { [logger, title] in
            logger.info("\(title) \(request.verb.rawValue): \($0)")
        }
        let began = NIODeadline.now()
        let end: PluginProcess.End
        do throws(ConnectionFailure) {
            end = try await PluginProcess.run(
                PluginProcess.Request(
                    arguments: command,
                    environment: request.environment.merging([PluginProcess.mark: request.id]) { $1 },
                    keepsVariable: { !PluginRequest.isReserved($0) },
                    folder: folder,
                    input: [.bytes(request.line)],
                    // Whoever goes on for as long as somebody wants it sees when nobody does any more.
                    holdsInput: holdsInput ?? isEndless,
                    within: isEndless ? nil : request.timeout,
                    endsDescendants: true,
                    mark: request.id,
                    onStart: onStart,
                    onOutput: { answer.take($0) },
                    onError: { said.take($0) }
                )
            )
        } catch {
            switch error {
            case .refused(let reason): throw StepError(.notStarted, "plug-in \(title): \(reason)")
            case .exhausted(let reason), .unreachable(let reason), .broken(let reason), .silent(let reason):
                throw StepError(.refused, "plug-in \(title): \(reason)")
            case .cancelled: throw cancelled(request)
            }
        }
        said.finish()
        let time = NIODeadline.now() - began
        return try heard(
            request,
            end,
            answer.end(wasStopped: end.stop != nil),
            said.last,
            .microseconds(time.nanoseconds / 1000)
        )
    }

    /// What is taken out of texts: the secrets, and the lines of those that have several.
    private static func masks(_ secrets: [String]) -> [String] {
        let lines = secrets.flatMap { $0.split(separator: "\n").map(String.init).filter { $0.count >= 8 } }
        return Set(secrets + lines).filter { !$0.isEmpty }.sorted { ($0.count, $0) > ($1.count, $1) }
    }

    private func cancelled(_ request: PluginRequest) -> StepError {
        StepError(.cancelled, "plug-in \(title), request \(request.verb.rawValue): nobody waits for it any more")
    }

    private func heard(
        _ request: PluginRequest,
        _ end: PluginProcess.End,
        _ answer: AnswerReader.State,
        _ said: String,
        _ time: Duration
    ) throws(StepError) -> Heard {
        let place = "plug-in \(title), request \(request.verb.rawValue)"
        let also = said.isEmpty ? "" : " (it says: \(said))"
        if let fault = answer.fault { throw Self.fault("\(place), \(fault)", command) }
        if let result = answer.result {
            switch result {
            case .success(let ok):
                var complaints = answer.complaints
                if let signal = end.signal, end.stop == nil { complaints.append("it was ended by signal \(signal)") }
                if let status = end.status, status != 0, end.stop == nil {
                    complaints.append("it ended with status \(status) after an answer that says that all is well")
                }
                if end.stop == .deadline { complaints.append("it did not end after its answer") }
                for complaint in complaints { logger.warning("\(place): \(complaint)") }
                return Heard(ok: ok, complaints: complaints, time: time)
            case .failure(let error): throw StepError(error.code, "\(title): \(error.message)\(also)")
            }
        }
        switch end.stop {
        case .deadline:
            throw StepError(
                .timedOut,
                """
                \(place): no answer came within \(request.timeout.shortText), and it was ended with all it had \
                started; let it answer sooner, or give the step a longer 'timeout'\(also)
                """
            )
        case .cancelled: throw cancelled(request)
        case .notNoted: throw StepError(.file, "\(place): its process could not be noted in the node's folder")
        case .output, nil: break
        }
        let how = end.signal.map { "was ended by signal \($0)" } ?? "ended with status \(end.status ?? 0)"
        throw Self.fault("\(place): it \(how) without an answer, after \(answer.lines) lines\(also)", command)
    }

    static func fault(_ what: String, _ command: [String]) -> StepError {
        StepError(
            .badValue,
            "\(what); see docs/formats/plugin.md, and try: muster doctor plugin \(command.joined(separator: " "))"
        )
    }

    /// Reads an answer, or says what is wrong with it.
    func read<Answer>(
        _ heard: Heard,
        of verb: PluginRequest.Verb,
        _ body: (PluginObject) throws(PluginValueError) -> Answer
    ) throws(StepError) -> Answer {
        do throws(PluginValueError) {
            return try body(try PluginObject(heard.ok, at: "ok"))
        } catch {
            throw Self.fault("plug-in \(title), request \(verb.rawValue): \(error.message)", command)
        }
    }
}

/// Takes secrets out of a text.
func masked(_ text: String, _ secrets: [String]) -> String {
    secrets.reduce(text) { $0.replacing($1, with: "***") }
}

/// Reads the lines of an answer as they come.
private final class AnswerReader: Sendable {
    struct State {
        var rest: [UInt8] = []
        /// So much of the rest has no end of line.
        var looked = 0
        var lines = 0
        var bytes = 0
        var result: Result<PluginValue, StepError>?
        /// What is wrong with a line; nothing after it is read.
        var fault: String?
        var complaints: [String] = []
    }

    private let id: String
    private let masks: [String]
    private let onLine: @Sendable (PluginProgram.Line) -> Void
    private let state = Mutex(State())

    init(id: String, masks: [String], onLine: @escaping @Sendable (PluginProgram.Line) -> Void) {
        self.id = id
        self.masks = masks
        self.onLine = onLine
    }

    /// False when it says what cannot be right.
    func take(_ bytes: [UInt8]) -> Bool {
        let (lines, goesOn): ([PluginProgram.Line], Bool) = state.withLock { state in
            var lines: [PluginProgram.Line] = []
            state.bytes += bytes.count
            if state.result != nil { return (lines, late(bytes, &state)) }
            state.rest += bytes
            var start = 0
            while state.fault == nil, state.result == nil, state.lines <= PluginProgram.linesMax,
                let end = Self.lineEnd(in: state.rest, from: max(start, state.looked))
            {
                if let line = read(state.rest[start..<end], &state) { lines.append(line) }
                start = end + 1
            }
            state.rest.removeSubrange(..<start)
            state.looked = state.rest.count
            if state.fault == nil, state.result == nil { limit(&state) }
            if state.result != nil, !state.rest.isEmpty {
                let rest = state.rest
                state.rest = []
                _ = late(rest, &state)
            }
            return (lines, state.fault == nil)
        }
        for line in lines { onLine(line) }
        return goesOn
    }

    private static func lineEnd(in bytes: [UInt8], from start: Int) -> Int? {
        bytes.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress, start < bytes.count,
                let place = memchr(base + start, Int32(UInt8(ascii: "\n")), bytes.count - start)
            else { return nil }
            return base.distance(to: UnsafeRawPointer(place))
        }
    }

    private func limit(_ state: inout State) {
        if state.rest.count > PluginProgram.lineMax {
            state.fault = "line \(state.lines + 1) of its answer: it is longer than 1 MiB"
        } else if state.bytes > PluginProgram.answerMax {
            state.fault = "line \(state.lines + 1) of its answer: it says more than 16 MiB in all"
        } else if state.lines > PluginProgram.linesMax {
            state.fault = "line \(state.lines) of its answer: it says more than \(PluginProgram.linesMax) lines"
        }
    }

    /// The beginning of what it says, for people.
    private func shown(_ bytes: some Collection<UInt8>) -> String {
        String(masked(String(decoding: bytes.prefix(8192), as: UTF8.self), masks).prefix(100))
    }

    /// What comes after the answer is not read.
    private func late(_ bytes: [UInt8], _ state: inout State) -> Bool {
        if state.complaints.isEmpty {
            let text = shown(bytes)
            state.complaints.append(
                "it says more after its answer: '\(text.trimmingCharacters(in: .whitespacesAndNewlines))'"
            )
        }
        // Whoever writes without end is not listened to.
        return state.bytes <= PluginProgram.answerMax
    }

    func end(wasStopped: Bool) -> State {
        state.withLock { state in
            if !wasStopped, state.result == nil, state.fault == nil, !state.rest.isEmpty {
                let rest = state.rest
                state.rest = []
                let line = read(rest[...], &state)
                if state.fault == nil, state.result != nil || line != nil {
                    state.result = nil
                    state.fault = "line \(state.lines) of its answer is cut off: it has no end"
                }
            }
            return state
        }
    }

    private func read(_ bytes: ArraySlice<UInt8>, _ state: inout State) -> PluginProgram.Line? {
        state.lines += 1
        let place = "line \(state.lines) of its answer"
        if bytes.count > PluginProgram.lineMax {
            state.fault = "\(place): it is longer than 1 MiB"
            return nil
        }
        let shown = shown(bytes)
        guard let value = PluginValue(json: bytes) else {
            state.fault = "\(place) is not JSON: '\(shown)' (what is for people goes to standard error)"
            return nil
        }
        do throws(PluginValueError) {
            let object = try PluginObject(value, at: "")
            let found = try object.text("id")
            guard found == id else {
                throw PluginValueError(message: "'id' is '\(found.prefix(100))', and the request's is '\(id)'")
            }
            return try say(object, &state, shown)
        } catch {
            let message = error.message.replacing("'' is", with: "it is")
            state.fault = "\(place): \(masked(message, masks))"
            return nil
        }
    }

    private func say(
        _ object: PluginObject,
        _ state: inout State,
        _ shown: String
    ) throws(PluginValueError) -> PluginProgram.Line? {
        if let ok = object.value("ok") {
            guard case .object = ok else {
                throw PluginValueError(message: "'ok' is \(ok.kind), and must be an object")
            }
            state.result = .success(ok)
            return nil
        }
        if object.value("error") != nil {
            let error = try PluginObject(object.value("error"), at: "error")
            let code = try error.text("code")
            guard let known = PluginAnswer.ErrorCode(rawValue: code) else {
                let codes = PluginAnswer.ErrorCode.allCases.map(\.rawValue).joined(separator: ", ")
                throw PluginValueError(message: "'error.code' is '\(code.prefix(100))', and must be one of \(codes)")
            }
            let message = masked(String(try error.text("message").prefix(2000)), masks)
            state.result = .failure(StepError(known.step, message))
            return nil
        }
        if let text = try object.textIfThere("progress") { return .progress(masked(text, masks)) }
        if let text = try object.textIfThere("output") { return .output(Array(masked(text, masks).utf8)) }
        if let text = try object.textIfThere("output_base64") {
            guard let data = Data(base64Encoded: text) else {
                throw PluginValueError(message: "'output_base64' is not base64")
            }
            if masks.isEmpty { return .output(Array(data)) }
            return .output(Array(masked(String(decoding: data, as: UTF8.self), masks).utf8))
        }
        if object.value("watching") == .bool(true) { return .watching }
        throw PluginValueError(
            message: "it has none of ok, error, progress, output, output_base64, watching: '\(shown)'"
        )
    }
}

/// Passes standard error to the log line by line, to a limit.
private final class ErrorReader: Sendable {
    private struct State {
        var rest: [UInt8] = []
        var taken = 0
        var dropped = 0
        var last: [String] = []
    }

    private let limit: Int
    private let masks: [String]
    private let log: @Sendable (String) -> Void
    private let state = Mutex(State())

    init(limit: Int, masks: [String], log: @escaping @Sendable (String) -> Void) {
        self.limit = limit
        self.masks = masks
        self.log = log
    }

    /// The last lines, for an error.
    var last: String { state.withLock { String($0.last.joined(separator: "; ").prefix(1000)) } }

    func take(_ bytes: [UInt8]) {
        let lines = state.withLock { state in
            let kept = bytes.prefix(max(0, limit - state.taken))
            state.taken += kept.count
            state.dropped += bytes.count - kept.count
            state.rest += kept
            var lines: [String] = []
            while let end = state.rest.firstIndex(of: UInt8(ascii: "\n")) {
                lines.append(line(state.rest[..<end], &state))
                state.rest.removeSubrange(...end)
            }
            return lines
        }
        for line in lines where !line.isEmpty { log(line) }
    }

    func finish() {
        let (line, dropped) = state.withLock { state in
            let rest = state.rest
            state.rest = []
            return (rest.isEmpty ? "" : self.line(rest[...], &state), state.dropped)
        }
        if !line.isEmpty { log(line) }
        if dropped > 0 { log("[\(dropped) more bytes of its standard error were dropped]") }
    }

    private func line(_ bytes: ArraySlice<UInt8>, _ state: inout State) -> String {
        let text = masked(String(decoding: bytes, as: UTF8.self), masks).trimmingCharacters(in: .whitespacesAndNewlines)
        let clean = String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 32 ? " " : $0 }))
        if !clean.isEmpty { state.last = state.last.suffix(2) + [clean] }
        return clean
    }
}
