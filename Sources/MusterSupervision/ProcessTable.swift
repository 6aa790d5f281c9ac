import Glibc

/// A process for ever: its pid alone is given to another one some day.
package struct ProcessIdentity: Hashable, Sendable {
    package var pid: Int32
    /// In clock ticks since the host was started.
    package var startTime: UInt64
    package init(pid: Int32, startTime: UInt64) {
        self.pid = pid
        self.startTime = startTime
    }
}

/// A process as `/proc` shows it.
package struct ProcessEntry: Hashable, Sendable {
    package var identity: ProcessIdentity
    package var parent: Int32
    package var session: Int32
    /// It has ended, and only its parent has not asked how.
    package var isDead: Bool

    package var pid: Int32 { identity.pid }

    /// Reads the text of `/proc/<pid>/stat`; nil when it is none.
    package init?(stat: [UInt8]) {
        // The second field is the program's name in parentheses, which may itself contain spaces and parentheses.
        guard let open = stat.firstIndex(of: UInt8(ascii: "(")), let close = stat.lastIndex(of: UInt8(ascii: ")")),
            open < close, let pid = Self.number(stat[..<open])
        else { return nil }
        let fields = stat[(close + 1)...].split(separator: UInt8(ascii: " "))
        guard fields.count >= 20, let state = fields[0].first, let parent = Self.number(fields[1]),
            let session = Self.number(fields[3]), let threads = Self.number(fields[17]),
            let startTime = Self.number(fields[19]).flatMap({ UInt64(exactly: $0) })
        else { return nil }
        identity = ProcessIdentity(pid: Int32(truncatingIfNeeded: pid), startTime: startTime)
        self.parent = Int32(truncatingIfNeeded: parent)
        self.session = Int32(truncatingIfNeeded: session)
        let hasEnded = state == UInt8(ascii: "Z") || state == UInt8(ascii: "X")
        isDead = hasEnded && threads <= 1  // with more, only its first thread has ended
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
        var value: Int64 = 0
        var isNegative = false
        for byte in digits {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                let (product, overflow) = value.multipliedReportingOverflow(by: 10)
                guard !overflow else { return nil }
                value = product &+ Int64(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "-"): isNegative = true
            case UInt8(ascii: " "): continue
            default: return nil
            }
        }
        return isNegative ? -value : value
    }
}

/// What `/proc` knows of the processes of this host. Each call asks anew.
package enum ProcessTable {
    /// The process with this pid now; nil when there is none.
    package static func entry(_ pid: Int32) -> ProcessEntry? {
        read("/proc/\(pid)/stat", limit: 4096).flatMap(ProcessEntry.init(stat:))
    }

    /// This process, as those see it whose `/proc` is mounted here: by another pid where it is in a namespace of pids
    /// of its own.
    package static func own() -> ProcessEntry? {
        read("/proc/self/stat", limit: 4096).flatMap(ProcessEntry.init(stat:))
    }

    /// Whether this very process still runs.
    package static func isAlive(_ identity: ProcessIdentity) -> Bool {
        guard let entry = entry(identity.pid) else { return false }
        return entry.identity == identity && !entry.isDead
    }

    package static func all() -> [ProcessEntry] { numbers(in: "/proc").compactMap(entry) }

    /// The pids of a process' children. Where the kernel does not list them, all processes are looked through.
    package static func children(of pid: Int32) -> [Int32] {
        var children: [Int32] = []
        for thread in numbers(in: "/proc/\(pid)/task") {
            guard let text = read("/proc/\(pid)/task/\(thread)/children", limit: 1 << 20) else {
                if errno == ENOENT, !listsChildren { return all().filter { $0.parent == pid }.map(\.pid) }
                continue
            }
            for word in text.split(separator: UInt8(ascii: " ")) {
                if let child = Int32(String(decoding: word, as: UTF8.self)) { children.append(child) }
            }
        }
        return children
    }

    private static let listsChildren = access("/proc/self/task/\(getpid())/children", R_OK) == 0

    /// These processes and all their descendants that have not ended.
    package static func trees(under roots: [Int32]) -> [ProcessEntry] {
        var found: [ProcessEntry] = []
        var seen = Set<Int32>()
        var rest = roots
        while let pid = rest.popLast() {
            guard seen.insert(pid).inserted, let entry = entry(pid) else { continue }
            if !entry.isDead { found.append(entry) }
            rest.append(contentsOf: children(of: pid))
        }
        return found
    }

    /// The value of a variable in the environment a process was started with; nil when it has none or is not ours to
    /// read.
    package static func variables(_ names: [String], of pid: Int32) -> [String: String] {
        guard let bytes = read("/proc/\(pid)/environ", limit: 8 << 20), !bytes.isEmpty else { return [:] }
        var values: [String: String] = [:]
        for entry in bytes.split(separator: 0) {
            for name in names where entry.starts(with: name.utf8) {
                let rest = entry.dropFirst(name.utf8.count)
                guard rest.first == UInt8(ascii: "="), values[name] == nil else { continue }
                values[name] = String(decoding: rest.dropFirst(), as: UTF8.self)
            }
        }
        return values
    }

    /// The command line of a process, for people.
    package static func command(of pid: Int32) -> String {
        guard let bytes = read("/proc/\(pid)/cmdline", limit: 4096) else { return "" }
        return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ")
    }

    /// Differs after every start of the host.
    package static func bootID() -> String {
        let text = read("/proc/sys/kernel/random/boot_id", limit: 128) ?? []
        return String(decoding: text.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    /// The entries of a folder that are numbers.
    private static func numbers(in folder: String) -> [Int32] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var numbers: [Int32] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if let number = Int32(name) { numbers.append(number) }
        }
        return numbers
    }

    /// A whole file; nil when it cannot be read (`errno` says why), cut at the limit.
    package static func read(_ path: String, limit: Int) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var capacity = min(limit, 4096)
        while bytes.count < limit {
            let wanted = min(capacity, limit - bytes.count)
            var failed = false
            let before = bytes.count
            bytes.append(
                contentsOf: [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
                    let got = Glibc.read(descriptor, buffer.baseAddress, wanted)
                    count = max(0, got)
                    failed = got < 0
                }
            )
            if failed { return nil }
            if bytes.count == before { break }
            capacity = min(capacity * 2, 1 << 20)
        }
        return bytes
    }
}
