import Foundation
import MusterCore
import MusterEngine
import MusterStore
import NIOCore
import NIOPosix

/// Follows a run to its end, as the state's conductor or as a client of it, whichever is free, changing over when the
/// conductor is lost.
///
/// It asks by rows in the store's inbox and learns by reading the store when it is woken; nothing depends on a message.
actor RunFollower {
    private let session: StateSession
    private let bell = Bell()
    private var conductor: Conductor?
    private var conducting: Task<Void, any Error>?
    private var link: ConductorLink?
    private var lock: StateLock?

    init(_ session: StateSession) { self.session = session }

    /// How a watched thing stands after a look at the store.
    enum Look: Sendable { case goesOn, isOver }

    /// Puts a request into the store and wakes who conducts; returns the request's number.
    @discardableResult
    func ask(_ request: Request) throws -> Int64 {
        let number: Int64
        do {
            number = try session.store.submit(request, at: HostTime().now())
        } catch {
            throw CLIError(error.message, exitCode: error.code.exitCode)
        }
        conductor?.poke()
        link?.poke()
        return number
    }

    /// Looks at the store after every wake-up until `look` says that it is over, or the task is cancelled.
    ///
    /// - Parameters:
    ///   - resuming: the run to go on with, should this process become the conductor in another's place.
    ///   - resumesAtOnce: whether that holds already when it becomes the conductor for the first time.
    func follow(
        resuming: @escaping @Sendable () -> PlanID?,
        resumesAtOnce: Bool,
        look: @Sendable () async throws -> Look
    ) async throws {
        var isFirst = true
        while try await look() == .goesOn {
            let wakeUps = try await attach(resuming: isFirst && !resumesAtOnce ? nil : resuming)
            isFirst = false
            // What happened while nobody was attached is seen now; from here on every change wakes.
            if try await look() == .isOver { break }
            for await _ in wakeUps where try await look() == .isOver { return await letGo() }
            try Task.checkCancellation()
            try await conductorEnded()
        }
        await letGo()
    }

    /// Becomes the conductor, or a client of the one there is; returns its wake-ups.
    private func attach(resuming: (@Sendable () -> PlanID?)?) async throws -> AsyncStream<Int64> {
        while true {
            try Task.checkCancellation()
            if let taken = try takeLock() {
                lock = taken
                // Another conductor may have begun the run and ended since: asked for only now.
                if let id = resuming?() { try resume(id) }
                let conductor = try session.makeConductor(bell: bell)
                self.conductor = conductor
                let wakeUps = bell.listen()
                // Awaited in `conductorEnded` and `letGo`.
                conducting = Task { try await conductor.run(group: MultiThreadedEventLoopGroup.singleton) }
                return wakeUps
            }
            if let link = await ConductorLink.connect(session.state, group: MultiThreadedEventLoopGroup.singleton) {
                self.link = link
                link.poke()
                return link.wakeUps
            }
            // The holder of the lock is just starting or ending: there is no event for "now it listens".
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    private func takeLock() throws -> StateLock? {
        do {
            return try StateLock.take(session.state)
        } catch {
            throw CLIError(error.description)
        }
    }

    private func resume(_ id: PlanID) throws {
        guard let row = try? session.store.plan(id), row.state == .running || row.state == .pending else { return }
        _ = try? session.store.submit(.resume(id), at: HostTime().now())
    }

    /// The wake-ups have ended: the own conductor failed, or the other one is gone.
    private func conductorEnded() async throws {
        link = nil
        guard let conducting else { return }
        self.conducting = nil
        conductor = nil
        defer {
            lock?.release()
            lock = nil
        }
        do {
            try await conducting.value
        } catch let error as StoreError {
            throw CLIError(
                "\(error.message)\nThe run is interrupted, nothing is lost; afterwards: muster resume",
                exitCode: error.code.exitCode
            )
        }
    }

    /// Ends conducting or being a client. Others take over at once.
    func letGo() async {
        conductor?.stop()
        _ = await conducting?.result
        conductor = nil
        conducting = nil
        await link?.close()
        link = nil
        lock?.release()
        lock = nil
    }
}
