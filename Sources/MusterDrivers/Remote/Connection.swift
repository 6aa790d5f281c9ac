/// The way to one machine: runs programs for its `sh` there.
///
/// What such a program needs, secrets too, goes to it as text over its standard input; the list of arguments on the
/// machine, which others may read, is the same for all. Implementations pass the tests of `ConnectionTests`.
package protocol Connection: Sendable {
    /// What it leads to, for people: `ssh://db-1`.
    var title: String { get }

    /// Runs a program to its end. When the task is cancelled, the connection to it is cut and it may go on.
    ///
    /// - Throws: only when it cannot be told how the program ended; its own end, whatever it is, comes back.
    func run(_ request: RemoteRequest) async throws(ConnectionFailure) -> RemoteEnd

    /// Ends what it keeps open.
    func close() async
}

/// A program for a machine.
package struct RemoteRequest: Sendable {
    /// Functions that the program calls. A connection that keeps shells open gives them to each of those once; then the
    /// program ends by `m_over` of `ShellText.library`, and reads nothing. Without any it is run in a shell of its own.
    package var functions = ""
    /// Text for `sh`, which finds it in the variable `m_prog` as well, after the functions in a shell of its own. It
    /// exits with 255 for nothing.
    package var program: String
    /// What its standard input gives it, one after the other.
    package var input: [RemoteInput]
    /// Whether its standard input stays open until it ends, so that it sees when the connection breaks.
    package var holdsInput: Bool
    /// How much of its standard output is kept; what is beyond is counted.
    package var outputLimit: Int
    /// How long it may take; nil for ever.
    package var within: Duration?
    /// Takes standard output as it comes, instead of its being kept. False ends the program.
    package var onOutput: (@Sendable ([UInt8]) -> Bool)?

    package init(
        functions: String = "",
        program: String,
        input: [RemoteInput] = [],
        holdsInput: Bool = false,
        outputLimit: Int = 1 << 20,
        within: Duration? = nil,
        onOutput: (@Sendable ([UInt8]) -> Bool)? = nil
    ) {
        self.functions = functions
        self.program = program
        self.input = input
        self.holdsInput = holdsInput
        self.outputLimit = outputLimit
        self.within = within
        self.onOutput = onOutput
    }

    /// All of it, for a shell of its own.
    var wholeProgram: String { functions + program }
}

/// A part of what a program reads.
package enum RemoteInput: Hashable, Sendable {
    case bytes([UInt8])
    /// So many bytes of a file on this host.
    case file(path: String, size: Int)
    /// Whatever that gives, until it gives nothing more.
    case source(RemoteSource)
}

/// What is made while it is read, by one reader.
package final class RemoteSource: Hashable, Sendable {
    /// The next bytes; nil when there are no more. It may block.
    let next: @Sendable () -> [UInt8]?

    package init(_ next: @escaping @Sendable () -> [UInt8]?) { self.next = next }

    package static func == (a: RemoteSource, b: RemoteSource) -> Bool { a === b }
    package func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

/// How a program on a machine ended.
package struct RemoteEnd: Hashable, Sendable {
    /// nil when a signal ended it.
    package var status: Int?
    package var output: [UInt8]
    package var outputDropped: Int
    /// What it said on standard error, at most 64 KiB.
    package var error: String

    package var succeeded: Bool { status == 0 }
}

/// Why it is not known how a program ended, or why it was not begun.
package enum ConnectionFailure: Error, Hashable, Sendable {
    /// There is no way to the machine now; later there may be.
    case unreachable(String)
    /// The machine, or the key it showed, was not accepted, or did not accept us. Only a person can change that.
    case refused(String)
    /// The connection broke while the program ran; the program may go on.
    case broken(String)
    /// It did not end in time, and the connection to it was cut.
    case silent(String)
    /// This host has no processes or descriptors left.
    case exhausted(String)
    /// Nobody waits for it any more.
    case cancelled
}

extension Connection {
    /// Runs a program with its arguments to its end.
    package func run(
        _ arguments: [String],
        input: [UInt8] = [],
        outputLimit: Int = 1 << 20,
        within: Duration? = nil
    ) async throws(ConnectionFailure) -> RemoteEnd {
        let program = """
            \(arguments.map(ShellText.quoted).joined(separator: " "))
            m_status=$?
            [ $m_status -ne 255 ] || printf '\(ShellText.status255)\\n' >&2
            exit $m_status
            """
        var end = try await run(
            RemoteRequest(program: program, input: [.bytes(input)], outputLimit: outputLimit, within: within)
        )
        if end.error.hasSuffix(ShellText.status255 + "\n") { end.error.removeLast(ShellText.status255.count + 1) }
        return end
    }
}

/// Text for the `sh` of a machine.
package enum ShellText {
    /// What a program says last on standard error when its status is 255, which ssh has for its own failures.
    static let status255 = "muster: the status is 255"

    /// One word of a shell, whatever it contains.
    package static func quoted(_ text: String) -> String {
        "'" + text.replacing("'", with: #"'\''"#) + "'"
    }

    /// A program as it is sent: its end can be told, so that no part of one is ever run.
    static func sent(_ program: String) -> [UInt8] { Array((program + "\n#:end").utf8) }

    /// What `sh -c` is given on the machine: it takes so many bytes for its program, and leaves the rest to that one.
    /// Without quotes of one kind, and without backslashes, so that any login shell passes it on.
    static func boot(_ count: Int) -> String {
        "LC_ALL=C; export LC_ALL; m_prog=$(head -c \(count)); case $m_prog in *:end) eval \"$m_prog\";; esac"
    }
}
