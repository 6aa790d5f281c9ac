import Glibc
import MusterSupervision
import NIOPosix

/// A process on this host that belongs to a node, or the supervisor of one.
package struct Leftover: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable { case supervisor, process }
    package var kind: Kind
    package var pid: Int32
    /// With the pid it names this process and no other one ever.
    package var startTime: UInt64
    /// The node's folder.
    package var directory: String
    /// The operation that started it, where it says so.
    package var operation: String?
    /// Its command line, for people.
    package var command: String

    var identity: ProcessIdentity { ProcessIdentity(pid: pid, startTime: startTime) }
}

/// Processes of nodes, found from outside: by what they carry in their environment, and by descent from those.
package enum Leftovers {
    /// The supervisors and processes of all nodes whose folders are in this one: `<state>/nodes`.
    ///
    /// Muster itself and what started it are left out: who runs `muster gc` in a node's shell is no leftover.
    package static func find(nodes folder: String) async -> [Leftover] {
        let folder = folder.hasSuffix("/") ? String(folder.dropLast()) : folder
        return await offLoop { scan { $0.hasPrefix(folder + "/") } }
    }

    /// Ends processes and supervisors with all they supervise, and returns those that are still there.
    ///
    /// Supervisors are asked first (TERM: they give theirs 5 s); processes whose supervisor is gone are killed.
    package static func end(_ leftovers: [Leftover]) async -> [Leftover] {
        await offLoop { endNow(leftovers) }
    }

    /// Ends what a dead supervisor left of its node.
    static func sweep(directory: String) async {
        await offLoop { sweepNow(directory: directory) }
    }

    static func sweepNow(directory: String) {
        for _ in 0..<10 {
            let found = scan { $0 == directory }
            if found.isEmpty { return }
            _ = endNow(found)
        }
    }

    // MARK: Finding

    private static func scan(_ isWanted: (String) -> Bool) -> [Leftover] {
        let entries = ProcessTable.all().filter { !$0.isDead }
        var children: [Int32: [ProcessEntry]] = [:]
        for entry in entries { children[entry.parent, default: []].append(entry) }
        let own = ancestors(of: getpid(), Dictionary(entries.map { ($0.pid, $0) }, uniquingKeysWith: { a, _ in a }))
        var found: [Int32: Leftover] = [:]
        for entry in entries where !own.contains(entry.pid) {
            let values = ProcessTable.variables([Markers.supervisor, Markers.node, Markers.operation], of: entry.pid)
            if let directory = values[Markers.supervisor], isWanted(directory) {
                found[entry.pid] = leftover(.supervisor, entry, directory, nil)
            } else if let directory = values[Markers.node], let operation = values[Markers.operation],
                isWanted(directory)
            {
                found[entry.pid] = leftover(.process, entry, directory, operation)
            }
        }
        // Whoever descends from a marked process belongs to it, whatever its own environment says.
        var rest = Array(found.values)
        while let parent = rest.popLast() {
            for child in children[parent.pid] ?? [] where found[child.pid] == nil && !own.contains(child.pid) {
                let member = leftover(.process, child, parent.directory, parent.operation)
                found[child.pid] = member
                rest.append(member)
            }
        }
        return found.values.sorted { ($0.directory, $0.pid) < ($1.directory, $1.pid) }
    }

    private static func leftover(
        _ kind: Leftover.Kind,
        _ entry: ProcessEntry,
        _ directory: String,
        _ operation: String?
    ) -> Leftover {
        Leftover(
            kind: kind,
            pid: entry.pid,
            startTime: entry.identity.startTime,
            directory: directory,
            operation: operation,
            command: ProcessTable.command(of: entry.pid)
        )
    }

    private static func ancestors(of pid: Int32, _ entries: [Int32: ProcessEntry]) -> Set<Int32> {
        var chain: Set<Int32> = []
        var next: Int32? = pid
        while let pid = next, pid > 0, chain.insert(pid).inserted { next = entries[pid]?.parent }
        return chain
    }

    // MARK: Ending

    private static func endNow(_ leftovers: [Leftover]) -> [Leftover] {
        let supervisors = leftovers.filter { $0.kind == .supervisor }
        send(SIGTERM, to: supervisors)
        send(SIGCONT, to: supervisors)  // one that somebody stopped would not see it
        waitForEnd(of: supervisors, milliseconds: 20_000)
        // Stopped first, so that nobody starts another one while they are being killed.
        let rest = leftovers.filter { ProcessTable.isAlive($0.identity) }
        send(SIGSTOP, to: rest)
        send(SIGKILL, to: rest)
        waitForEnd(of: rest, milliseconds: 10_000)
        return rest.filter { ProcessTable.isAlive($0.identity) }
    }

    private static func send(_ signal: Int32, to leftovers: [Leftover]) {
        for leftover in leftovers {
            guard let handle = ProcessHandle(leftover.identity) else { continue }
            handle.send(signal)
        }
    }

    /// Waits for one after the other, each so long, and no longer once one has taken longer.
    private static func waitForEnd(of leftovers: [Leftover], milliseconds: Int32) {
        for leftover in leftovers {
            guard let handle = ProcessHandle(leftover.identity) else { continue }
            guard handle.waitForEnd(milliseconds: milliseconds) else { return }
        }
    }
}

/// Does work that blocks on a thread that may; it is finished even if the task that waits for it is cancelled.
func offLoop<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
        NIOThreadPool.singleton.submit { _ in continuation.resume(returning: work()) }
    }
}
