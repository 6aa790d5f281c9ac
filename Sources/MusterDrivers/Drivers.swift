package import MusterCore

/// The drivers of a conductor, by the kind of machine that each makes.
package struct Drivers: Sendable {
    private let byKind: [String: any Driver]

    /// - Precondition: no two are of one kind.
    package init(_ drivers: [any Driver]) {
        byKind = Dictionary(uniqueKeysWithValues: drivers.map { ($0.kind, $0) })
    }

    /// The one that has made a node, or is to make it; one that refuses everything where there is none of its kind.
    package func of(_ node: NodeHandle) -> any Driver { byKind[node.driver] ?? MissingDriver(kind: node.driver) }

    /// Ends what drivers keep for themselves.
    package func close() async {
        await withTaskGroup { group in
            for driver in byKind.values { group.addTask { await driver.close() } }
        }
    }

    /// What those of some kinds have made for the state, found from outside.
    package func belongings(of kinds: Set<String>) async -> Belongings {
        await withTaskGroup(of: Belongings.self) { group in
            for (kind, driver) in byKind where kinds.contains(kind) { group.addTask { await driver.belongings() } }
            return await group.reduce(Belongings(), +)
        }
    }

    /// Whether nodes of a kind have this host's files.
    package func sharesFiles(_ kind: String) -> Bool { byKind[kind]?.sharesFiles ?? true }

    /// What nodes of each kind can have done to them as a whole.
    package var capabilities: [String: Set<Capability>] { byKind.mapValues(\.capabilities) }
    /// How nodes of each kind can be rebooted and powered.
    package var rungs: [String: Set<Rung>] { byKind.mapValues(\.rungs) }
}

/// Stands for a driver that this program does not have: its nodes are another one's.
private struct MissingDriver: Driver {
    let kind: String

    private var refusal: StepError {
        StepError(.refused, "this program has no driver '\(kind)'; use the one that made the node, or another --state")
    }

    func create(
        _ node: NodeHandle,
        operation: OperationID,
        server: Command?
    ) async throws(StepError) -> [String: String] { throw refusal }

    func run(_ command: Command, on node: NodeHandle, operation: OperationID) async throws(StepError) -> ProcessExit {
        throw refusal
    }

    func status(of operation: OperationID, on node: NodeHandle) async throws(StepError) -> OperationStatus {
        throw refusal
    }

    func attach(to operation: OperationID, on node: NodeHandle) async throws(StepError) -> ProcessExit { throw refusal }
    func running(on node: NodeHandle) async throws(StepError) -> [OperationID] { throw refusal }
    func end(_ operation: OperationID, on node: NodeHandle, grace: Duration) async throws(StepError) { throw refusal }
    func put(_ files: [FileContent], on node: NodeHandle) async throws(StepError) { throw refusal }
    func probe(_ probe: ReadyCondition.Probe, on node: NodeHandle, within: Duration) async throws(StepError) {
        throw refusal
    }
    var rungs: Set<Rung> { [] }
    func powerOff(_ node: NodeHandle, grace: Duration) async throws(StepError) { throw refusal }
    func powerOn(_ node: NodeHandle, operation: OperationID) async throws(StepError) { throw refusal }
    func destroy(_ node: NodeHandle) async throws(StepError) { throw refusal }
    func watch(_ node: NodeHandle) async throws(StepError) { throw refusal }
    func outputPath(of operation: OperationID, on node: NodeHandle) -> String { "" }
}
