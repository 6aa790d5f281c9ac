import Foundation
import Logging
import MusterCore
import MusterEngine
import MusterStore
import Synchronization

/// Tells hooks of changes of plans, from where it was told last on.
package final class HookFollower: Sendable {
    /// Where it is kept how far hooks were told.
    package struct Memory: Sendable {
        let read: @Sendable () -> Int64?
        let write: @Sendable (Int64) throws -> Void
        let name: String

        /// A file of the state.
        static func file(_ path: String) -> Memory {
            Memory(
                read: {
                    guard let data = FileManager.default.contents(atPath: path) else { return nil }
                    return Int64(String(decoding: data, as: UTF8.self).prefix { $0 != "\n" })
                },
                write: { try Data("\($0)\n".utf8).write(to: URL(fileURLWithPath: path), options: .atomic) },
                name: path
            )
        }

        /// For as long as the process lives, from the beginning on.
        package static func process() -> Memory {
            let position = Kept()
            return Memory(read: { position.value.withLock { $0 } }, write: { position.write($0) }, name: "the memory")
        }

        private final class Kept: Sendable {
            let value = Mutex<Int64?>(0)
            func write(_ position: Int64) { value.withLock { $0 = position } }
        }
    }

    private let plans: Plans
    private let telemetry: Telemetry
    private let memory: Memory

    /// - Parameter memory: a file of the state when there is none.
    package init(_ plans: Plans, memory: Memory? = nil) {
        self.plans = plans
        telemetry = plans.telemetry
        self.memory = memory ?? .file("\(plans.state.path)/hooks-\(plans.name)")
    }

    private var isWanted: Bool {
        !plans.options.hooks.isEmpty || telemetry.metrics != nil
    }

    /// Follows until the task is cancelled or the conductor has ended.
    func run() async {
        guard isWanted else { return }
        do {
            var position = try readPosition()
            let turns = plans.bell.listen()
            position = try await tell(after: position)
            for await _ in turns { position = try await tell(after: position) }
            // What happened in the last turn.
            _ = try await tell(after: position)
        } catch {
            plans.options.logger.error("hooks are told no more of plans of '\(plans.name)': \(error)")
        }
    }

    /// Tells what has happened since it was told last; whether that was anything.
    package func catchUp() async throws -> Bool {
        guard isWanted else { return false }
        let position = try readPosition()
        return try await tell(after: position) != position
    }

    private func readPosition() throws -> Int64 {
        if let position = memory.read() { return position }
        // What happened before there were hooks is not told.
        let position = try plans.store.position()
        write(position)
        return position
    }

    private func write(_ position: Int64) {
        do {
            try memory.write(position)
        } catch {
            plans.options.logger.warning(
                "\(memory.name) cannot be written (\(error)); hooks may be told of something twice"
            )
        }
    }

    private func tell(after start: Int64) async throws -> Int64 {
        var position = start
        while !Task.isCancelled {
            let rows = try plans.store.events(after: position, plan: nil, limit: 500)
            guard let last = rows.last else { break }
            for row in rows {
                if let change = try change(row) { await tell(change) }
            }
            position = last.position
        }
        if position != start { write(position) }
        return position
    }

    private func change(_ row: EventRow) throws -> PlanChange? {
        guard row.kind.rawValue.hasPrefix("plan."), let id = row.plan, let plan = try plans.store.plan(id),
            plan.verb == .plan, plan.lab == plans.name, let program = try plans.store.spec(of: id)?.program
        else { return nil }
        if row.kind == .planStopped { telemetry.planEnded(program.name, result: row.detail ?? "") }
        return PlanChange(
            plan: RunName(id).description,
            action: program.name,
            kind: row.kind.rawValue,
            detail: row.detail
        )
    }

    private func tell(_ change: PlanChange) async {
        for hook in plans.options.hooks {
            do {
                try await hook.body(change)
            } catch {
                plans.options.logger.error("a hook failed for \(change.kind) of \(change.plan): \(error)")
            }
        }
    }
}
