/// Calls that have no place in some part of the repository, and why.
struct Ban: Sendable {
    enum Area: Sendable {
        /// Every Swift file.
        case everywhere
        case sources
        /// Everything below the programs: no command line, no terminal.
        case libraries
        case tests
        case librariesAndTests

        func contains(_ path: String) -> Bool {
            switch self {
            case .everywhere: true
            case .sources: path.hasPrefix("Sources/")
            case .libraries:
                path.hasPrefix("Sources/")
                    && !["MusterCLI/", "muster/", "muster-supervise/"].contains { path.hasPrefix("Sources/" + $0) }
            case .tests: path.hasPrefix("Tests/")
            case .librariesAndTests: Area.libraries.contains(path) || Area.tests.contains(path)
            }
        }
    }

    /// A word, with what must follow it: `print(`. One that begins with a point is a member of anything.
    let calls: [String]
    let area: Area
    let reason: String
    /// Text that makes the line right.
    var unless: String?
    /// Whether a comment that says why makes it right: on the line, or at most three lines above.
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
            area: .librariesAndTests,
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
            calls: ["Task.sleep("],
            area: .librariesAndTests,
            reason: "libraries get their time from a TimeSource; tests await a signal, or move a clock by hand"
        ),
        Ban(
            calls: ["Thread.sleep(", "sleep(", "usleep(", "nanosleep("],
            area: .everywhere,
            reason: "nothing polls where an event can wake, and no thread is blocked to wait"
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
            reason: "the compiler cannot see why this is safe: say it in a comment just above",
            mayBeExplained: true
        ),
        Ban(
            calls: ["Task {", "Task(", "Task.detached", "Thread(", "Thread.detachNewThread"],
            area: .sources,
            reason: "everything runs in one task group: say in a comment just above who awaits this",
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
    ]

    /// Where a ban does not hold, with the reason. A line that is no longer needed fails a test.
    static let allowances: [Allowance] = [
        Allowance(
            "Sources/MusterEngine/TimeSource.swift",
            ["clock_gettime(", "Task.sleep("],
            "it is where time comes from"
        ),
        Allowance(
            "Sources/MusterStore/StoreClock.swift",
            ["clock_gettime("],
            "a store's own clock, by which leases of all its conductors end, as a server has one"
        ),
        Allowance(
            "Sources/MusterEngine/CrashPoint.swift",
            ["ProcessInfo"],
            "in debug builds only, a crash point must be known before anything can pass it down"
        ),
        Allowance(
            "Sources/MusterPlans/Program/Surroundings.swift",
            ["ProcessInfo", ".random("],
            "above a program that embeds the engine there is no command line that passes these down"
        ),
        Allowance(
            "Sources/MusterTestKit/TestProgram.swift",
            ["getenv("],
            "which programs a machine has for tests, and whether any may be missing, is asked in the tests' own process"
        ),
        Allowance("Sources/MusterStore/SQLite/StateFile.swift", [".random("], "the state's own name, drawn once"),
        Allowance(
            "Tests/EndToEndTests/Support/Program.swift",
            ["Task.sleep(", ".random("],
            "a program is ended after a time from outside, and folders of tests have names of their own"
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
        let text = file.code.joined(separator: "\n")
        for ban in all where ban.area.contains(file.path) {
            for call in ban.calls where text.contains(call) {
                for (index, code) in file.code.enumerated() where occurs(call, in: code) {
                    if let unless = ban.unless, code.contains(unless) { continue }
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
