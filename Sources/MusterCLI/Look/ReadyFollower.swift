import MusterCore
import MusterEngine
import MusterStore
import NIOPosix

/// Waits until groups and nodes are ready: woken by whoever conducts, decided by what is stored.
struct ReadyFollower: Sendable {
    let session: StateSession
    let targets: [ReadyWait.Target]
    let quorum: WaitQuorum
    let deadline: Timestamp
    let waitsForConductor: Bool
    /// Told of each node that gets there, or that never will.
    let say: @Sendable (String) -> Void

    struct End: Sendable {
        var wait: ReadyWait
        var isTimeout = false
        /// Nobody is there who could bring it about.
        var isDeserted = false
        /// The newest event that was seen.
        var position: Int64
    }

    func follow() async throws -> End {
        let first = try look()
        if isOver(first.wait) { return first }
        return try await withThrowingTaskGroup(of: End.self) { group in
            group.addTask {
                try await HostTime().sleep(for: max(.zero, deadline - HostTime().now()))
                var end = try look()
                end.isTimeout = !isOver(end.wait)
                return end
            }
            group.addTask { try await watch(from: first) }
            defer { group.cancelAll() }
            guard let end = try await group.next() else { return first }
            return end
        }
    }

    private func isOver(_ wait: ReadyWait) -> Bool { wait.isSatisfied || wait.hopelessness != nil }

    /// Looks after each word of who conducts, until it is decided.
    private func watch(from first: End) async throws -> End {
        var told: [String: ReadyWait.Verdict] = [:]
        func news() throws -> End {
            let end = try look()
            for node in end.wait.nodes where told[node.name] != node.verdict {
                told[node.name] = node.verdict
                switch node.verdict {
                case .there: say("\(node.name): there")
                case .never(let reason): say("\(node.name): failed: \(printable(reason))")
                case .pending: break
                }
            }
            return end
        }
        while true {
            let folder = try FolderWatch(session.state.path)
            let link = await ConductorLink.connect(session.state, group: MultiThreadedEventLoopGroup.singleton)
            if let link {
                let end = try news()
                if isOver(end.wait) { return end }
                for await _ in link.wakeUps {
                    let end = try news()
                    if isOver(end.wait) { return end }
                }
            }
            var end = try news()
            if isOver(end.wait) { return end }
            // One that is just beginning, or ending, is heard of by its socket.
            guard waitsForConductor || StateLock.isHeld(session.state) else {
                end.isDeserted = true
                return end
            }
            try await folder.change(of: [StateDirectory.socketName])
        }
    }

    private func look() throws -> End {
        let store = session.store
        return try RunLookup(store: store).read { () throws(StoreError) in
            let position = try store.position()
            let standings = try GroupStandings.read(store)
            var states: [NodeID: NodeStateRow] = [:]
            for row in try store.nodeStates(lab: nil) { states[row.node] = row }
            var tables: [String: ModeTable] = [:]
            for lab in Set(standings.flatMap(\.all).map(\.lab)) {
                tables[lab] = try store.modes(of: lab).map(ModeTable.init)
            }
            let wait = ReadyWait(targets, quorum: quorum, among: standings, comesLater: waitsForConductor) { node in
                guard let table = tables[node.lab], let row = states[node.id], let mode = table.mode(row.mode),
                    let state = table.state(row.state)
                else { return true }
                return table.isReady(mode, state)
            }
            return End(wait: wait, position: position)
        }
    }
}
