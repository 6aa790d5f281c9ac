import Foundation

/// What `/proc` says of a process of this host.
struct ProcessLook {
    /// In clock ticks since the host was started: with the pid it means one process for ever.
    let startTime: UInt64
    private let state: Character

    /// nil when there is none.
    init?(_ pid: Int32) {
        guard let data = FileManager.default.contents(atPath: "/proc/\(pid)/stat") else { return nil }
        // The second field is the program's name in parentheses, which may itself contain spaces and parentheses.
        let text = String(decoding: data, as: UTF8.self)
        guard let close = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: close)...].split(separator: " ")
        guard fields.count >= 20, let state = fields[0].first, let startTime = UInt64(fields[19]) else { return nil }
        self.state = state
        self.startTime = startTime
    }

    /// By SIGSTOP, Ctrl-Z or a debugger.
    var isStopped: Bool { state == "T" || state == "t" }
    /// It has ended, and only its parent has not asked how.
    var hasEnded: Bool { state == "Z" || state == "X" }

    /// Eight digits that change with each start of the host.
    static let boot: String = {
        let data = FileManager.default.contents(atPath: "/proc/sys/kernel/random/boot_id") ?? Data()
        return String(String(decoding: data, as: UTF8.self).prefix(8))
    }()
}

/// The name that a command gives its request. It says whose it is, so that what a command asked for that is gone is not
/// begun long after it: `<random>.<boot>.<pid>.<start time>`.
enum RequestToken {
    static func make() -> String {
        let random = String(UInt64.random(in: .min ... .max), radix: 36)
        return "\(random).\(ProcessLook.boot).\(getpid()).\(ProcessLook(getpid())?.startTime ?? 0)"
    }

    /// Whether the command that asked has ended; nil where the name does not say who asked.
    static func authorIsGone(_ token: String) -> Bool? {
        let parts = token.split(separator: ".")
        guard parts.count == 4, let pid = Int32(parts[2]), let startTime = UInt64(parts[3]) else { return nil }
        // A state has its conductor and its clients on one host; with another boot, all before it have ended.
        guard parts[1] == ProcessLook.boot, let look = ProcessLook(pid) else { return true }
        return look.hasEnded || look.startTime != startTime
    }
}
