/// What the end of an attempt says by itself.
struct EndingVerdict: Hashable, Sendable {
    let outcome: ResultOutcome
    let note: String?
    /// Whether it counts whatever the test reported.
    let isFinal: Bool
    /// Whether there is output of the test.
    let hasOutput: Bool

    init(_ ending: Ending, rules: ResultRules) {
        isFinal = !ending.isOrderly
        switch ending {
        case .exited(let code):
            outcome = code == 0 ? .pass : code == rules.skipCode ? .skip : .fail
            note = code == 0 ? nil : "exit \(code)"
            hasOutput = true
        case .signalled(let signal):
            outcome = .fail
            note = "ended by signal \(signal)"
            hasOutput = true
        case .timedOut(let duration):
            outcome = .fail
            note = duration.map { "timed out after \(Self.text($0))" } ?? "timed out"
            hasOutput = true
        case .cancelled:
            outcome = .skip
            note = "cancelled while it ran"
            hasOutput = true
        case .controlError(let error):
            outcome = .error
            note = "its test-control stream is broken at \(error)"
            hasOutput = true
        case .nodeLost(let sentence):
            outcome = .infra
            note = sentence
            hasOutput = true
        case .noExitCode:
            outcome = .infra
            note = "it is not known how the test ended: no exit code was reported"
            hasOutput = true
        case .setupFailed(let sentence):
            outcome = .error
            note = sentence
            hasOutput = false
        }
    }

    /// A length in microseconds as people write it: `1.5s`, `5m`, `1h30m`.
    private static func text(_ duration: Int64) -> String {
        guard duration >= 60_000_000 else {
            let tenths = max(duration, 0) / 100_000
            return tenths % 10 == 0 ? "\(tenths / 10)s" : "\(tenths / 10).\(tenths % 10)s"
        }
        var rest = duration / 1_000_000
        var text = ""
        for (unit, size) in [("d", Int64(86_400)), ("h", 3600), ("m", 60), ("s", 1)] where rest >= size {
            text += "\(rest / size)\(unit)"
            rest %= size
        }
        return text
    }
}
