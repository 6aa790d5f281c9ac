import Glibc
import MusterSupervision

/// Which process belongs to which operation.
///
/// Every process that any operation starts stays below the supervisor for ever: as the supervisor adopts orphans,
/// whoever daemonises, changes its session or forgets its environment becomes its child. So there are the trees under
/// the operations' programs, and orphans with their trees. An orphan is given to an operation when one ends, and stays
/// with it.
struct Descendants {
    /// The operation of each orphan that was looked at. Only the supervisor's own children are in it, and they leave
    /// it when they are reaped, so that a pid is enough.
    private var owners: [Int32: String] = [:]

    mutating func forget(_ pid: Int32) { owners[pid] = nil }

    /// Whether an operation has orphans that have not been reaped.
    func hasOrphans(of operation: String) -> Bool { owners.values.contains(operation) }

    /// The processes of an operation that have not ended.
    mutating func members(of operation: Operation, among operations: [String: Operation]) -> [ProcessEntry] {
        let orphans = assignOrphans(among: operations)
        let roots = (operation.isMainAlive ? [operation.main.pid] : []) + (orphans[operation.id] ?? [])
        guard !roots.isEmpty else { return [] }
        let members = ProcessTable.trees(under: roots)
        for member in members { operation.sessions.insert(member.session) }
        return members
    }

    /// Gives every orphan to an operation, and returns them by operation.
    private mutating func assignOrphans(among operations: [String: Operation]) -> [String: [Int32]] {
        let programs = Set(operations.values.lazy.filter(\.isMainAlive).map(\.main.pid))
        var orphans: [String: [Int32]] = [:]
        for pid in children() where !programs.contains(pid) {
            guard let owner = owners[pid] ?? owner(of: pid, among: operations) else { continue }
            owners[pid] = owner
            orphans[owner, default: []].append(pid)
        }
        return orphans
    }

    /// The kernel may leave children out of its list when one of them ends meanwhile; then it is asked again.
    private func children() -> [Int32] {
        var found = Set(ProcessTable.children(of: getpid()))
        for _ in 0..<3 {
            var status = siginfo_t()
            guard waitid(P_ALL, 0, &status, WEXITED | WNOHANG | WNOWAIT) == 0, hasEnded(status) else { break }
            found.formUnion(ProcessTable.children(of: getpid()))
        }
        return found.sorted()
    }

    private func hasEnded(_ status: siginfo_t) -> Bool { status.si_signo == SIGCHLD }

    private func owner(of pid: Int32, among operations: [String: Operation]) -> String? {
        guard let entry = ProcessTable.entry(pid) else { return nil }
        if let marker = ProcessTable.variables([Markers.operation], of: pid)[Markers.operation],
            operations[marker] != nil
        {
            return marker
        }
        let older = operations.values.filter { $0.main.startTime <= entry.identity.startTime }
        if let known = older.first(where: { $0.sessions.contains(entry.session) }) { return known.id }
        // Nothing tells: it appeared while some operation ran. A server is the least likely to leave processes behind,
        // and the latest one the most likely of the others.
        let running = older.filter { $0.phase != .left }
        let candidates = running.contains { !$0.spec.isServer } ? running.filter { !$0.spec.isServer } : running
        return candidates.max { ($0.startedAt, $0.id) < ($1.startedAt, $1.id) }?.id
    }
}

/// Ends processes that may start others meanwhile: all are stopped before the first is killed.
enum Killing {
    private static let passesMax = 200

    /// Stops all that `members` finds, again until it finds nobody new, and kills them. Returns how many there were.
    @discardableResult
    static func killAll(_ members: () -> [ProcessEntry]) -> Int {
        var stopped: Set<ProcessIdentity> = []
        for _ in 0..<passesMax {
            let new = members().filter { !stopped.contains($0.identity) }
            if new.isEmpty { break }
            for member in new {
                kill(member.pid, SIGSTOP)
                stopped.insert(member.identity)
            }
        }
        for identity in stopped where ProcessTable.isAlive(identity) { kill(identity.pid, SIGKILL) }
        return stopped.count
    }
}
