import MusterSupervision
import Testing

@Suite struct WireTests {
    private static let spec = OperationSpec(
        operation: "s-1-2-3",
        program: .arguments(["a", "", "ü\n"]),
        environment: [.init("A", "1"), .init("B", "x=y")],
        secrets: [.init("S", "hidden")],
        directory: "/x",
        timeout: 5,
        grace: 7,
        keepsLeftovers: true,
        outputLimit: 9,
        isServer: true
    )

    private static let masking: OperationSpec = {
        var masking = spec
        masking.masked = ["hidden", "a\nb"]
        return masking
    }()

    private static let record: ExitRecord = {
        var record = ExitRecord(operation: "o", startedAt: -1, endedAt: .max)
        record.status = 3
        record.signal = nil
        record.notStarted = "why \"not\"\u{1}"
        record.outputDropped = 12
        record.leftovers = 4
        record.timedOut = true
        return record
    }()

    private static let requests: [SupervisorRequest.Body] = [
        .hello(version: 1), .start(spec, waits: true), .start(masking, waits: false),
        .start(OperationSpec(operation: "x", program: .shell("")), waits: false), .attach(operation: "o", waits: true),
        .end(operation: "o", grace: 0), .powerOff(grace: 1), .powerOn(operation: "o"), .watch, .shutdown(grace: 2),
    ]

    private static let replies: [SupervisorReply.Body] = [
        .facts(SupervisorFacts(identity: ProcessIdentity(pid: 7, startTime: 9), bootID: "b", address: "127.64.0.1")),
        .started(pid: 5), .ended(record), .lost(reason: "r"), .unknown, .done, .watching,
        .refused(.busy, message: "m"),
    ]

    @Test(arguments: requests) func requestsComeBackAsTheyWent(_ body: SupervisorRequest.Body) throws {
        let request = SupervisorRequest(number: 77, epoch: 1 << 40, body: body)
        #expect(try SupervisorRequest(payload: Array(request.frame.dropFirst(4))) == request)
    }

    @Test(arguments: replies) func repliesComeBackAsTheyWent(_ body: SupervisorReply.Body) throws {
        let reply = SupervisorReply(number: .max, body: body)
        #expect(try SupervisorReply(payload: Array(reply.frame.dropFirst(4))) == reply)
    }

    @Test(arguments: requests) func everyCutOrLengthenedRequestIsRefused(_ body: SupervisorRequest.Body) {
        let payload = Array(SupervisorRequest(number: 1, epoch: 1, body: body).frame.dropFirst(4))
        for length in 0..<payload.count {
            #expect(throws: WireError.self) { try SupervisorRequest(payload: Array(payload.prefix(length))) }
        }
        #expect(throws: WireError.self) { try SupervisorRequest(payload: payload + [0]) }
    }

    @Test func noBytesCrashTheReader() throws {
        var random = Sequence(state: 20_240_607)
        let valid = Self.requests.map { Array(SupervisorRequest(number: 1, epoch: 1, body: $0).frame.dropFirst(4)) }
        for _ in 0..<20_000 {
            var payload = valid.randomElement(using: &random)!
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                payload[Int.random(in: 0..<payload.count, using: &random)] = UInt8.random(
                    in: .min ... .max,
                    using: &random
                )
            }
            _ = try? SupervisorRequest(payload: payload)
            _ = try? SupervisorReply(payload: payload)
        }
    }

    @Test func extensionsThatAreNotKnownAreRefused() {
        var spec = Self.masking
        spec.extensions = [OperationSpec.Extension(tag: 9, bytes: [1])]
        let frame = SupervisorRequest(number: 1, epoch: 1, body: .start(spec, waits: false)).frame
        #expect(throws: WireError.self) { try SupervisorRequest(payload: Array(frame.dropFirst(4))) }
        #expect(!Self.masking.json(requestedAt: 1).contains("hidden"))
    }

    /// The same numbers every time.
    private struct Sequence: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }

    @Test func framesAreFoundHoweverTheyArrive() throws {
        let frames = Self.requests.map { SupervisorRequest(number: 3, epoch: 4, body: $0).frame }
        for size in [1, 2, 3, 7, 100, 10_000] {
            var buffer = FrameBuffer()
            var found: [[UInt8]] = []
            let stream = frames.flatMap { $0 }
            for start in stride(from: 0, to: stream.count, by: size) {
                buffer.append(stream[start..<min(start + size, stream.count)])
                while let payload = try buffer.next() { found.append(payload) }
            }
            #expect(found == frames.map { Array($0.dropFirst(4)) })
        }
    }

    @Test func aFrameOverTheLimitIsRefusedBeforeItArrives() {
        var buffer = FrameBuffer()
        buffer.append([1, 0, 128, 0])
        #expect(throws: WireError.self) { try buffer.next() }
    }

    @Test func operationsNameFoldersSafely() {
        for good in ["a", "s-1-2-3", "A_b.c-9"] { #expect(SupervisorFiles.isOperation(good)) }
        for bad in ["", ".", "..", ".a", "a/b", "a b", "ü", "a\u{0}", String(repeating: "a", count: 201)] {
            #expect(!SupervisorFiles.isOperation(bad), "\(bad)")
        }
    }

    @Test func addressesStayInTheirRange() throws {
        var seen = Set<String>()
        for operation in 0..<2000 {
            let address = NodeAddress.candidate(operation % 3, for: "s-\(operation)-0-1")
            let parts = address.split(separator: ".").compactMap { Int($0) }
            try #require(parts.count == 4)
            #expect(parts[0] == 127 && (64...127).contains(parts[1]) && (0...255).contains(parts[2]))
            #expect((1...254).contains(parts[3]))
            seen.insert(address)
        }
        #expect(seen.count > 1990, "they are spread")
        #expect(NodeAddress.candidate(0, for: "x") == NodeAddress.candidate(0, for: "x"))
        #expect(NodeAddress.candidate(0, for: "x") != NodeAddress.candidate(1, for: "x"))
    }

    @Test func processesWithOddNamesAreRead() throws {
        let rest = "S 12 34 56 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 3 0 98765 1000 10"
        for name in ["sh", "a b", "(", ")", ") R 1 1 1", "((x) y)", ""] {
            let entry = try #require(ProcessEntry(stat: Array("4711 (\(name)) \(rest)\n".utf8)))
            #expect(entry.identity == ProcessIdentity(pid: 4711, startTime: 98765))
            #expect(entry.parent == 12 && entry.session == 56 && !entry.isDead)
        }
        for bad in ["", "4711", "4711 (sh", "4711 (sh) S", "x (sh) \(rest)", "4711 )sh( \(rest)"] {
            #expect(ProcessEntry(stat: Array(bad.utf8)) == nil, "\(bad)")
        }
    }

    @Test func textsAreQuotedForJSON() {
        #expect(JSONText.quoted("a\"b\\c\n\r\t\u{0}\u{1F}\u{7F}ü") == #""a\"b\\c\n\r\t\u0000\u001f\u007fü""#)
    }
}
