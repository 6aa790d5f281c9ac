/// Calls that have no place in some part of the repository, and why.
struct Ban: Sendable {
    enum Area: Sendable {
        /// Every Swift file.
        case everywhere
        /// What is shipped: Sources and Benchmarks.
        case sources
        /// Everything below the programs: no command line, no terminal.
        case libraries
        case tests

        func contains(_ path: String) -> Bool {
            switch self {
            case .everywhere: true
            case .sources: !path.hasPrefix("Tests/")
            case .libraries:
                path.hasPrefix("Sources/")
                    && !["MusterCLI/", "muster/", "muster-supervise/"].contains { path.hasPrefix("Sources/" + $0) }
            case .tests: path.hasPrefix("Tests/") || path.hasPrefix("Sources/MusterTestKit/")
            }
        }
    }

    /// A word, with what must follow it: `print(`. One that begins with a point is a member of anything.
    let calls: [String]
    let area: Area
    let reason: String
    /// Text that makes the line right.
    var unless: String?
    /// Whether a comment on the line or above it, which says why, makes it right.
    var mayBeExplained = false

    static let all: [Ban] = [
        Ban(
            calls: [
                "Date()", "Date.now", "Date(timeIntervalSinceNow", "ContinuousClock", "SuspendingClock",
                "clock_gettime(",
                "gettimeofday(", "DispatchTime.now", "UUID(", "CFAbsoluteTimeGetCurrent(",
            ],
            area: .libraries,
            reason: "time and identity are arguments: take a Timestamp, a TimeSource or a name"
        ),
        Ban(
            calls: [".random(", ".randomElement(", ".shuffled(", ".shuffle("],
            area: .everywhere,
            reason: "chance is an argument: pass a seeded generator with `using:`",
            unless: "using:"
        ),
        Ban(
            calls: ["SystemRandomNumberGenerator(", "arc4random"],
            area: .everywhere,
            reason: "chance is an argument: the shell makes one seed, tests print theirs"
        ),
        Ban(
            calls: [
                "print(", "debugPrint(", "dump(", "putchar(", "puts(", "FileHandle.standardOutput",
                "FileHandle.standardError", "FileHandle.standardInput", "readLine(",
            ],
            area: .libraries,
            reason: "the library knows no terminal: return values, or log"
        ),
        Ban(
            calls: ["exit(", "_exit(", "abort(", "signal(", "sigaction("],
            area: .libraries,
            reason: "only programs end a process or take its signals: throw, or return"
        ),
        Ban(
            calls: ["getenv(", "setenv(", "ProcessInfo", "CommandLine.arguments", "NSHomeDirectory("],
            area: .libraries,
            reason: "the environment is read in MusterCLI and passed down"
        ),
        Ban(
            calls: ["Process(", "Process.run(", "NSTask"],
            area: .everywhere,
            reason: "Foundation's Process costs 26 ms and more: swift-subprocess or posix_spawn"
        ),
        Ban(
            calls: ["Task.sleep(", "Thread.sleep(", "sleep(", "usleep(", "nanosleep("],
            area: .everywhere,
            reason: "nothing polls where an event can wake: await a signal, or move a clock by hand"
        ),
        Ban(
            calls: ["fatalError(", "preconditionFailure("],
            area: .sources,
            reason: "what is impossible is a `precondition` that shows the state; everything else throws"
        ),
        Ban(calls: ["try!", "as!"], area: .everywhere, reason: "throw, or say in a `precondition` why it cannot be"),
        Ban(
            calls: ["@unchecked Sendable", "nonisolated(unsafe)", "unsafeBitCast(", "Unmanaged"],
            area: .everywhere,
            reason: "the compiler cannot see why this is safe: say it in a comment on the line or above it",
            mayBeExplained: true
        ),
        Ban(
            calls: ["Task {", "Task(", "Task.detached", "Thread(", "Thread.detachNewThread"],
            area: .sources,
            reason: "everything runs in one task group: say in a comment on the line or above it who awaits this",
            mayBeExplained: true
        ),
        Ban(
            calls: ["ISO8601DateFormatter(", "DateFormatter("],
            area: .everywhere,
            reason: "half a millisecond each: integer microseconds, formatted by arithmetic at the edge"
        ),
        Ban(
            calls: ["DispatchQueue.main", "RunLoop", "dispatchMain("],
            area: .everywhere,
            reason: "no main queue turns in these programs"
        ),
        Ban(calls: ["BEGIN DEFERRED"], area: .sources, reason: "a deferred transaction that writes gets SQLITE_BUSY"),
    ]

    /// Where a ban does not hold, with the reason. A line that is no longer needed fails a test.
    static let allowances: [Allowance] = [
        Allowance(
            "Sources/MusterEngine/TimeSource.swift",
            ["clock_gettime(", "Task.sleep("],
            "it is where time comes from"
        ),
        Allowance(
            "Sources/MusterEngine/CrashPoint.swift",
            ["ProcessInfo"],
            "in debug builds only, a crash point must be known before anything can pass it down"
        ),
    ]

    struct Allowance: Sendable {
        let path: String
        let calls: [String]
        let reason: String
        init(_ path: String, _ calls: [String], _ reason: String) {
            self.path = path
            self.calls = calls
            self.reason = reason
        }
    }

    static func findings(in file: SwiftFile, allowances: [Allowance] = Ban.allowances) -> [Finding] {
        let allowed = Set(allowances.filter { $0.path == file.path }.flatMap(\.calls))
        return uses(in: file).filter { !allowed.contains($0.call) }
            .map { Finding(file.path, $0.line, "\($0.call) — \($0.ban.reason)") }
    }

    /// Every use of a banned call in its area, allowed or not.
    static func uses(in file: SwiftFile) -> [(call: String, line: Int, ban: Ban)] {
        var uses: [(call: String, line: Int, ban: Ban)] = []
        for ban in all where ban.area.contains(file.path) {
            for (index, code) in file.code.enumerated() {
                if let unless = ban.unless, code.contains(unless) { continue }
                for call in ban.calls where occurs(call, in: code) {
                    if ban.mayBeExplained, file.isExplained(at: index) { continue }
                    uses.append((call, index + 1, ban))
                }
            }
        }
        return uses
    }

    /// Whether a line of code has the call: as a whole word, and not as a member of something or as its declaration.
    static func occurs(_ call: String, in code: String) -> Bool {
        let isWord: (Character) -> Bool = { $0.isLetter || $0.isNumber || $0 == "_" }
        var rest = code[...]
        while let range = rest.firstRange(of: call) {
            rest = rest[range.upperBound...]
            if let last = call.last, isWord(last), let next = rest.first, isWord(next) { continue }
            guard let first = call.first, isWord(first) else { return true }
            let before = code[..<range.lowerBound]
            guard let previous = before.last else { return true }
            if isWord(previous) { continue }
            if previous == "." {
                let owner = before.dropLast().reversed().prefix(while: isWord).reversed()
                if !["Darwin", "Foundation", "Glibc", "Musl", "Swift"].contains(String(owner)) { continue }
            }
            if before.hasSuffix("func ") || before.hasSuffix("case ") || before.hasSuffix("`") { continue }
            return true
        }
        return false
    }
}
