import Foundation
package import Logging
package import MusterCore
package import MusterDrivers
package import MusterStore
package import NIOCore
import Synchronization

/// The process that performs: the inbox, the turn on its own thread, the performer, and the socket for other commands.
///
/// Made while its state's lock is held. `run()` is start-up, work and shut-down; recovery after a crash is its
/// start-up.
package final class Conductor: Sendable {
    private let inbox = Inbox()
    private let bell: Bell
    private let performer: Performer
    private let core: Mutex<ConductorCore?>
    private let logger: Logger
    private let state: StateDirectory
    private let cleaning: Housekeeping.Policy?
    private let socket = Mutex<ConductorSocket?>(nil)
    private let failure = Mutex<StoreError?>(nil)
    private let grace: Duration

    /// - Parameters:
    ///   - host: performs the actions of programs; `identity.queues` says how many at once.
    ///   - makeDrivers: gets the place where drivers report lost nodes.
    ///   - bell: rung after each commit, for followers in this process.
    ///   - desk: is told of what each turn has committed, for those who wait for states of nodes in this process.
    ///   - cleaning: which plans it deletes by itself; nil for none.
    ///   - grace: how long calls of a program's actions may go on when it is to end.
    package init(
        store: any Store,
        state: StateDirectory,
        identity: ConductorCore.Identity,
        bell: Bell,
        surroundings: CommandBuilder.Surroundings,
        time: any TimeSource,
        host: (any ActionHost)? = nil,
        desk: WaitDesk? = nil,
        cleaning: Housekeeping.Policy? = nil,
        grace: Duration = .seconds(5),
        logger: Logger,
        makeDrivers: (@escaping @Sendable (DriverEvent) -> Void) -> [any Driver]
    ) throws(StoreError) {
        self.bell = bell
        self.logger = logger
        self.state = state
        self.cleaning = cleaning
        self.grace = grace
        let inbox = inbox
        let drivers = Drivers(
            makeDrivers { event in
                switch event {
                case .lost(let node, let reason): inbox.put(.nodeLost(node, reason: reason))
                }
            }
        )
        performer = Performer(
            drivers: drivers,
            inbox: inbox,
            time: time,
            settings: Performer.Settings(state: state, stateName: store.stateName, surroundings: surroundings),
            host: host,
            logger: logger
        )
        var identity = identity
        identity.capabilities = drivers.capabilities
        identity.rungs = drivers.rungs
        var core = try ConductorCore(store: store, identity: identity, time: time)
        core.desk = desk
        self.core = Mutex(core)
    }

    /// Conducts until `stop()` or until a turn cannot be committed any more.
    ///
    /// - Throws: `StoreError` when the store ended it. Nothing is lost: the next conductor goes on.
    package func run(group: any EventLoopGroup) async throws {
        let watched = core.withLock { core in
            if let core { performer.renew(core.epoch, until: core.actsUntil) }
            return (core?.director.watchedNodes ?? []).map { ($0, core?.director.reportPosition(of: $0.id)) }
        }
        let inbox = inbox
        do {
            let opened = try await ConductorSocket.open(state, group: group) { inbox.put(.requestsArrived) }
            socket.withLock { $0 = opened }
        } catch {
            logger.warning("no other command can reach this one: its socket in \(state.path) failed: \(error)")
        }
        // What was lost while nobody looked is known before anything is decided.
        await performer.settle(watched)
        inbox.put(.requestsArrived)
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            let thread = Thread { [self] in
                loop()
                done.resume()
            }
            thread.name = "conductor"
            thread.stackSize = 8 << 20
            thread.start()
        }
        await performer.stop()
        let opened = socket.withLock { socket in
            defer { socket = nil }
            return socket
        }
        await opened?.close()
        bell.fallSilent()
        if let error = failure.withLock({ $0 }) { throw error }
    }

    /// A request lies in the store's inbox table.
    package func poke() { inbox.put(.requestsArrived) }

    /// Something was said of a node, by somebody in this process: it counts when its turn is committed.
    package func take(_ report: NodeReport) { inbox.put(.reported(report)) }

    /// Begins a plan that this process has built. It is acknowledged by its row: `Store.plan(request:)` after the bell.
    package func submit(_ plan: consuming PlanSubmission) { inbox.put(.submitted(plan)) }

    /// Ends after the present turn, or when the calls that are under way have ended, within the grace. What runs on
    /// nodes goes on under its supervisors.
    package func stop() { inbox.put(.stop) }

    private func loop() {
        // The core belongs to this thread alone from here on.
        guard
            var core = core.withLock({ core in
                defer { core = nil }
                return core
            })
        else { return }
        var announcer = Announcer()
        var outage = Outage()
        var housekeeping = cleaning.map { Housekeeping($0, now: core.now()) }
        while true {
            // While the store does not answer, what arrives waits.
            if outage.hasFailed {
                if inbox.awaitStop(for: outage.pause) { return }
            }
            let pause = [core.timeToNextTimer(), housekeeping?.timeLeft(at: core.now())].compactMap(\.self).min()
            let items = outage.hasFailed ? [] : inbox.take(timeout: pause)
            let isLast = items.contains { if case .stop = $0 { true } else { false } }
            do {
                if isLast { core.beginNoCalls() }
                try take(consume items, by: &core)
                if isLast {
                    try awaitCalls(of: &core)
                    // However short a command was: what a lost conductor has left running is known and ended by it.
                    performer.awaitSurveys()
                    performer.awaitErrands()
                    performer.perform(try core.takeTurn(inbox.takeNow()), with: core.director)
                }
                if outage.ends(hasWritten: core.hasWritten) {
                    logger.notice("the store answers again; nothing is lost")
                }
            } catch  where error.isPassing && outage.goesOn(at: core.now()) {
                if outage.isNew {
                    logger.warning("the store does not answer; trying for \(Outage.lengthMax.shortText): \(error)")
                }
                if isLast { return announce(core.position) }
                continue
            } catch {
                logger.error("the conductor ends: \(error)")
                failure.withLock { $0 = error }
                return announce(core.position)
            }
            if announcer.isDue(at: core.now(), isBusy: !isLast && !inbox.isEmpty) { announce(core.position) }
            if isLast { return }
            if inbox.isEmpty { keepHouse(&housekeeping, core) }
        }
    }

    /// Deletes what is old. That it does not work ends nothing.
    private func keepHouse(_ housekeeping: inout Housekeeping?, _ core: ConductorCore) {
        do {
            let count = try housekeeping?.work(on: core.store, term: core.term, now: core.now()) ?? 0
            if count > 0 { logger.info("deleted \(count) old plans") }
        } catch {
            logger.warning("old plans could not be deleted: \(error)")
        }
    }

    /// Takes a turn, and has performed what it decided.
    private func take(_ items: consuming [Inbox.Item], by core: inout ConductorCore) throws(StoreError) {
        let (timesFenced, timesDecidedAgain) = (core.timesFenced, core.timesDecidedAgain)
        let directives = try core.takeTurn(items)
        if core.timesFenced != timesFenced { performer.abandon() }
        performer.renew(core.epoch, until: core.actsUntil)
        if core.timesDecidedAgain != timesDecidedAgain { performer.endStaleCalls(by: core.director) }
        performer.perform(directives, with: core.director)
    }

    /// Lets the calls end that are under way, and stores what came of them. What has not ended by then the next
    /// conductor finds interrupted.
    private func awaitCalls(of core: inout ConductorCore) throws(StoreError) {
        let end = core.now() + grace
        while performer.awaitsCalls(of: core.director) {
            let left = end - core.now()
            if left <= .zero { return }
            try take(inbox.take(timeout: min(left, core.timeToNextTimer() ?? left)), by: &core)
            announce(core.position)
        }
    }

    private func announce(_ position: Int64) {
        bell.ring(position)
        socket.withLock { $0 }?.announce(position)
    }
}

