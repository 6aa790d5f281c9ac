import MusterCore

/// What names an operation everywhere outside the store: one try of one step.
struct SimulatedOperationKey: Hashable {
    let step: StepID
    let number: Int32

    init(_ act: Act) {
        step = act.step
        number = act.number
    }

    init(step: StepID, number: Int32) {
        self.step = step
        self.number = number
    }
}

/// The machines with their supervisors. They outlive every conductor, keep a record of each operation, start none
/// twice, and refuse conductors of an older term than the newest they have heard of.
final class SimulatedMachines {
    struct Operation {
        var act: Act
        /// nil while it runs.
        var outcome: ActOutcome?
        /// What will come of it when nothing happens to it.
        var planned: ActOutcome
        /// Who waits for its end, by the number of the conductor.
        var waiters: [Int] = []
        var starts = 0
        var isEnding = false
    }

    final class Machine {
        /// Whether its supervisor answers.
        var isThere = true
        /// Why its server ended by itself; nil while it runs.
        var loss: String?
        /// The newest term it has heard of.
        var epoch: Epoch
        var running: [SimulatedOperationKey] = []
        /// Entries of `provision` that were begun here, and those whose undoing was asked for.
        var begun: Set<Int32> = []
        var watchers: [Int] = []

        init(epoch: Epoch) { self.epoch = epoch }
    }

    private(set) var machines: [NodeID: Machine] = [:]
    var operations: [SimulatedOperationKey: Operation] = [:]
    /// Of each step the operations that run now.
    private var live: [StepID: [Int32]] = [:]
    /// Operations of which was not told what became of them: nobody waits for their end.
    var doubted: Set<SimulatedOperationKey> = []
    /// Entries whose undoing was asked for, by node.
    var undone: [NodeID: Set<Int32>] = [:]

    subscript(node: NodeID) -> Machine? { machines[node] }

    /// The nodes whose machine exists, by number.
    var existing: [NodeID] { machines.filter { $0.value.isThere }.map(\.key).sorted() }

    func isRunning(_ step: StepID, _ number: Int32) -> Bool { live[step]?.contains(number) == true }
    func running(_ step: StepID) -> [SimulatedOperationKey] {
        (live[step] ?? []).map { SimulatedOperationKey(step: step, number: $0) }
    }
    var isAnythingRunning: Bool { !live.isEmpty }

    func make(_ node: NodeID, epoch: Epoch) -> Machine {
        let machine = Machine(epoch: epoch)
        machines[node] = machine
        return machine
    }

    func remove(_ node: NodeID) { machines[node] = nil }

    func began(_ key: SimulatedOperationKey, on machine: Machine) {
        live[key.step, default: []].append(key.number)
        machine.running.append(key)
    }

    func ended(_ key: SimulatedOperationKey, _ outcome: ActOutcome, on machine: Machine?) {
        operations[key]?.outcome = outcome
        live[key.step]?.removeAll { $0 == key.number }
        if live[key.step]?.isEmpty == true { live[key.step] = nil }
        machine?.running.removeAll { $0 == key }
    }
}
