import Glibc
import MusterSupervision

/// Supervises one node: one thread, one `poll`, which waits for requests, output, ends and deadlines.
///
/// What happens to operations is in `Supervisor+Operations.swift` and `Supervisor+Ending.swift`, what is asked of it in
/// `Supervisor+Requests.swift`.
final class Supervisor {
    let folder: NodeFolder
    let facts: SupervisorFacts
    /// The mask that operations run with.
    let fileMask: mode_t
    private let listener: Int32
    private let signals: Int32

    /// Those under way, and those whose leftovers live on.
    var operations: [String: Operation] = [:]
    var descendants = Descendants()
    /// How the latest operations ended. Older ones are in their files, which drivers read.
    var records: [String: ExitRecord] = [:]
    private var recordOrder: [String] = []
    private static let recordsMax = 10_000

    /// What `powerOn` starts; nil for a node without a server.
    var server: OperationSpec?
    /// The operation under which the server runs or ran last.
    var serverOperation: String?
    /// Why the node counts as lost; nil while its server runs or was stopped on purpose.
    var loss: String?

    /// For the next operation, on a node that runs tests.
    var spareFolder: SpareFolder?
    var wantsSpareFolder = false

    var connections: [Int32: Connection] = [:]
    var watchers: [Operation.Waiter] = []
    /// Everything is being ended, and who waits for it.
    var shutdown: Shutdown?
    private var epoch: Int64

    struct Shutdown {
        /// When it ends though killed processes that belong to no operation are still there.
        var giveUpAt: Int64?
        var waiters: [Operation.Waiter] = []
    }

    private static let connectionsMax = 64

    init(folder: NodeFolder, facts: SupervisorFacts, fileMask: mode_t, listener: Int32, signals: Int32) {
        self.folder = folder
        self.facts = facts
        self.fileMask = fileMask
        self.listener = listener
        self.signals = signals
        epoch = folder.number(in: SupervisorFiles.epoch) ?? 0
        makeNonblocking(listener)
    }

    // MARK: The loop

    /// Works until everything has been ended on request.
    func run() {
        while true {
            var waits = [pollfd(fd: signals, events: Int16(POLLIN), revents: 0)]
            waits.append(
                pollfd(fd: connections.count < Self.connectionsMax ? listener : -1, events: Int16(POLLIN), revents: 0)
            )
            for connection in connections.values {
                let events = POLLIN | (connection.wantsToWrite ? POLLOUT : 0)
                waits.append(pollfd(fd: connection.descriptor, events: Int16(events), revents: 0))
            }
            let spools = operations.values.filter { $0.spool.pipe >= 0 }
            for operation in spools {
                waits.append(pollfd(fd: operation.spool.pipe, events: Int16(POLLIN), revents: 0))
            }
            let controls = operations.values.filter { $0.control?.pipe ?? -1 >= 0 }
            for operation in controls {
                waits.append(pollfd(fd: operation.control?.pipe ?? -1, events: Int16(POLLIN), revents: 0))
            }
            var count: Int32 = 0
            if wantsSpareFolder, spareFolder == nil, operations.values.allSatisfy({ $0.control == nil }) {
                count = poll(&waits, nfds_t(waits.count), 0)
                if count == 0 {
                    spareFolder = try? SpareFolder(in: folder)
                    // On a disk that is full it is not tried again and again.
                    wantsSpareFolder = spareFolder != nil
                }
            }
            if count == 0 { count = poll(&waits, nfds_t(waits.count), pollTimeout()) }
            if count < 0, errno != EINTR { Log.say(SystemError("waiting failed").description) }
            if waits[0].revents != 0 { signalled(Signals.take(from: signals)) }
            for (operation, wait) in zip(controls, waits.suffix(controls.count)) where wait.revents != 0 {
                operation.drainControl()
            }
            let outputs = waits.dropLast(controls.count).suffix(spools.count)
            for (operation, wait) in zip(spools, outputs) where wait.revents != 0 {
                if operation.spool.pipe == wait.fd { operation.spool.drain() }
            }
            let others = spools.count + controls.count
            for wait in waits.dropFirst(2).dropLast(others) where wait.revents != 0 {
                guard let connection = connections[wait.fd] else { continue }
                if wait.revents & Int16(POLLOUT) != 0 { connection.flush() }
                if wait.revents & ~Int16(POLLOUT) != 0 {
                    for request in connection.receive() { receive(request, on: connection) }
                }
            }
            if waits[1].revents != 0 { accept() }
            deadlinesPassed()
            dropFinishedConnections()
            if shutdown != nil, advanceShutdown() { return }
        }
    }

    private func pollTimeout() -> Int32 {
        var next = operations.values.compactMap(\.nextDeadline).min()
        if let giveUpAt = shutdown?.giveUpAt { next = min(next ?? .max, giveUpAt) }
        guard let next else { return -1 }
        let rest = next - Clock.monotonic()
        return rest <= 0 ? 0 : Int32(min(rest / 1000 + 1, 3_600_000))
    }

    private func signalled(_ numbers: Set<Int32>) {
        if numbers.contains(SIGCHLD) { reap() }
        if numbers.contains(SIGTERM) || numbers.contains(SIGINT) {
            Log.say("asked by a signal to end everything")
            beginShutdown(grace: 5_000_000, waiter: nil)
        }
    }

    private func accept() {
        let descriptor = Glibc.accept(listener, nil, nil)
        guard descriptor >= 0 else { return }
        guard Connection.isOurs(descriptor) else {
            Log.say("a connection of another user was refused")
            close(descriptor)
            return
        }
        connections[descriptor] = Connection(descriptor: descriptor)
    }

    private func dropFinishedConnections() {
        for connection in connections.values where connection.isFinished {
            connection.closeNow()
            connections[connection.descriptor] = nil
            watchers.removeAll { $0.connection == connection.descriptor }
            for operation in operations.values {
                operation.waiters.removeAll { $0.connection == connection.descriptor }
            }
            shutdown?.waiters.removeAll { $0.connection == connection.descriptor }
        }
    }

    func send(_ body: SupervisorReply.Body, to waiter: Operation.Waiter) {
        connections[waiter.connection]?.send(SupervisorReply(number: waiter.number, body: body))
    }

    // MARK: Epochs

    /// Whether a conductor of this epoch may ask for anything; a newer one than all before is remembered.
    func admits(_ newer: Int64) -> Bool {
        if newer < epoch { return false }
        if newer > epoch {
            epoch = newer
            do throws(SystemError) {
                try folder.replace(SupervisorFiles.epoch, "\(newer)\n")
            } catch {
                Log.say("epoch \(newer) is remembered only while this supervisor lives: \(error)")
            }
        }
        return true
    }

    // MARK: Records

    func remember(_ record: ExitRecord) {
        records[record.operation] = record
        recordOrder.append(record.operation)
        if recordOrder.count >= 2 * Self.recordsMax {
            for old in recordOrder.prefix(Self.recordsMax) { records[old] = nil }
            recordOrder.removeFirst(Self.recordsMax)
        }
    }
}
