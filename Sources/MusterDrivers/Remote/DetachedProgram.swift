import Foundation

/// A program that goes on by itself when this one has ended, in a session of its own.
package enum DetachedProgram {
    /// Starts it. What it says goes to the end of a file of its user's alone.
    ///
    /// - Parameters:
    ///   - program: absolute path.
    ///   - keeps: which variables of this process it gets, by their names.
    ///   - log: absolute path; begun anew when it has become longer than 1 MiB.
    /// - Returns: why it could not be started; nil when it was.
    package static func start(
        _ program: String,
        _ arguments: [String],
        keeps: (Substring) -> Bool,
        log: String
    ) -> String? {
        var status = stat()
        if stat(log, &status) == 0, status.st_size > 1 << 20 { unlink(log) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        StartedProgram.closeOthers(&actions)
        var attributes = StartedProgram.newSession()
        defer { posix_spawnattr_destroy(&attributes) }
        let strings: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
        let variables = StartedProgram.variables([:], keeps)
        defer { for string in strings + variables { free(string) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, program, &actions, &attributes, strings, variables)
        guard code == 0 else { return "\(program) cannot be started: \(String(cString: strerror(code)))" }
        // Nobody awaits it: it only takes the program's end, should that come before this process' own.
        Thread.detachNewThread { [pid] in
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        }
        return nil
    }
}
