import Foundation
import MusterCore
import MusterStore

/// A folder that goes when nobody uses it any more.
final class TemporaryFolder: Sendable {
    let path: String

    init() {
        var template = Array((NSTemporaryDirectory() + "/muster-store-XXXXXX").utf8CString)
        path = template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) }.map { String(cString: $0) } ?? ""
        precondition(!path.isEmpty, "no temporary folder can be made")
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String = "state/muster.db") -> String { path + "/" + name }

    /// The content of a file; nil when it is not there.
    func content(_ name: String = "state/muster.db") -> Data? { FileManager.default.contents(atPath: file(name)) }

    /// The permission bits of a file or folder.
    func mode(_ name: String) -> UInt32? {
        var status = stat()
        return stat(file(name), &status) == 0 ? status.st_mode & 0o7777 : nil
    }

    /// All files below the folder, sorted.
    var files: [String] {
        (FileManager.default.subpaths(atPath: path) ?? []).sorted()
    }
}

/// What `body` throws; nil when it succeeds.
func storeError(_ body: () throws -> Void) -> StoreError? {
    do {
        try body()
        return nil
    } catch {
        return error as? StoreError
    }
}

/// A plan with its request, ready to be committed.
func fill(_ turn: inout Turn, plan number: Int64, steps: Int = 0, state: PlanState = .running) {
    var plan = PlanRow(
        id: PlanID(number),
        request: "request-\(number)",
        verb: .up,
        lab: "shop",
        host: "host",
        epoch: turn.epoch,
        createdAt: turn.now
    )
    plan.state = state
    turn.plans.append(plan)
    turn.newSpecs[plan.id] = RunSpec(verb: .up, lab: "shop", labDirectory: "/lab")
    for index in 0..<steps {
        turn.steps.append(
            StepRow(plan: plan.id, index: StepIndex(index), isNew: true, spec: StepSpec(.noop), needs: [])
        )
    }
}

/// Registers and commits one turn.
@discardableResult
func commit(to store: some Store, _ fill: (inout Turn) -> Void) throws -> Epoch {
    let now = Timestamp(rawValue: 1_700_000_000_000_000)
    var turn = Turn(now: now, epoch: try store.register(host: "host", pid: 1, now: now))
    fill(&turn)
    try store.commit(turn)
    return turn.epoch
}
