import MusterTestControl

/// Writes streams as a test does.
enum Stream {
    static func result(_ json: String, _ data: String...) -> [UInt8] {
        var bytes = Array("result \(json.utf8.count)\n".utf8) + Array(json.utf8)
        for data in data { bytes += Array(data.utf8) }
        return bytes
    }

    static func line(_ line: String) -> [UInt8] { Array((line + "\n").utf8) }
}

/// All that came of a stream. Equal for equal streams, however they were cut.
struct Transcript: Equatable {
    var rows: [ResultRow] = []
    /// What was written, by path.
    var files: [String: [UInt8]] = [:]
    /// Everything but data and rows.
    var said: [ReportEvent] = []
    var error: ControlError?
    var ignored = 0
    var checkpoint = ControlCheckpoint()

    mutating func take(_ event: ReportEvent, _ chunk: [UInt8]) {
        switch event {
        case .fileBegan(let place):
            // Also what stays empty is made.
            files[place.path, default: []] = Array(files[place.path, default: []].prefix(place.offset))
        case .fileData(let place, let offset, let range):
            write(chunk[range], at: offset, of: place.path)
        case .row(let row): rows.append(row)
        case .exitCode, .duration, .disconnect, .reconnect, .noop, .partialLine: said.append(event)
        case .error(let error): self.error = error
        }
    }

    mutating func write(_ bytes: ArraySlice<UInt8>, at offset: Int, of path: String) {
        var file = files[path, default: []]
        file.replaceSubrange(min(offset, file.count)..., with: bytes)
        files[path] = file
    }

    mutating func read(_ chunk: [UInt8], by machine: inout ReportMachine) {
        var position = 0
        while let event = machine.next(in: chunk.span, from: &position) { take(event, chunk) }
    }

    mutating func end(_ machine: inout ReportMachine, _ ending: Ending) {
        while let event = machine.end() { take(event, []) }
        checkpoint = machine.checkpoint
        ignored = machine.ignored
        rows += machine.finish(with: ending)
    }

    /// Reads a stream in chunks that end at `cuts`.
    static func of(
        _ stream: [UInt8],
        cuts: [Int] = [],
        limits: ControlLimits = ControlLimits(),
        rules: ResultRules = ResultRules(),
        ending: Ending = .exited(code: 0)
    ) -> Transcript {
        var machine = ReportMachine(limits: limits, rules: rules)
        var transcript = Transcript()
        var start = 0
        for cut in cuts + [stream.count] {
            transcript.read(Array(stream[start..<cut]), by: &machine)
            start = cut
        }
        transcript.end(&machine, ending)
        return transcript
    }

    /// Cuts a stream into bytes, and in two at each place, and compares what comes of it.
    ///
    /// - Returns: the first cuts by which something else comes out.
    static func differingCuts(
        _ stream: [UInt8],
        limits: ControlLimits = ControlLimits(),
        ending: Ending = .exited(code: 0)
    ) -> [Int]? {
        let whole = of(stream, limits: limits, ending: ending)
        let cuts = [Array(0...stream.count)] + (0...stream.count).map { [$0] }
        return cuts.first { of(stream, cuts: $0, limits: limits, ending: ending) != whole }
    }
}

/// Events of a stream with data put together, as they do not depend on chunks.
struct Events: Equatable {
    var events: [ControlEvent] = []
    var data: [[UInt8]] = []

    init(_ stream: [UInt8], from checkpoint: ControlCheckpoint = ControlCheckpoint(), chunk: Int = .max) {
        var machine = ControlMachine(from: checkpoint)
        var start = checkpoint.offset
        while start < stream.count {
            let bytes = Array(stream[start..<min(stream.count, chunk == .max ? .max : start + chunk)])
            machine.read(bytes.span) { take($0, bytes) }
            start += bytes.count
        }
        while let event = machine.end() { take(event, []) }
    }

    private mutating func take(_ event: ControlEvent, _ bytes: [UInt8]) {
        switch event {
        case .fileBegan:
            events.append(event)
            data.append([])
        case .fileData(_, _, let range): data[data.count - 1] += bytes[range]
        case .result, .exitCode, .duration, .disconnect, .reconnect, .noop, .partialLine, .error: events.append(event)
        }
    }
}

/// Chance from a seed (SplitMix64), so that a failing case can be repeated.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
