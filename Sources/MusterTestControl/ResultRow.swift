/// What a result counts as: Muster's outcomes.
package enum ResultOutcome: String, Hashable, Sendable, CaseIterable {
    case pass, fail, info, warn, skip, error, infra
}

/// One result of an attempt as it is kept.
package struct ResultRow: Hashable, Sendable {
    /// What the row is of.
    package enum Kind: Hashable, Sendable {
        /// Of a part of the test, which has a name.
        case subtest
        /// Of the test itself, reported before a later one that counts instead.
        case superseded
        /// What the attempt came to. Exactly one for each attempt, and the last.
        case final
    }

    /// What the row is of; `name` is nil for all but `.subtest`.
    package let kind: Kind
    /// The subtest as the test named it; nil for the test itself.
    package let name: String?
    /// The status that the test reported, whatever it is; nil when it reported none.
    package let reported: String?
    /// What it counts as.
    package let outcome: ResultOutcome
    /// What the runner says about it, then what the test says.
    package let note: String?
    /// The test's output first, then by name.
    package let files: [ResultFile]
    /// The test's own keys, in the order in which they came first.
    package let custom: JSONObject

    /// A row; what is not said is not there.
    package init(
        kind: Kind,
        name: String? = nil,
        reported: String? = nil,
        outcome: ResultOutcome,
        note: String? = nil,
        files: [ResultFile] = [],
        custom: JSONObject = JSONObject()
    ) {
        self.kind = kind
        self.name = name
        self.reported = reported
        self.outcome = outcome
        self.note = note
        self.files = files
        self.custom = custom
    }

    /// What is shown as its status: the reported one, or the outcome.
    package var status: String { reported ?? outcome.rawValue }
}

/// A file of a result.
package struct ResultFile: Hashable, Sendable {
    /// Relative to the subtest.
    package let name: String
    /// Relative to the attempt's folder of files, and always below it.
    package let path: String
    /// The test's output has this name, too: a link, no data of the stream.
    package let isOutput: Bool

    /// - Parameter path: nil for a file of the test itself, whose path is its name.
    package init(_ name: String, path: String? = nil, isOutput: Bool = false) {
        self.name = name
        self.path = path ?? name
        self.isOutput = isOutput
    }
}

/// Where data of the stream belong.
package struct FilePlace: Hashable, Sendable {
    /// Relative to the attempt's folder of files, and always below it.
    package let path: String
    /// What the file has already from earlier entries: these data follow it. To write at this offset again after a
    /// crash gives the same file.
    package let offset: Int
    /// Bytes that follow.
    package let byteCount: Int
}

/// How an attempt ended, as its runner knows.
package enum Ending: Hashable, Sendable {
    case exited(code: Int)
    case signalled(Int)
    /// It ran longer than its duration, in microseconds where that is known, and was ended.
    case timedOut(after: Int64?)
    /// It was ended on request.
    case cancelled
    /// Its stream was given up.
    case controlError(ControlError)
    /// The machine, its supervisor or the connection: a sentence.
    case nodeLost(String)
    /// It ended, and nobody knows how.
    case noExitCode
    /// It never began: a sentence.
    case setupFailed(String)

    /// Whether the test came to its own end, so that what it reported for itself counts.
    package var isOrderly: Bool {
        switch self {
        case .exited: true
        case .signalled, .timedOut, .cancelled, .controlError, .nodeLost, .noExitCode, .setupFailed: false
        }
    }
}

/// What a runner decides about results.
package struct ResultRules: Hashable, Sendable {
    /// The name that the test's output gets where the test gives none.
    package var outputName: String
    /// The exit code that says that the test was skipped, when it reports nothing. ATEX has none.
    package var skipCode: Int?
    /// Most bytes of partial results that are kept in memory, each counted with `openCost` besides its JSON.
    package var openBytesMax: Int
    /// Most bytes of paths of files and folders that are kept in memory, each counted with `pathCost`.
    package var pathBytesMax: Int

    /// What keeping a partial result costs besides its JSON.
    package static let openCost = 256
    /// What keeping a path costs besides its text.
    package static let pathCost = 64

    /// The rules of Muster's own tests, unless said otherwise.
    package init(
        outputName: String = "output.txt",
        skipCode: Int? = 77,
        openBytesMax: Int = 8 << 20,
        pathBytesMax: Int = 64 << 20
    ) {
        self.outputName = outputName
        self.skipCode = skipCode
        self.openBytesMax = openBytesMax
        self.pathBytesMax = pathBytesMax
    }
}
