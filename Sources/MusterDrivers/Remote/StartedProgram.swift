import Foundation
import MusterSupervision

/// A program that was started with its standard streams in our hands, in a session of its own: what is typed at the
/// terminal is for Muster. Whoever starts it waits for it.
final class StartedProgram: Sendable {
    /// POSIX_SPAWN_SETSID, which Swift's import of the C library lacks.
    private static let setSession: Int32 = 0x80

    let pid: pid_t
    let identity: ProcessIdentity?
    /// Becomes readable when the program has ended; -1 where that cannot be told.
    let ending: Int32
    let input: ChildProcess.Pipe
    let output: ChildProcess.Pipe
    let error: ChildProcess.Pipe

    /// - Parameters:
    ///   - environment: variables besides this process' own.
    ///   - keeps: which of this process' own it gets, by their names.
    ///   - folder: where it runs; nil for where this process does.
    ///   - failure: what to say of the code of an error.
    init(
        _ arguments: [String],
        environment: [String: String],
        keeps: (Substring) -> Bool = { _ in true },
        folder: String? = nil,
        failure: (Int32) -> ConnectionFailure
    ) throws(ConnectionFailure) {
        input = try ChildProcess.Pipe()
        output = try ChildProcess.Pipe()
        error = try ChildProcess.Pipe()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input.reading, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output.writingEnd, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, error.writingEnd, STDERR_FILENO)
        Self.closeOthers(&actions)
        if let folder { try Self.setFolder(folder, &actions) }
        var attributes = Self.newSession()
        defer { posix_spawnattr_destroy(&attributes) }
        let strings: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        let variables = Self.variables(environment, keeps)
        defer { for string in strings + variables { free(string) } }
        var pid: pid_t = 0
        var code = posix_spawnp(&pid, arguments[0], &actions, &attributes, strings, variables)
        for _ in 0..<100 where code == ETXTBSY {
            // It was just written, and a child that another thread begins just now has it open for a moment.
            // Nobody tells when that is over.
            poll(nil, 0, 10)
            code = posix_spawnp(&pid, arguments[0], &actions, &attributes, strings, variables)
        }
        guard code == 0 else { throw failure(code) }
        self.pid = pid
        identity = ProcessTable.entry(pid)?.identity
        if let identity, let handle = ProcessHandle(identity) {
            ending = fcntl(handle.descriptor, F_DUPFD_CLOEXEC, 0)
        } else {
            ending = -1
        }
        output.closeWriting()
        error.closeWriting()
        for end in [input.writingEnd, output.reading, error.reading] {
            _ = fcntl(end, F_SETFL, fcntl(end, F_GETFL) | O_NONBLOCK)
        }
    }

    deinit { if ending >= 0 { close(ending) } }

    /// Waits until it has ended: its status, or the signal that ended it.
    func wait() -> (status: Int?, signal: Int?) {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return status & 0x7F == 0 ? (Int(status >> 8 & 0xFF), nil) : (nil, Int(status & 0x7F))
    }

    /// A session of its own, and signals as a program finds them that a person starts.
    static func newSession() -> posix_spawnattr_t {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        let flags = Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF) | setSession
        posix_spawnattr_setflags(&attributes, Int16(flags))
        return attributes
    }

    /// This process' variables that are kept, but those of the names of `more`, and these.
    static func variables(
        _ more: [String: String],
        _ keeps: (Substring) -> Bool
    ) -> [UnsafeMutablePointer<CChar>?] {
        var own: [UnsafeMutablePointer<CChar>?] = []
        var next = environ
        while let variable = next.pointee {
            let name = String(cString: variable).prefix { $0 != "=" }
            if more[String(name)] == nil, keeps(name) { own.append(strdup(variable)) }
            next += 1
        }
        return own + more.map { strdup("\($0)=\($1)") } + [nil]
    }

    /// Has it get the three standard streams alone. What else this process has open, such as the conductor's socket,
    /// would outlive it there, and whoever connects to it would wait in vain.
    ///
    /// By a function that Swift's import of the C library lacks, and that an older C library lacks too.
    static func closeOthers(_ actions: inout posix_spawn_file_actions_t) {
        typealias CloseFrom = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32
        guard let address = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np") else { return }
        // Its type is that of <spawn.h>.
        _ = unsafeBitCast(address, to: CloseFrom.self)(&actions, STDERR_FILENO + 1)
    }

    /// By a function that Swift's import of the C library lacks.
    private static func setFolder(
        _ folder: String,
        _ actions: inout posix_spawn_file_actions_t
    ) throws(ConnectionFailure) {
        typealias SetFolder =
            @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, UnsafePointer<CChar>) -> Int32
        guard let address = dlsym(nil, "posix_spawn_file_actions_addchdir_np") else {
            throw .refused("the C library of this host cannot start a program in a folder")
        }
        // Its type is that of <spawn.h>.
        let code = unsafeBitCast(address, to: SetFolder.self)(&actions, folder)
        guard code == 0 else { throw ChildProcess.failure(code, "a process in \(folder)") }
    }
}