/// A time in which the store does not answer: locked by another program, or its disk gone for a while.
///
/// A database that another program holds can often be read: what failed to be written is decided again, and the next
/// turn has nothing to write until what happened is heard again. Only a write that succeeds ends it.
private struct Outage {
    static let lengthMax: Duration = .seconds(120)
    /// After so long without a failure the next one begins another.
    private static let quietMax: Duration = .seconds(60)
    private var begunAt: Timestamp?
    private var failedAt: Timestamp?
    private var tries = 0

    /// Whether the last turn has failed.
    private(set) var hasFailed = false
    var isNew: Bool { tries == 1 }
    /// Grows, up to a second.
    var pause: Duration { .milliseconds(min(1000, 50 << min(tries, 5))) }

    /// Notes another failure; false when it has lasted too long.
    mutating func goesOn(at now: Timestamp) -> Bool {
        if let failedAt, now - failedAt > Self.quietMax { self = Outage() }
        let begun = begunAt ?? now
        begunAt = begun
        failedAt = now
        hasFailed = true
        tries += 1
        return now - begun < Self.lengthMax
    }

    /// A turn has succeeded; whether the outage is over by it.
    ///
    /// - Parameter hasWritten: whether what was written last was written.
    mutating func ends(hasWritten: Bool) -> Bool {
        hasFailed = false
        guard begunAt != nil, hasWritten else { return false }
        self = Outage()
        return true
    }
}

extension StoreError {
    /// Whether the same may succeed later, without anybody doing anything about it here.
    fileprivate var isPassing: Bool {
        switch code {
        case .busy, .failed: true
        case .fenced, .newer, .corrupt, .full, .permission: false
        }
    }
}

/// When followers are told of what is new: at once when the conductor comes to rest, and from time to time while it has
/// more to do. Each of them that wakes takes processor time and the database's locks, from the conductor too.
private struct Announcer {
    private static let pause: Duration = .milliseconds(50)
    private var next = Timestamp(rawValue: .min)

    mutating func isDue(at now: Timestamp, isBusy: Bool) -> Bool {
        if isBusy, now < next { return false }
        next = now + Self.pause
        return true
    }
}
