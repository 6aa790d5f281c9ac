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
    private let say: @Sendable (String) -> Void
    private let queue: StateLockQueue
    private let bell = Bell()
    private var conductor: Conductor?
    private var conducting: Task<Void, any Error>?
    private var link: ConductorLink?
    private var listening: Task<Void, Never>?
    private var lock: StateLock?

    /// - Parameter say: for what a person should know while it goes on.
    init(_ session: StateSession, say: @escaping @Sendable (String) -> Void) {
        self.session = session
        self.say = say
        queue = StateLockQueue(session.state)
    }

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
    ///   - resuming: the run to go on with, should its conductor be another one than before.
    ///   - resumesAtOnce: whether that holds already for the first conductor.
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

    // MARK: Attaching

    /// Becomes the conductor, or a client of the one there is; returns its wake-ups.
    private func attach(resuming: (@Sendable () -> PlanID?)?) async throws -> AsyncStream<Int64> {
        try Task.checkCancellation()
        if let taken = try takeLock() { return try conduct(taken, resuming) }
        if let wakeUps = try await join(resuming) { return wakeUps }
        let began = HostTime().now()
        let wait = try HolderWait(session.state, queue: queue)
        defer { wait.end() }
        for await wake in wait.wakes {
            if let granted = queue.take() { return try conduct(granted, resuming) }
            if let wakeUps = try await join(resuming) { return wakeUps }
            let holder = Holder(of: session.state)
            switch wake {
            case .changed: break
            case .late: say(holder.deafness(since: began))
            case .tooLate:
                // A stopped one goes on when it is let; for one that will not listen nobody waits until its end.
                guard !holder.isStopped else { continue }
                throw CLIError(holder.deafness(since: began), exitCode: ExitCodes.notObtained)
            }
        }
        throw CancellationError()
    }

    private func takeLock() throws -> StateLock? {
        do {
            return try StateLock.take(session.state)
        } catch {
            throw CLIError(error.description)
        }
    }

    private func conduct(_ taken: StateLock, _ resuming: (@Sendable () -> PlanID?)?) throws -> AsyncStream<Int64> {
        lock = taken
        dropAbandoned()
        // Another conductor may have begun the run and ended since: asked for only now.
        if let id = resuming?() { resume(id) }
        let conductor = try session.makeConductor(bell: bell)
        self.conductor = conductor
        let wakeUps = bell.listen()
        // Awaited in `conductorEnded` and `letGo`.
        conducting = Task { try await conductor.run(group: MultiThreadedEventLoopGroup.singleton) }
        return wakeUps
    }

    /// Connects to who conducts; nil when nobody listens.
    private func join(_ resuming: (@Sendable () -> PlanID?)?) async throws -> AsyncStream<Int64>? {
        let group = MultiThreadedEventLoopGroup.singleton
        guard let link = await ConductorLink.connect(session.state, group: group) else { return nil }
        self.link = link
        // A conductor that has begun meanwhile goes on only with what it is asked for.
        if let id = resuming?() { resume(id) }
        link.poke()
        listening = listen(to: link)
        return link.wakeUps
    }

    private func resume(_ id: PlanID) {
        guard let row = try? session.store.plan(id), row.state == .running || row.state == .pending else { return }
        _ = try? session.store.submit(.takeUp(id), at: HostTime().now())
    }

    /// What a command asked for that has ended is not begun by the next one: nobody waits for it, and long after it was
    /// typed it is no longer what anybody wants. What was begun goes on; this was not.
    private func dropAbandoned() {
        for row in (try? session.store.requests(after: 0)) ?? [] {
            guard case .submit(let token, let spec) = row.request, RequestToken.authorIsGone(token) == true,
                (try? session.store.withdraw(request: row.id)) == true
            else { continue }
            say("dropped: \(spec.verb.rawValue), which nobody began before the command that asked for it ended")
        }
    }

    /// Tells when who conducts has fallen silent, and when it answers again.
    private func listen(to link: ConductorLink) -> Task<Void, Never> {
        let (state, say) = (session.state, say)
        // It only speaks; cancelled with the link.
        return Task {
            var silentSince: Timestamp?
            while (try? await Task.sleep(for: .seconds(2))) != nil {
                let heard = link.lastHeard
                if let since = silentSince {
                    guard heard != since else { continue }
                    silentSince = nil
                    say("the command that conducts this state answers again")
                }
                guard HostTime().now() - heard > .seconds(2) else { continue }
                // It may just have nothing to tell; a poke is always answered.
                link.poke()
                guard (try? await Task.sleep(for: .seconds(1))) != nil else { return }
                guard link.lastHeard == heard else { continue }
                silentSince = heard
                say(Holder(of: state).silence(since: heard))
            }
        }
    }

    // MARK: Letting go

    /// The wake-ups have ended: the own conductor failed, or the other one is gone.
    private func conductorEnded() async throws {
        listening?.cancel()
        listening = nil
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

    /// Takes a request back that nobody has begun; false when it was answered.
    func withdraw(_ request: Int64) -> Bool { (try? session.store.withdraw(request: request)) ?? false }

    /// Ends conducting or being a client. Others take over at once.
    func letGo() async {
        conductor?.stop()
        _ = await conducting?.result
        conductor = nil
        conducting = nil
        listening?.cancel()
        listening = nil
        await link?.close()
        link = nil
        queue.leave()
        lock?.release()
        lock = nil
    }
}
