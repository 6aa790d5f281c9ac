import MusterCore

/// A plan that cannot be made: which input or action, why, and what to do.
public struct PlanningError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The whole message.
    public let description: String
    /// An error of an action's own planning.
    public init(_ description: String) { self.description = description }
}

/// An error that no retry helps against: thrown by an action, its step fails at once.
public struct PermanentError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The whole message.
    public let description: String
    /// An error with a message for people.
    public init(_ description: String) { self.description = description }
}

/// An input or output that cannot be read, written, or is too large. No retry helps.
struct BadValueError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Why a plan has no result, or why something that was asked of it was not done.
public struct PlanError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What it was, for programs to decide by; there may be more in later versions.
    public struct Code: RawRepresentable, Hashable, Sendable {
        /// A stable word.
        public let rawValue: String
        /// The code of a word.
        public init(rawValue: String) { self.rawValue = rawValue }
        /// The plan has ended in error; the message is that of its first failed step.
        public static let failed = Code(rawValue: "failed")
        /// The plan was cancelled or halted.
        public static let cancelled = Code(rawValue: "cancelled")
        /// The plan is not in the state any more: somebody has removed it.
        public static let deleted = Code(rawValue: "deleted")
        /// What was asked for does not fit the state the plan is in.
        public static let refused = Code(rawValue: "refused")
        /// The plan has ended, and its output is not there: the step that makes it was skipped.
        public static let noResult = Code(rawValue: "no-result")
        /// The state cannot be used: another's, broken, full.
        public static let state = Code(rawValue: "state")
    }

    /// What it was.
    public let code: Code
    /// What happened, which plan, and what to do.
    public let description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}

extension StepError {
    /// So much of a thrown error's words is kept.
    private static let wordsMax = 4096

    /// What a thrown error means for its step, and whether no retry can help.
    static func of(_ error: any Error) -> (error: StepError, isFinal: Bool) {
        switch error {
        case let error as StepError: (error, false)
        case is CancellationError: (StepError(.cancelled, "cancelled"), true)
        case let error as BadValueError: (StepError(.badValue, error.description), true)
        case let error as PlanningError: (StepError(.badValue, error.description), true)
        case let error as PermanentError: (StepError(.thrown, String(error.description.prefix(wordsMax))), true)
        default: (StepError(.thrown, String(String(describing: error).prefix(wordsMax))), false)
        }
    }
}
