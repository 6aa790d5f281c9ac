import MusterCore
import MusterSupervision

/// Where a node is: a machine, and its folder there.
package struct RemotePlace: Sendable {
    package var connection: any Connection
    /// The folder of all nodes of this user on the machine; `~/` at its beginning is the user's home.
    package var root: String
    /// The node's own folder in it, one name.
    package var folder: String
    /// What its commands find in `MUSTER_ADDRESS`.
    package var address: String
    /// The lease under which the machine is used; nil where it is the node's alone.
    package var lease: Lease?

    /// A machine is used by one state at a time, by a lease that stands on the machine.
    package struct Lease: Hashable, Sendable {
        /// Whose it is, in one word: the state and the node.
        package var token: String
        /// For people who find it: one line.
        package var holder: String
        /// When it ends unless it is renewed. It is renewed by whatever asks for something, and while somebody watches.
        package var length: Duration

        package init(token: String, holder: String, length: Duration) {
            self.token = token
            self.holder = holder
            self.length = length
        }
    }

    package init(connection: any Connection, root: String, folder: String, address: String, lease: Lease?) {
        self.connection = connection
        self.root = root
        self.folder = folder
        self.address = address
        self.lease = lease
    }
}

/// A function of `ShellText`, with what it is told.
struct ShellCall: Sendable {
    enum Function: String, Sendable {
        case start = "m_start"
        case status = "m_status"
        case attach = "m_attach"
        case running = "m_running"
        case end = "m_end"
        case create = "m_create"
        case destroy = "m_destroy"
        case watch = "m_watch"
        case powerOff = "m_power_off"
        case powerOn = "m_power_on"
        case facts = "m_facts"
        case clean = "m_clean"
        case probe = "m_probe"
        case fetch = "m_fetch"
        case survey = "m_survey"
        /// Each of `words` is a call of its own.
        case put = "m_putting"
    }

    var function: Function
    var operation: OperationID?
    var command: Command?
    var isServer = false
    var waits = false
    var grace = Duration.zero
    var offset = 0
    /// Of an operation: what is fetched.
    var file = SupervisorFiles.output
    /// Arguments of the function.
    var words: [[String]] = []
    var input: [RemoteInput] = []
    var within: Duration? = .seconds(60)

    init(_ function: Function, operation: OperationID? = nil) {
        self.function = function
        self.operation = operation
    }

    /// Whether it changes what is on the machine; to ask and to wait is harmless at any time.
    var acts: Bool {
        switch function {
        case .start, .end, .create, .destroy, .powerOff, .powerOn, .clean, .put: true
        case .status, .attach, .running, .watch, .facts, .probe, .fetch, .survey: false
        }
    }

    /// Output up to this length comes with the answer.
    static let inlineLimit = 256 << 10

    /// Whether a shell that is kept open may serve it: it is short or waits for an operation, reads nothing and answers
    /// with a reply.
    var isForKeptShell: Bool {
        switch function {
        case .start, .status, .attach, .running, .end, .facts, .probe: input.isEmpty
        case .create, .destroy, .watch, .powerOff, .powerOn, .clean, .fetch, .survey, .put: false
        }
    }

    /// The whole text for the machine.
    func program(at place: RemotePlace, epoch: Epoch) -> String { ShellText.library + text(at: place, epoch: epoch) }

    /// What follows on the functions of `ShellText.library`.
    func text(at place: RemotePlace, epoch: Epoch) -> String {
        let quoted = ShellText.quoted
        var values: [(String, String)] = [
            ("root", place.root), ("name", place.folder), ("address", place.address), ("epoch", "\(epoch)"),
            ("token", place.lease?.token ?? ""), ("holder", place.lease?.holder ?? ""),
            ("ttl", "\(max(1, (place.lease?.length ?? .zero).microseconds / 1_000_000))"),
            ("op", operation?.description ?? ""), ("grace", Self.seconds(command?.grace ?? grace)),
            ("timeout", command?.timeout.map(Self.seconds) ?? ""), ("offset", "\(offset)"),
            ("keeps", command?.leftovers == .keep ? "yes" : "no"), ("server", isServer ? "yes" : "no"),
            ("limit", "\(max(1, command?.outputLimit ?? 1))"), ("waits", waits ? "yes" : "no"),
            ("inline", "\(Self.inlineLimit)"), ("file", file),
            ("control", command?.controlLimit.map(String.init) ?? ""),
        ]
        values.sort { $0.0 < $1.0 }
        var text = ""
        for (name, value) in values { text += "m_\(name)=\(quoted(value))\n" }
        if let command {
            text += "m_environment() {\n:\n"
            for (name, value) in (command.environment.merging(command.secrets) { $1 }).sorted(by: { $0.key < $1.key }) {
                text += "export \(name)=\(quoted(value))\n"
            }
            let words: [String] =
                switch command.program {
                case .shell(let text): ["/bin/sh", "-c", text]
                case .arguments(let arguments): arguments
                }
            text += "}\nm_command() { m_environment; \"$1\" \(words.map(quoted).joined(separator: " ")); }\n"
        }
        if function == .put {
            text += "\(function.rawValue)\n"
            for words in words { text += "m_put \(words.map(quoted).joined(separator: " "))\n" }
            return text + "m_reply \"done\"\n"
        }
        if let words = words.first {
            return text + "\(function.rawValue) \(words.map(quoted).joined(separator: " "))\n"
        }
        return text + "${m_call:-\(function.rawValue)}\n"
    }

    /// Seconds as `sleep` takes them: whole ones without a fraction, which POSIX knows alone.
    private static func seconds(_ length: Duration) -> String {
        let microseconds = length.clamped
        let (whole, rest) = (microseconds / 1_000_000, microseconds % 1_000_000)
        return rest == 0 ? "\(whole)" : "\(whole)." + String("\(1_000_000 + rest)".dropFirst())
    }
}

extension ShellText {
    /// All functions, without their comments. They go with every request, or once to a shell that is kept open, so
    /// that no machine has old ones.
    package static let library =
        [basics, operations, control, nodes].joined(separator: "\n").split(separator: "\n")
        .filter { !$0.drop { $0 == " " }.hasPrefix("#") }.joined(separator: "\n") + "\n"
}

extension Command {
    /// Why a `sh` cannot start it; nil when it can.
    var shellProblem: String? {
        for name in (Array(environment.keys) + secrets.keys).sorted() {
            let isName = name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
            let startsWithDigit = name.utf8.first.map { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ?? true
            if !isName || startsWithDigit {
                return "'\(name)' is no variable that sh can set: name it with letters, digits and _"
            }
            if name.hasPrefix("m_") {
                return "variables that begin with 'm_' are taken on such nodes: rename '\(name)'"
            }
        }
        return nil
    }
}
