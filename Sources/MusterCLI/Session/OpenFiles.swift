import Foundation

/// How many files this program may open. Each node costs it a connection, and the usual limit of 1,024 is there for
/// programs that use `select`, which this one does not.
enum OpenFiles {
    /// The limit that the user has set, which commands on nodes get; nil when it cannot be told.
    ///
    /// Asked for the first time it raises the limit of this process to the highest there is.
    static let usersLimit: UInt64? = {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
        let before = limit.rlim_cur
        limit.rlim_cur = min(limit.rlim_max, max(before, 1 << 20))
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return UInt64(before)
    }()

    /// Has the limit as the user has it, for a program that comes in the place of this one.
    static func lower() {
        var limit = rlimit()
        guard let usersLimit, getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = min(limit.rlim_max, rlim_t(usersLimit))
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
