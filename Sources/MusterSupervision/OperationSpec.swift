/// What a supervisor is asked to run. Lengths of time are in microseconds.
package struct OperationSpec: Hashable, Sendable {
    package enum Program: Hashable, Sendable {
        /// `/bin/sh -c <text>`.
        case shell(String)
        /// The first is a path, or is looked up in the `PATH` of the operation's environment.
        case arguments([String])
    }

    package struct Variable: Hashable, Sendable {
        package var name: String
        package var value: String
        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// Room for what later versions need. An unknown tag is refused.
    package struct Extension: Hashable, Sendable {
        package var tag: UInt16
        package var bytes: [UInt8]
        package init(tag: UInt16, bytes: [UInt8]) {
            self.tag = tag
            self.bytes = bytes
        }
    }

    package var operation: String
    package var program: Program
    package var environment: [Variable]
    /// Variables whose values are written nowhere.
    package var secrets: [Variable]
    /// What is masked in the output besides the values of `secrets`; written nowhere either. It goes as an extension.
    package var masked: [String] = []
    /// Empty for the node's folder.
    package var directory: String
    package var timeout: Int64?
    /// Between TERM and KILL.
    package var grace: Int64
    /// Whether processes that are left when the program has ended live on with the node.
    package var keepsLeftovers: Bool
    /// Bytes of output kept at the beginning, and as many at the end.
    package var outputLimit: Int64
    /// Whether this is the node's server: its end by itself is the loss of the node.
    package var isServer: Bool
    package var extensions: [Extension]
    /// Most bytes that are kept of what the program says on its control descriptor; nil when it has none. It goes as an
    /// extension.
    package var controlLimit: Int64?

    package init(
        operation: String,
        program: Program,
        environment: [Variable] = [],
        secrets: [Variable] = [],
        directory: String = "",
        timeout: Int64? = nil,
        grace: Int64 = 5_000_000,
        keepsLeftovers: Bool = false,
        outputLimit: Int64 = 8 << 20,
        isServer: Bool = false,
        extensions: [Extension] = []
    ) {
        self.operation = operation
        self.program = program
        self.environment = environment
        self.secrets = secrets
        self.directory = directory
        self.timeout = timeout
        self.grace = grace
        self.keepsLeftovers = keepsLeftovers
        self.outputLimit = outputLimit
        self.isServer = isServer
        self.extensions = extensions
    }

    /// The extensions that hold `controlLimit` and `masked`.
    private static let controlTag: UInt16 = 1
    private static let maskedTag: UInt16 = 2

    /// Most bytes that `outputLimit` may be.
    package static let outputLimitMax: Int64 = 1 << 30

    func write(to writer: inout WireWriter) {
        writer.put(operation)
        switch program {
        case .shell(let text):
            writer.put(UInt8(1))
            writer.put(text)
        case .arguments(let arguments):
            writer.put(UInt8(2))
            writer.put(list: arguments) { $0.put($1) }
        }
        for variables in [environment, secrets] {
            writer.put(list: variables) { writer, variable in
                writer.put(variable.name)
                writer.put(variable.value)
            }
        }
        writer.put(directory)
        writer.put(optional: timeout) { $0.put($1) }
        writer.put(grace)
        writer.put(keepsLeftovers)
        writer.put(outputLimit)
        writer.put(isServer)
        var all = extensions
        if let controlLimit {
            var limit = WireWriter()
            limit.put(controlLimit)
            all.append(Extension(tag: Self.controlTag, bytes: limit.bytes))
        }
        if !masked.isEmpty {
            var texts = WireWriter()
            texts.put(list: masked) { $0.put($1) }
            all.append(Extension(tag: Self.maskedTag, bytes: texts.bytes))
        }
        writer.put(list: all) { writer, some in
            writer.put(some.tag)
            writer.put(raw: some.bytes)
        }
    }

    init(from reader: inout WireReader) throws(WireError) {
        operation = try reader.operation()
        switch try reader.number(UInt8.self) {
        case 1: program = .shell(try reader.text())
        case 2:
            let arguments = try reader.list { reader throws(WireError) in try reader.text() }
            guard let first = arguments.first, !first.isEmpty else { throw WireError("a command has no program") }
            program = .arguments(arguments)
        case let other: throw WireError("there is no program of kind \(other)")
        }
        environment = try Self.variables(from: &reader)
        secrets = try Self.variables(from: &reader)
        directory = try reader.text()
        timeout = try reader.optional { reader throws(WireError) in try reader.length() }
        grace = try reader.length()
        keepsLeftovers = try reader.flag()
        outputLimit = try reader.number()
        guard (0...Self.outputLimitMax).contains(outputLimit) else {
            throw WireError("an output limit of \(outputLimit) is not between 0 and \(Self.outputLimitMax)")
        }
        isServer = try reader.flag()
        extensions = []
        let all = try reader.list { reader throws(WireError) in
            Extension(tag: try reader.number(), bytes: try reader.raw())
        }
        for one in all {
            var content = WireReader(one.bytes)
            switch one.tag {
            case Self.controlTag: controlLimit = max(0, try content.number(Int64.self))
            case Self.maskedTag: masked += try content.list { reader throws(WireError) in try reader.text() }
            default: throw WireError("the extension \(one.tag) is not known here")
            }
            try content.finish()
        }
    }

    private static func variables(from reader: inout WireReader) throws(WireError) -> [Variable] {
        try reader.list { reader throws(WireError) in
            let name = try reader.text()
            guard !name.isEmpty, !name.utf8.contains(UInt8(ascii: "=")) else {
                throw WireError("'\(name.prefix(80))' is no name of a variable")
            }
            return Variable(name, try reader.text())
        }
    }
}

/// How an operation ended. Points in time are UTC, in microseconds since 1970.
package struct ExitRecord: Hashable, Sendable {
    package var operation: String
    package var status: Int32?
    package var signal: Int32?
    package var timedOut = false
    /// The supervisor ended it because it was asked to.
    package var interrupted = false
    /// Why the program could not be started.
    package var notStarted: String?
    package var startedAt: Int64
    package var endedAt: Int64
    package var outputKept: Int64 = 0
    package var outputDropped: Int64 = 0
    /// Processes that were left when the program had ended, and were ended.
    package var leftovers: Int32 = 0

    package init(operation: String, startedAt: Int64, endedAt: Int64) {
        self.operation = operation
        self.startedAt = startedAt
        self.endedAt = endedAt
    }

    func write(to writer: inout WireWriter) {
        writer.put(operation)
        writer.put(optional: status) { $0.put($1) }
        writer.put(optional: signal) { $0.put($1) }
        writer.put(timedOut)
        writer.put(interrupted)
        writer.put(optional: notStarted) { $0.put($1) }
        writer.put(startedAt)
        writer.put(endedAt)
        writer.put(outputKept)
        writer.put(outputDropped)
        writer.put(leftovers)
    }

    init(from reader: inout WireReader) throws(WireError) {
        operation = try reader.operation()
        status = try reader.optional { reader throws(WireError) in try reader.number() }
        signal = try reader.optional { reader throws(WireError) in try reader.number() }
        timedOut = try reader.flag()
        interrupted = try reader.flag()
        notStarted = try reader.optional { reader throws(WireError) in try reader.text() }
        startedAt = try reader.number()
        endedAt = try reader.number()
        outputKept = try reader.number()
        outputDropped = try reader.number()
        leftovers = try reader.number()
    }
}

extension OperationSpec {
    /// Why the kernel could not take this command; nil when it can.
    package var problem: String? {
        let texts: [String]
        switch program {
        case .shell(let text): texts = [text]
        case .arguments(let arguments):
            guard let first = arguments.first, !first.isEmpty else { return "the command is empty" }
            texts = arguments
        }
        if texts.contains(where: { $0.utf8.contains(0) }) { return "the command contains a zero byte" }
        for variable in environment + secrets {
            if variable.name.isEmpty || variable.name.utf8.contains(where: { $0 == 0 || $0 == UInt8(ascii: "=") }) {
                return "'\(variable.name)' is no name of a variable"
            }
            if variable.value.utf8.contains(0) { return "the value of '\(variable.name)' contains a zero byte" }
        }
        let values = (environment + secrets).flatMap { [$0.name, $0.value] }
        let size = (texts + values + masked).reduce(0) { $0 + $1.utf8.count + 8 }
        return size < Wire.frameLimit - 4096 ? nil : "the command with its environment is longer than the system takes"
    }
}
