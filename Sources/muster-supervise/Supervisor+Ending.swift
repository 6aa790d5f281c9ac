import Glibc
import MusterSupervision

extension Supervisor {
    /// How long killed processes may take to go; some hang in the kernel for ever.
    private static let killingMax: Int64 = 10_000_000

    func members(of operation: Operation) -> [ProcessEntry] {
        descendants.members(of: operation, among: operations)
    }

    /// Begins to end an operation with all its descendants: TERM now, KILL after the grace.
    func end(_ operation: Operation, grace: Int64, interrupting: Bool) {
        let until = Clock.monotonic() + grace
        switch operation.phase {
        case .running, .left:
            if interrupting, operation.isMainAlive, operation.phase == .running { operation.interrupted = true }
            operation.phase = .terminating(until: until)
            operation.deadline = nil
            for member in members(of: operation) {
                kill(member.pid, SIGTERM)
                kill(member.pid, SIGCONT)  // a stopped process would not see it
            }
        case .terminating(let before): operation.phase = .terminating(until: min(before, until))
        case .killing: return
        }
        advance(operation)
    }

    func beginKilling(_ operation: Operation) {
        operation.phase = .killing(until: Clock.monotonic() + Self.killingMax)
        Killing.killAll { members(of: operation) }
        advance(operation)
    }

    /// Goes on with an operation after some process ended.
    func advance(_ operation: Operation) {
        switch operation.phase {
        case .running:
            guard !operation.isMainAlive else { return }
            if operation.spec.keepsLeftovers {
                finish(operation)
                return
            }
            let left = members(of: operation)
            if left.isEmpty {
                finish(operation)
            } else {
                operation.leftovers = Int32(truncatingIfNeeded: left.count)
                beginKilling(operation)
            }
        case .terminating:
            if !operation.isMainAlive, members(of: operation).isEmpty { finish(operation) }
        case .killing:
            guard !operation.isMainAlive else { return }
            if members(of: operation).isEmpty {
                finish(operation)
            } else {
                Killing.killAll { members(of: operation) }
            }
        case .left:
            if !descendants.hasOrphans(of: operation.id) { retire(operation) }
        }
    }

    /// Records the end of an operation and tells those who wait for it.
    func finish(_ operation: Operation) {
        operation.spool.drain()
        operation.spool.assemble()
        operation.control?.drainAll(now: Clock.monotonic())
        let isFirstEnd = records[operation.id] == nil
        if isFirstEnd {
            let record = operation.record(endedAt: Clock.utc())
            do throws(SystemError) {
                try operation.folder.write(exit: record)
            } catch {
                Log.say(error.description)
            }
            remember(record)
        }
        let record = records[operation.id]
        for waiter in operation.waiters {
            switch waiter.answer {
            case .done: send(.done, to: waiter)
            case .record: send(record.map { .ended($0) } ?? .unknown, to: waiter)
            }
        }
        operation.waiters = []
        if operation.spec.keepsLeftovers, isFirstEnd, operation.phase == .running, !members(of: operation).isEmpty {
            operation.phase = .left
        } else {
            retire(operation)
        }
        if operation.spec.isServer, isFirstEnd, !operation.isWanted, shutdown == nil, let record {
            report(loss: Self.reason(record))
        }
    }

    /// Forgets an operation of which nothing lives any more.
    private func retire(_ operation: Operation) {
        operation.spool.drain()
        operation.spool.assemble()
        operation.spool.closeAll()
        operation.control?.closeAll()
        operation.folder.closeAll()
        operations[operation.id] = nil
    }

    private func report(loss reason: String) {
        loss = reason
        for watcher in watchers { send(.lost(reason: reason), to: watcher) }
        watchers = []
    }

    private static func reason(_ record: ExitRecord) -> String {
        if let notStarted = record.notStarted { return "its server could not be started: \(notStarted)" }
        if record.interrupted { return "its server was ended on request" }
        if let signal = record.signal { return "its server was ended by signal \(signal)" }
        return "its server ended by itself with exit \(record.status ?? 0)"
    }

    // MARK: The end of everything

    func beginShutdown(grace: Int64, waiter: Operation.Waiter?) {
        if shutdown == nil { shutdown = Shutdown() }
        if let waiter { shutdown?.waiters.append(waiter) }
        for operation in Array(operations.values) {
            operation.isWanted = true
            end(operation, grace: grace, interrupting: true)
        }
    }

    /// Whether nothing is left but the supervisor itself.
    func advanceShutdown() -> Bool {
        guard let shutdown, operations.isEmpty else { return false }
        let strays = ProcessTable.trees(under: ProcessTable.children(of: getpid()))
        let now = Clock.monotonic()
        if !strays.isEmpty, now < shutdown.giveUpAt ?? .max {
            if shutdown.giveUpAt == nil { self.shutdown?.giveUpAt = now + Self.killingMax }
            Killing.killAll { ProcessTable.trees(under: ProcessTable.children(of: getpid())) }
            return false
        }
        for stray in strays { Log.say("process \(stray.pid) could not be ended") }
        unlinkat(folder.descriptor, SupervisorFiles.socket, 0)
        for waiter in shutdown.waiters {
            if let connection = connections[waiter.connection] {
                // The last words may block: nobody else waits any more.
                _ = fcntl(connection.descriptor, F_SETFL, 0)
                connection.send(SupervisorReply(number: waiter.number, body: .done))
            }
        }
        return true
    }
}
