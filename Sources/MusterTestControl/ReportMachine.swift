/// What comes of a test's control stream.
package enum ReportEvent: Hashable, Sendable {
    /// Data for a file follow, also for one that stays empty.
    case fileBegan(FilePlace)
    /// Data of a file: the bytes at `range` of the chunk that was given, to be put at `offset` of the whole file.
    case fileData(FilePlace, offset: Int, range: Range<Int>)
    /// A result that is closed. The final one comes from `finish(with:)`.
    case row(ResultRow)
    case exitCode(Int)
    case duration(DurationChange)
    case disconnect
    case reconnect(ReconnectMode)
    case noop
    case partialLine(byteCount: Int, offset: Int)
    /// The stream is given up: the test is to be ended.
    case error(ControlError)
}

/// A test's control stream up to its rows: `ControlMachine` and `ResultBook`, each telling the other what is wrong.
///
/// Being a value it can be copied at any point and go on from the copy. Kept on disk is less: `checkpoint`, with the
/// rows and files until then. The same stream read again from its beginning gives the same rows and places.
package struct ReportMachine: Sendable {
    private var control: ControlMachine
    private var book: ResultBook
    private var place: FilePlace?
    /// The code that the test's program ended with, as the stream says.
    package private(set) var exitCode: Int?
    /// Why a stream of the attempt was given up.
    package private(set) var error: ControlError?

    /// A machine at the beginning of an attempt.
    package init(limits: ControlLimits = ControlLimits(), rules: ResultRules = ResultRules()) {
        control = ControlMachine(limits: limits)
        book = ResultBook(rules: rules)
    }

    /// Where the stream can be read on after a crash, with a copy of this machine or one that has read it so far.
    package var checkpoint: ControlCheckpoint { control.checkpoint }
    /// Bytes of the stream that were taken.
    package var offset: Int { control.offset }
    /// Bytes of it that were not interpreted.
    package var ignored: Int { control.ignored }
    /// Whether the stream stands between two control words.
    package var isBetweenWords: Bool { control.isBetweenWords }
    /// How many bytes of a file's data come next: so many may be moved by other means and passed over by `skip(_:)`.
    package var pendingFileBytes: Int { control.pendingFileBytes }
    /// Whether the test has closed a result for itself.
    package var hasOwnResult: Bool { book.hasOwnResult }
    /// Rows of subtests so far that failed, warned or could not be run.
    package var failedSubtests: Int { book.failedSubtests }

    /// The next event, nil when all of the chunk is taken.
    ///
    /// - Parameter position: where in the chunk to go on; it is moved.
    package mutating func next(in chunk: Span<UInt8>, from position: inout Int) -> ReportEvent? {
        while let event = control.next(in: chunk, from: &position) {
            if let event = taken(event) { return event }
        }
        return nil
    }

    /// Passes over data of the current file that were moved by other means.
    package mutating func skip(_ count: Int) { control.skip(count) }

    /// The stream has ended. To be asked until it returns nil.
    package mutating func end() -> ReportEvent? {
        while let event = control.end() {
            if let event = taken(event) { return event }
        }
        return nil
    }

    /// The test is started again and writes a new stream, after `disconnect`: results and limits go on, the stream's
    /// offset begins at 0. The former one must have been ended by `end()`.
    package mutating func reopen() {
        precondition(control.isOver, "a new stream at byte \(offset) of one that has not ended")
        precondition(!book.isFinished, "a new stream for an attempt that has its final result")
        var checkpoint = control.checkpoint
        checkpoint.offset = 0
        control = ControlMachine(limits: control.limits, from: checkpoint)
        place = nil
        exitCode = nil
    }

    /// The rows that are left, the final one as the last (`ResultBook.finish(with:)`).
    ///
    /// A stream that was given up makes the attempt an `error`, unless it was ended from outside, which counts then; a
    /// timeout counts only when the stream just broke off.
    package mutating func finish(with ending: Ending) -> [ResultRow] {
        book.finish(with: error.map { Self.cause(ending, $0) } ?? ending)
    }

    private static func cause(_ ending: Ending, _ error: ControlError) -> Ending {
        switch ending {
        case .exited, .signalled, .noExitCode, .controlError: .controlError(error)
        case .timedOut: error.isEndTooEarly ? ending : .controlError(error)
        case .cancelled, .nodeLost, .setupFailed: ending
        }
    }

    private mutating func taken(_ event: ControlEvent) -> ReportEvent? {
        do throws(ControlError.Reason) {
            switch event {
            case .fileBegan(let file):
                let place = try book.place(file)
                self.place = place
                return .fileBegan(place)
            case .fileData(_, let offset, let range):
                return place.map { .fileData($0, offset: $0.offset + offset, range: range) }
            case .result(let result): return try book.record(result).map(ReportEvent.row)
            case .exitCode(let code):
                exitCode = code
                return .exitCode(code)
            case .duration(let change): return .duration(change)
            case .disconnect: return .disconnect
            case .reconnect(let mode): return .reconnect(mode)
            case .noop: return .noop
            case .partialLine(let count, let offset): return .partialLine(byteCount: count, offset: offset)
            case .error(let error):
                if self.error == nil { self.error = error }
                return .error(error)
            }
        } catch {
            let refusal = control.refuse(error)
            if self.error == nil { self.error = refusal }
            return .error(refusal)
        }
    }
}
