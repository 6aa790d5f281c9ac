/// Why a step did not succeed: a code to decide by, and a sentence to read.
package struct StepError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    package enum Code: String, Hashable, Sendable, Codable, CaseIterable {
        /// A command ended with another status than 0.
        case exited
        /// A command was ended by a signal that Muster did not send.
        case signalled
        /// A deadline passed.
        case timedOut = "timed-out"
        /// A program could not be started: not there, not executable, no interpreter.
        case notStarted = "not-started"
        /// The node, its supervisor or the connection was lost.
        case lost
        /// A readiness condition did not come to hold.
        case notReady = "not-ready"
        /// A value could not be put into a command: an unknown node or field.
        case unresolved
        /// A secret that a command wants is not there. The run waits for a person who sets it.
        case missingSecret = "missing-secret"
        /// Whether it was done cannot be told, and doing it twice may harm. The run waits for a person.
        case unknown
        /// The host refused something: no space, no permission.
        case refused
        /// Muster ended it because somebody asked.
        case cancelled
        /// A file of the lab cannot be read or written.
        case file
        /// An action of a program threw an error.
        case thrown
        /// The program that performs has no action of this name. The plan waits for one that has.
        case noAction = "no-action"
        /// An input or output cannot be read, written, or is too large.
        case badValue = "bad-value"
        /// Sub-plans have failed.
        case children
    }

    package var code: Code
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}

/// How a process ended.
package struct ProcessExit: Hashable, Sendable, Codable {
    /// The exit status, or nil when a signal ended it.
    package var status: Int?
    package var signal: Int?
    package var timedOut: Bool
    /// Muster itself ended it, on request.
    package var interrupted: Bool
    /// The program could not be started; the text says why.
    package var notStarted: String?
    package var startedAt: Timestamp
    package var endedAt: Timestamp
    /// Bytes of output that were beyond the limit and are not kept.
    package var outputDropped: Int64
    /// Processes it left behind, which were ended.
    package var leftovers: Int
    /// Of an attempt of a test: what the test has said of itself.
    package var findings: TestFindings?

    package init(
        status: Int? = nil,
        signal: Int? = nil,
        timedOut: Bool = false,
        interrupted: Bool = false,
        notStarted: String? = nil,
        startedAt: Timestamp,
        endedAt: Timestamp,
        outputDropped: Int64 = 0,
        leftovers: Int = 0
    ) {
        self.status = status
        self.signal = signal
        self.timedOut = timedOut
        self.interrupted = interrupted
        self.notStarted = notStarted
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.outputDropped = outputDropped
        self.leftovers = leftovers
    }

    package var succeeded: Bool { status == 0 && !timedOut && notStarted == nil }

    /// The error of a step whose command ended like this; nil when it succeeded.
    package var error: StepError? {
        if let notStarted { return StepError(.notStarted, notStarted) }
        if timedOut { return StepError(.timedOut, "timed out") }
        if interrupted { return StepError(.cancelled, "ended on request") }
        if let signal { return StepError(.signalled, "ended by signal \(signal)") }
        if let status, status != 0 { return StepError(.exited, "exit \(status)") }
        return nil
    }
}

extension StepError {
    /// Why a setup was ended, or not begun, when all tests had ended. That is no failure, and nothing was passed over.
    package static let unneeded = StepError(.notReady, "no test needs it any more")
}
