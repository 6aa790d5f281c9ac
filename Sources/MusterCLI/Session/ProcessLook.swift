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

    /// Which PID namespace `/proc` numbers processes in, and this process lives in; nil where that is not one and the
    /// same, so that a number found there says nothing.
    static let namespace: String? = {
        guard link("/proc/self") == "\(getpid())", let name = link("/proc/self/ns/pid") else { return nil }
        let number = name.filter(\.isNumber)
        return number.isEmpty ? nil : number
    }()

    private static func link(_ path: String) -> String? {
        try? FileManager.default.destinationOfSymbolicLink(atPath: path)
    }
}

/// The name that a command gives its request. It says whose it is, so that what a command asked for that is gone is not
/// begun long after it: `<random>.<boot>.<namespace>.<pid>.<start time>`, where `-` is a namespace that is not known.
enum RequestToken {
    static func make() -> String {
        let random = String(UInt64.random(in: .min ... .max), radix: 36)
        let pid = getpid()
        return
            "\(random).\(ProcessLook.boot).\(ProcessLook.namespace ?? "-").\(pid).\(ProcessLook(pid)?.startTime ?? 0)"
    }

    /// Whether the command that asked has ended; nil where that cannot be told: the name does not say who asked, or
    /// that one lives in another PID namespace, as in a container, where its number means another process.
    static func authorIsGone(_ token: String) -> Bool? {
        let parts = token.split(separator: ".")
        guard parts.count == 5, let pid = Int32(parts[3]), let startTime = UInt64(parts[4]) else { return nil }
        // A state has its conductor and its clients on one host; with another boot, all before it have ended.
        if parts[1] != ProcessLook.boot { return true }
        guard let namespace = ProcessLook.namespace, parts[2] == namespace else { return nil }
        guard let look = ProcessLook(pid) else { return true }
        return look.hasEnded || look.startTime != startTime
    }
}
