import Glibc
import MusterSupervision

/// Starts programs: in a session of their own, with the signals and the file mode mask that any program expects.
struct Spawn {
    /// Why a program could not be started, for people.
    struct Failure: Error {
        let sentence: String
    }

    let path: String
    let arguments: [String]
    /// `NAME=value`.
    let environment: [String]
    /// Empty for the folder the supervisor is in.
    let directory: String
    /// Becomes standard output and standard error.
    let output: Int32
    /// Becomes the descriptor on which a test reports; nil for none.
    let control: Int32?
    /// The mask that the conductor runs with; the supervisor's own is stricter.
    let fileMask: mode_t

    /// Starts it and returns its pid, which is also its session's.
    func start(returningTo folder: Int32) throws(Failure) -> pid_t {
        if !directory.isEmpty, chdir(directory) != 0 {
            throw Failure(sentence: "the folder '\(directory)' cannot be entered: \(errorText(errno))")
        }
        let mask = umask(fileMask)
        var (code, pid) = spawn()
        // A file that was just written may be open for a moment yet in a child that is about to become another program.
        for _ in 0..<500 where code == ETXTBSY {
            sched_yield()
            (code, pid) = spawn()
        }
        umask(mask)
        if !directory.isEmpty { _ = fchdir(folder) }
        guard code == 0 else { throw Failure(sentence: Self.sentence(path, code)) }
        return pid
    }

    private func spawn() -> (code: Int32, pid: pid_t) {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO)
        if let control { posix_spawn_file_actions_adddup2(&actions, control, Markers.controlDescriptor) }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Self.flags)
        return withCStrings(arguments) { arguments in
            withCStrings(environment) { environment in
                var pid: pid_t = 0
                let code = posix_spawn(&pid, path, &actions, &attributes, arguments, environment)
                return (code, pid)
            }
        }
    }

    /// With `POSIX_SPAWN_SETSID`, which Swift's import of this header leaves out.
    static let flags = Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF) | 0x80

    // MARK: Finding the program

    /// The path of a program: as it is when it has a slash, otherwise the first one in `PATH` that can be executed.
    static func find(_ program: String, path: String?) throws(Failure) -> String {
        if program.utf8.contains(UInt8(ascii: "/")) { return program }
        let searched = path ?? "/usr/local/bin:/usr/bin:/bin"
        var unusable: String?
        for folder in searched.split(separator: ":", omittingEmptySubsequences: false) {
            let candidate = (folder.isEmpty ? "." : String(folder)) + "/" + program
            guard let kind = fileKind(candidate), kind == S_IFREG else { continue }
            if access(candidate, X_OK) == 0 { return candidate }
            unusable = unusable ?? candidate
        }
        if let unusable { throw Failure(sentence: sentence(unusable, EACCES)) }
        throw Failure(sentence: "there is no program '\(program)' in PATH (\(searched))")
    }

    private static func fileKind(_ path: String) -> mode_t? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
    }

    /// What the system meant when it refused to start a program.
    static func sentence(_ path: String, _ code: Int32) -> String {
        let kind = fileKind(path)
        switch code {
        case ENOENT where kind != nil:
            guard let interpreter = interpreter(of: path) else {
                return "'\(path)' cannot be started: the loader it was built for is not on this system"
            }
            if interpreter.utf8.last == UInt8(ascii: "\r") {
                return
                    "'\(path)' cannot be started: its first line ends with a carriage return, so the system looks for "
                    + "the interpreter '\(interpreter.dropLast())\\r'; save it with line feeds only"
            }
            return "'\(path)' cannot be started: its interpreter '\(interpreter)' (first line) is not there"
        case ENOENT: return "'\(path)' is not there"
        case EACCES where kind == S_IFDIR: return "'\(path)' is a folder, not a program"
        case EACCES where kind == S_IFREG && access(path, X_OK) == 0:
            guard let interpreter = interpreter(of: path) else { break }
            return "'\(path)' cannot be started: its interpreter '\(interpreter)' (first line) is not executable"
        case EACCES where kind == S_IFREG: return "'\(path)' is not executable; make it so with: chmod +x '\(path)'"
        case ENOEXEC:
            return
                "'\(path)' is no program for this system; a script names its interpreter in its first line: #!/bin/sh"
        case E2BIG: return "'\(path)' cannot be started: its arguments and environment are too long for the system"
        default: break
        }
        return "'\(path)' cannot be started: \(errorText(code))"
    }

    /// What stands behind `#!` in a script's first line; nil when there is no such line.
    private static func interpreter(of path: String) -> Substring? {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = read(file, &bytes, bytes.count)
        guard count > 2, bytes[0] == UInt8(ascii: "#"), bytes[1] == UInt8(ascii: "!") else { return nil }
        let line = bytes[2..<count].prefix { $0 != UInt8(ascii: "\n") }
        let words = line.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        return words.first.map { Substring(decoding: $0, as: UTF8.self) }
    }
}

extension OperationSpec {
    /// The program with its path and arguments, or why there is none.
    func program(environment: [String: String]) throws(Spawn.Failure) -> (path: String, arguments: [String]) {
        switch program {
        case .shell(let text): return ("/bin/sh", ["/bin/sh", "-c", text])
        case .arguments(let arguments):
            return (try Spawn.find(arguments[0], path: environment["PATH"]), arguments)
        }
    }

    /// Everything the process is given; what the supervisor adds cannot be overridden.
    func environment(adding markers: [String: String]) -> [String: String] {
        var values: [String: String] = [:]
        for variable in environment + secrets { values[variable.name] = variable.value }
        return values.merging(markers) { $1 }
    }
}

/// Calls `body` with a list of C strings that ends with nil.
func withCStrings<Result>(
    _ texts: [String],
    _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    var pointers = texts.map { strdup($0) }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeBufferPointer { body($0.baseAddress!) }
}
