import Foundation
import MusterCore
import MusterSupervision
import MusterTestControl

/// Takes the streams of one attempt as they are read: files go to their folder, rows are kept.
final class FindingsTaker {
    private let folder: FindingsFolder
    private let secrets: [String]
    private var machine: ReportMachine
    private let frame: TestFrame?
    private var rows: [ResultRow] = []
    /// Bytes of text in them, and rows that were left out as there was too much.
    private var size = 0
    private var omitted = 0
    /// What is kept of the results of one attempt: they are one text in the store.
    private static let sizeMax = 16 << 20
    private static let rowSize = 200
    /// The file whose data come now, and what holds back the beginnings of secrets in it.
    private var file: CInt = -1
    private var place: FilePlace?
    private var mask: SecretMask
    /// Whether the last stream said that the test goes away.
    private var restarts = false
    /// Whether it does so whenever it ends, until it says otherwise.
    private var alwaysRestarts = false
    /// Whether it asked for another deadline.
    private(set) var movedDeadline = false

    init(_ folder: FindingsFolder, frame: TestFrame?, secrets: [String]) {
        self.folder = folder
        self.frame = frame
        // tmt knows no exit code of its own for a test that is skipped.
        machine = ReportMachine(rules: ResultRules(skipCode: frame == nil ? 77 : nil))
        self.secrets = secrets
        mask = SecretMask(secrets)
    }

    deinit { if file >= 0 { close(file) } }

    func take(_ bytes: UnsafeRawBufferPointer) throws(StepError) {
        let chunk = bytes.bindMemory(to: UInt8.self)
        var position = 0
        while let event = machine.next(in: chunk.span, from: &position) {
            switch event {
            case .fileBegan(let place): try begin(place)
            case .fileData(_, _, let range): try write(UnsafeBufferPointer(rebasing: chunk[range]))
            case .row, .exitCode, .duration, .disconnect, .reconnect, .noop, .partialLine, .error: note(event)
            }
        }
    }

    func end() {
        while let event = machine.end() { note(event) }
        endFile()
    }

    /// The test was started again, and said what follows.
    func reopen() {
        restarts = alwaysRestarts
        machine.reopen()
    }

    private func note(_ event: ReportEvent) {
        switch event {
        case .row(let row):
            endFile()
            keep(row)
        case .disconnect: restarts = true
        case .duration: movedDeadline = true
        case .reconnect(.once): restarts = true
        case .reconnect(.always): (restarts, alwaysRestarts) = (true, true)
        case .fileBegan, .fileData, .exitCode, .noop, .partialLine, .error: break
        }
    }

    // MARK: Files

    private func begin(_ place: FilePlace) throws(StepError) {
        endFile()
        file = try folder.open(place.path, isNew: place.offset == 0)
        self.place = place
    }

    private func write(_ bytes: UnsafeBufferPointer<UInt8>) throws(StepError) {
        guard file >= 0 else { return }
        if mask.isIdle { return try put(UnsafeRawBufferPointer(bytes)) }
        let masked = mask.take(bytes)
        var failure: StepError?
        masked.withUnsafeBytes { bytes in
            do throws(StepError) { try put(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    private func put(_ bytes: UnsafeRawBufferPointer) throws(StepError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = Foundation.write(file, rest.baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw FindingsFolder.error(place?.path ?? "") }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    private func endFile() {
        guard file >= 0 else { return }
        mask.end().withUnsafeBytes { bytes in _ = try? put(bytes) }
        close(file)
        file = -1
        mask = SecretMask(secrets)
    }

    private func keep(_ row: ResultRow) {
        size += Self.rowSize + (row.name?.utf8.count ?? 0) + (row.note?.utf8.count ?? 0) + row.custom.json.utf8.count
        size += row.files.reduce(0) { $0 + $1.path.utf8.count }
        if size > Self.sizeMax { omitted += 1 } else { rows.append(row) }
    }

    // MARK: The end

    /// - Parameter output: the file of what the test has printed; among its files it has the names that it asks for.
    func findings(_ ending: Ending, output: String) throws(StepError) -> TestFindings {
        let hasOwnResult = machine.hasOwnResult
        let last = machine.finish(with: ending)
        for row in last.dropLast() { keep(row) }
        rows += last.suffix(1)
        for file in rows.flatMap(\.files) where file.isOutput { try folder.link(output, as: file.path) }
        guard let final = rows.last else { return TestFindings(outcome: .error, note: "it came to no result") }
        let results = rows.filter { row in
            row.kind != .final || !row.files.isEmpty || !row.custom.isEmpty || row.reported != nil
        }
        let text: String
        do {
            text = String(decoding: try JSONEncoder().encode(results.map(result)), as: UTF8.self)
        } catch {
            throw StepError(.badValue, "what the test reported cannot be written as JSON: \(error)")
        }
        var (outcome, note) = Self.judged(final)
        if let frame, !hasOwnResult, case .exited(let code) = ending, machine.error == nil {
            outcome = frame.outcome(ofExit: code, parts: rows.filter { $0.kind == .subtest }.map { Self.judged($0).0 })
        }
        if omitted > 0 {
            outcome = .error
            note =
                (["\(omitted) results are not kept: there are more than \(Self.sizeMax >> 20) MiB"]
                + [note].compactMap(\.self))
                .joined(separator: "; ")
        }
        var findings = TestFindings(
            outcome: outcome,
            note: note.map(masked),
            results: results.isEmpty ? nil : text,
            restarts: restarts && ending.isRestartable
        )
        if Self.saysNotSetUp(final) { findings.notSetUp = true }
        return findings
    }

    /// A test cannot say that its machine was lost: who believed it would make another one for it.
    private static func judged(_ row: ResultRow) -> (Outcome, String?) {
        let outcome = Outcome(rawValue: row.outcome.rawValue) ?? .error
        guard outcome == .infra, row.reported == ResultOutcome.infra.rawValue else { return (outcome, row.note) }
        return (.error, (["it reports 'infra'"] + [row.note].compactMap(\.self)).joined(separator: "; "))
    }

    /// A test can say so as well: it makes its error one that its `result` does not turn into something else.
    private static func saysNotSetUp(_ row: ResultRow) -> Bool {
        row.custom[PackageProgram.resultKey]?.text == PackageProgram.resultValue && row.outcome == .error
    }

    private func result(_ row: ResultRow) -> TestResult {
        let (outcome, note) = Self.judged(row)
        return TestResult(
            name: row.name.map(masked),
            outcome: outcome,
            // What it said in Muster's words, and what counts otherwise, is in the note.
            status: row.reported.flatMap { ResultOutcome(rawValue: $0) == nil ? masked($0) : nil },
            note: note.map(masked),
            files: row.files.map(\.path),
            extra: row.custom.isEmpty ? nil : masked(JSONValue.object(row.custom).json)
        )
    }

    private func masked(_ text: String) -> String {
        var mask = SecretMask(secrets)
        if mask.isIdle { return text }
        return String(decoding: mask.take(text.utf8) + mask.end(), as: UTF8.self)
    }
}

extension Ending {
    /// Whether a test that said that it goes away is started again: it did go.
    var isRestartable: Bool {
        switch self {
        case .exited, .signalled, .noExitCode, .nodeLost: true
        case .timedOut, .cancelled, .controlError, .setupFailed: false
        }
    }
}
