/// Reads a test-control stream: bytes in, in chunks of any size, and events out. It owns no descriptor and no file, and
/// keeps at most one line or the JSON of one result.
///
/// Source of the protocol: ATEX 1.2, `TEST_CONTROL.md` and `RESULTS.md`, with the words of 0.10 besides.
///
/// ```
/// var position = 0
/// while let event = machine.next(in: chunk, from: &position) { … }
/// ```
///
/// Invariants: the events of a stream do not depend on how it is cut into chunks. Behind an error nothing is
/// interpreted. `checkpoint` only ever lies between two control words; a result with all its files is one of them.
package struct ControlMachine: Sendable {
    /// Most bytes of a control line with its newline.
    package static let lineBytesMax = 4096

    private enum Phase {
        case line
        case json
        /// Between the files of a result.
        case files
        case data
        case over
    }

    /// The most that is taken.
    package let limits: ControlLimits
    /// Where the stream can be read on after a crash, when all that came out before is kept.
    package private(set) var checkpoint: ControlCheckpoint
    /// Bytes of the stream that were taken, whatever became of them.
    package private(set) var offset: Int
    /// Bytes behind an error or behind the end, which were not interpreted.
    package private(set) var ignored = 0
    /// Why the stream was given up.
    package private(set) var error: ControlError?

    private var phase = Phase.line
    /// The checkpoint that the last result has moved.
    private var beforeResult: ControlCheckpoint
    /// Where the line or the JSON began that is being read.
    private var began: Int
    /// What came of it so far, when a chunk ended within it.
    private var held: [UInt8] = []
    private var jsonBytes = 0
    private var result: ControlResult?
    private var files: [ControlFile] = []
    /// The file that comes next or is coming, and how much of it has come.
    private var file = 0
    private var fileBytes = 0

    /// - Parameter checkpoint: of the same stream, whose bytes from `checkpoint.offset` on are given next. Its offset
    ///   is 0 for the next stream of the same attempt.
    package init(limits: ControlLimits = ControlLimits(), from checkpoint: ControlCheckpoint = ControlCheckpoint()) {
        self.limits = limits
        self.checkpoint = checkpoint
        offset = checkpoint.offset
        began = checkpoint.offset
        beforeResult = checkpoint
    }

    /// Whether the stream stands between two control words.
    package var isBetweenWords: Bool { phase == .line && held.isEmpty }

    /// Whether it has ended or was given up: nothing more is interpreted.
    package var isOver: Bool { phase == .over }

    /// How many bytes of a file's data come next: so many may be moved by other means and passed over by `skip(_:)`.
    package var pendingFileBytes: Int { phase == .data ? files[file].byteCount - fileBytes : 0 }

    /// The next event, nil when all of the chunk is taken.
    ///
    /// - Parameter position: where in the chunk to go on; it is moved.
    package mutating func next(in chunk: Span<UInt8>, from position: inout Int) -> ControlEvent? {
        precondition((0...chunk.count).contains(position), "position \(position) of a chunk of \(chunk.count) bytes")
        while true {
            switch phase {
            case .line:
                guard position < chunk.count else { return nil }
                if let event = takeLine(chunk, &position) { return event }
            case .json:
                guard position < chunk.count else { return nil }
                if let event = takeJSON(chunk, &position) { return event }
            case .files:
                return nextFile()
            case .data:
                let rest = files[file].byteCount - fileBytes
                if rest == 0 {
                    file += 1
                    phase = .files
                    continue
                }
                guard position < chunk.count else { return nil }
                let range = position..<position + min(rest, chunk.count - position)
                let place = fileBytes
                fileBytes += range.count
                take(range.count, &position)
                return .fileData(files[file], offset: place, range: range)
            case .over:
                ignored += chunk.count - position
                take(chunk.count - position, &position)
                return nil
            }
        }
    }

    /// Hands all of a chunk's events to `handle`.
    package mutating func read(_ chunk: Span<UInt8>, _ handle: (ControlEvent) -> Void) {
        var position = 0
        while let event = next(in: chunk, from: &position) { handle(event) }
    }

    /// Passes over data of the current file that were moved by other means.
    ///
    /// - Parameter count: at most `pendingFileBytes`.
    package mutating func skip(_ count: Int) {
        precondition((0...pendingFileBytes).contains(count), "skipping \(count) of \(pendingFileBytes) bytes of a file")
        fileBytes += count
        offset += count
    }

    /// The stream has ended. To be asked until it returns nil, which it does at once when the stream ended between two
    /// words or had been given up.
    package mutating func end() -> ControlEvent? {
        switch phase {
        case .line:
            phase = .over
            guard !held.isEmpty else { return nil }
            return .partialLine(byteCount: held.count, offset: began)
        case .json: return fail(.endInJSON(have: held.count, of: jsonBytes), at: offset)
        // What was announced is there: only the caller had not asked for it.
        case .files: return nextFile()
        case .data:
            if files[file].byteCount == fileBytes {
                file += 1
                phase = .files
                return nextFile()
            }
            return fail(.endInFile(files[file].name, have: fileBytes, of: files[file].byteCount), at: offset)
        case .over: return nil
        }
    }

    /// Gives the stream up because of what the last event says: a file or a result that its receiver cannot take.
    ///
    /// - Returns: the error that the caller is to report.
    package mutating func refuse(_ reason: ControlError.Reason) -> ControlError {
        let refusal = ControlError(reason, offset: began)
        // Read on from here, the stream is refused again.
        if phase == .line { checkpoint = beforeResult }
        if error == nil { error = refusal }
        drop()
        return refusal
    }

    // MARK: Lines

    private mutating func takeLine(_ chunk: Span<UInt8>, _ position: inout Int) -> ControlEvent? {
        if held.isEmpty { began = offset }
        let room = Self.lineBytesMax - held.count
        let end = min(chunk.count, position + room)
        var newline = position
        while newline < end, chunk[newline] != UInt8(ascii: "\n") { newline += 1 }
        let range = position..<newline
        guard newline < end else {
            take(range.count, &position)
            // No newline can come any more that would be within the limit.
            if range.count == room { return fail(.lineTooLong, at: began) }
            hold(chunk, range)
            return nil
        }
        take(range.count + 1, &position)
        if held.isEmpty { return perform(chunk.extracting(range)) }
        hold(chunk, range)
        let line = release()
        return perform(line.span)
    }

    private mutating func perform(_ line: Span<UInt8>) -> ControlEvent? {
        for index in line.indices where line[index] >= 0x80 {
            return fail(.notASCII(line[index]), at: began + index)
        }
        do throws(ControlError.Reason) {
            switch try ControlWord.parse(line) {
            case .event(let event):
                checkpoint.offset = offset
                return event
            case .result(let count):
                guard count <= limits.jsonBytesMax else { throw .overLimit(.jsonBytes, max: limits.jsonBytesMax) }
                guard checkpoint.results < limits.resultsMax else { throw .overLimit(.results, max: limits.resultsMax) }
                jsonBytes = count
                phase = .json
                began = offset
                return nil
            }
        } catch {
            return fail(error, at: began)
        }
    }

    // MARK: Results

    private mutating func takeJSON(_ chunk: Span<UInt8>, _ position: inout Int) -> ControlEvent? {
        let range = position..<position + min(jsonBytes - held.count, chunk.count - position)
        take(range.count, &position)
        guard held.count + range.count == jsonBytes else {
            hold(chunk, range)
            return nil
        }
        if held.isEmpty { return decode(chunk.extracting(range)) }
        hold(chunk, range)
        let json = release()
        return decode(json.span)
    }

    private mutating func decode(_ json: Span<UInt8>) -> ControlEvent? {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONReader.value(of: json, depthMax: limits.depthMax)
        } catch {
            return fail(.badJSON(error.reason), at: began + error.offset)
        }
        do throws(ControlError.Reason) {
            guard case .object(let object) = value else {
                throw .badResult(#"a result is an object as {"status": "pass"}, not \#(value.kind)"#)
            }
            let result = try ControlResult(object, byteCount: json.count, limits: limits)
            files = result.files ?? []
            guard files.count <= limits.filesMax - checkpoint.files else {
                throw .overLimit(.files, max: limits.filesMax)
            }
            var room = limits.fileBytesMax - checkpoint.fileBytes
            for file in files {
                guard file.byteCount <= room else { throw .overLimit(.fileBytes, max: limits.fileBytesMax) }
                room -= file.byteCount
            }
            self.result = result
            file = 0
            phase = .files
            return nil
        } catch {
            return fail(error, at: began)
        }
    }

    /// Begins the next file, or hands out the result when all have come.
    private mutating func nextFile() -> ControlEvent? {
        if file < files.count {
            fileBytes = 0
            phase = .data
            return .fileBegan(files[file])
        }
        beforeResult = checkpoint
        checkpoint.offset = offset
        checkpoint.results += 1
        checkpoint.files += files.count
        for file in files { checkpoint.fileBytes += file.byteCount }
        phase = .line
        files = []
        defer { result = nil }
        return result.map(ControlEvent.result)
    }

    // MARK: Bytes

    private mutating func take(_ count: Int, _ position: inout Int) {
        position += count
        offset += count
    }

    private mutating func hold(_ chunk: Span<UInt8>, _ range: Range<Int>) {
        chunk.extracting(range).withUnsafeBufferPointer { held.append(contentsOf: $0) }
    }

    private mutating func release() -> [UInt8] {
        defer { held = [] }
        return held
    }

    private mutating func fail(_ reason: ControlError.Reason, at offset: Int) -> ControlEvent {
        let error = ControlError(reason, offset: offset)
        self.error = error
        drop()
        return .error(error)
    }

    private mutating func drop() {
        phase = .over
        held = []
        files = []
        result = nil
    }
}
