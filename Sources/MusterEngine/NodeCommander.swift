import Logging
import MusterCore
import MusterDrivers
import Synchronization

/// Does what modes and states of nodes have brought about: commands to nodes, and reports of those that do not report
/// themselves. It decides nothing; what came of it goes into the inbox as an event like any other.
///
/// Nothing is done twice: what a crash has lost, the deadline of the command has tried again.
final class NodeCommander: Sendable {
    /// How it is known that a node is up again.
    struct Readying: Sendable {
        var conditions: [ReadyCondition]
        var commands: [Int: Command]

        /// Whether the node itself says that it is up.
        var isToldByNode: Bool {
            conditions.contains { if case .state = $0.probe { true } else { false } }
        }
    }

    private let drivers: Drivers
    private let inbox: Inbox
    private let time: any TimeSource
    private let stateName: String
    private let logger: Logger
    private let work = Mutex(Work())

    private struct Work {
        /// What is done, also by those that were told to end and have not yet.
        var tasks: [Int64: Task<Void, Never>] = [:]
        /// The newest of each node: the next one comes after it, and has it end.
        var newest: [NodeID: Int64] = [:]
        /// The newest command of each node: of those before nothing is begun any more.
        var commands: [NodeID: Int64] = [:]
        var last: Int64 = 0
    }

    init(drivers: Drivers, inbox: Inbox, time: any TimeSource, stateName: String, logger: Logger) {
        self.drivers = drivers
        self.inbox = inbox
        self.time = time
        self.stateName = stateName
        self.logger = logger
    }

    /// Begins what was directed.
    func perform(_ directive: NodeDirective, on node: NodeHandle, _ readying: Readying) {
        switch directive {
        case .command(_, _, let rung, let attempt):
            begin(node, isCommand: true) { [self] number in
                guard node.tenure.mayAct, isNewest(number, of: node) else { return }
                // Not cancelled with this task: a node that was switched off is to be switched on again.
                let sending = Task { [self] () -> StepError? in
                    do throws(StepError) {
                        try await carryOut(rung, on: node, number: number)
                        return nil
                    } catch {
                        return error
                    }
                }
                if let error = await sending.value {
                    if !Task.isCancelled {
                        inbox.put(.commandFailed(node.id, rung, attempt: attempt, reason: error.message))
                    }
                } else if rung.bringsUp, !Task.isCancelled {
                    await awaitReady(node, readying, number: number)
                }
            }
        case .report(_, let state): report(state, of: node)
        case .pingUntilUp:
            begin(node, isCommand: false) { [self] number in await awaitReady(node, readying, number: number) }
        // The Director makes errands of the former, the reader of reports does the latter.
        case .run, .readReports: break
        }
    }

    /// One after another: two never switch one node at the same time.
    private func begin(
        _ node: NodeHandle,
        isCommand: Bool,
        _ body: @escaping @Sendable (_ number: Int64) async -> Void
    ) {
        work.withLock { work in
            work.last += 1
            let number = work.last
            let former = work.newest.updateValue(number, forKey: node.id).flatMap { work.tasks[$0] }
            former?.cancel()
            if isCommand { work.commands[node.id] = number }
            // Tracked in `tasks`, and awaited in `stop()`.
            let task = Task { [self] in
                await former?.value
                await body(number)
                self.work.withLock { work in
                    work.tasks[number] = nil
                    if work.newest[node.id] == number { work.newest[node.id] = nil }
                    if work.commands[node.id] == number { work.commands[node.id] = nil }
                }
            }
            work.tasks[number] = task
        }
    }

    /// Whether no other command has come for the node since.
    private func isNewest(_ number: Int64, of node: NodeHandle) -> Bool {
        work.withLock { $0.commands[node.id] == number }
    }

    private func carryOut(_ rung: Rung, on node: NodeHandle, number: Int64) async throws(StepError) {
        let driver = drivers.of(node)
        // Whoever can have it rebooted can bring it up again.
        guard driver.rungs.contains(rung) || (rung == .powerOn && driver.rungs.contains(.soft)) else {
            throw StepError(.refused, "a node of driver '\(driver.kind)' cannot \(rung.rawValue)")
        }
        if rung != .powerOn {
            try await driver.powerOff(node, grace: rung == .soft ? Defaults.grace : .zero)
            inbox.put(.powered(node.id, .stopped))
        }
        // What was asked for since decides whether it is to run.
        guard rung.bringsUp, isNewest(number, of: node) else { return }
        let operation = OperationID("\(stateName)-n\(node.id.rawValue)-\(node.tenure.epoch)-\(number)")
        try await driver.powerOn(node, operation: operation)
        inbox.put(.powered(node.id, .starting))
    }

    /// A machine that cannot say by itself that it is up is asked.
    private func awaitReady(_ node: NodeHandle, _ readying: Readying, number: Int64) async {
        let operation = OperationID("\(stateName)-n\(node.id.rawValue)-\(node.tenure.epoch)-\(number)-r")
        do throws(StepError) {
            try await Readiness(driver: drivers.of(node), time: time).await(
                readying.conditions,
                commands: readying.commands,
                on: node,
                operation: operation
            )
        } catch {
            if !Task.isCancelled { logger.notice("\(node.name) is not ready: \(error.message)") }
            return
        }
        if !Task.isCancelled, !readying.isToldByNode { inbox.put(.powered(node.id, .ready)) }
    }

    private func report(_ state: String, of node: NodeHandle) {
        inbox.put(.reported(NodeReport(lab: node.lab, node: node.name, .state(state), source: "driver")))
    }

    /// The nodes belong to another conductor now: nothing more is done to them.
    func abandon() {
        for task in work.withLock({ Array($0.tasks.values) }) { task.cancel() }
    }

    /// Ends all waiting; what was begun at a node goes on there.
    func stop() async {
        abandon()
        for task in work.withLock({ Array($0.tasks.values) }) { await task.value }
    }
}

extension Rung {
    /// Whether the node is to run afterwards.
    fileprivate var bringsUp: Bool {
        switch self {
        case .wake, .soft, .hard, .powerCycle, .powerOn: true
        case .powerOff: false
        }
    }
}
