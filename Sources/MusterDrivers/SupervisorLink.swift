import MusterCore
import MusterSupervision
import NIOCore
import NIOPosix
import Synchronization

/// The way to one node's supervisor: at most one connection, made when it is needed and made again when it breaks.
final class SupervisorLink: Sendable {
    private enum Watch {
        case none
        /// `isReported`: the loss was said; it is said once.
        case active(node: NodeID, tenure: Tenure, isReported: Bool)
    }

    private struct State {
        var connection: EventLoopFuture<SupervisorConnection>?
        /// The same once it is made: to ask a future for what it has takes two changes of threads.
        var made: SupervisorConnection?
        var watch = Watch.none
    }

    let directory: String
    private let state = Mutex(State())
    private let events: @Sendable (DriverEvent) -> Void

    /// Times a request is sent again after the connection broke: each is harmless to repeat.
    private static let triesMax = 5

    init(directory: String, events: @escaping @Sendable (DriverEvent) -> Void) {
        self.directory = directory
        self.events = events
    }

    deinit { release() }

    // MARK: Asking

    /// What the supervisor says of itself.
    func facts(for tenure: Tenure) async throws(LinkFailure) -> SupervisorFacts {
        guard case .facts(let facts) = try await request(.hello(version: Wire.version), for: tenure) else {
            throw .broken("it did not return the greeting")
        }
        return facts
    }

    /// Asks, over a new connection where the old one breaks meanwhile. When the task is cancelled, it only stops to
    /// wait. What acts waits for the conductor's lease, also when it is asked again; when the conductor was declared
    /// lost, nothing leaves.
    ///
    /// - Parameter within: how long an answer may take; nil for ever.
    func request(
        _ body: SupervisorRequest.Body,
        for tenure: Tenure,
        within: Duration? = .seconds(30)
    ) async throws(LinkFailure)
        -> SupervisorReply.Body
    {
        let limit = within.map { TimeAmount.microseconds($0.microseconds) }
        var failure = LinkFailure.gone
        for _ in 0..<Self.triesMax {
            if Task.isCancelled || tenure.isOver { throw .cancelled }
            var epoch = tenure.epoch
            let future = future(epoch: epoch)
            var isOpen = false
            do throws(LinkFailure) {
                let connection: SupervisorConnection
                if let made = state.withLock({ $0.connection === future ? $0.made : nil }) {
                    connection = made
                } else {
                    connection = try await Self.connection(future)
                }
                isOpen = true
                if body.acts, await !tenure.awaitLease() { throw LinkFailure.cancelled }
                epoch = tenure.epoch
                return try await answer(connection.request(body, epoch: epoch, within: limit))
            } catch {
                switch error {
                case .broken: forget(future)
                // The conductor's own epoch rose while this was on its way.
                case .refused(.oldEpoch, _) where tenure.epoch > epoch: if !isOpen { forget(future) }
                case .gone, .unreachable, .silent, .refused, .cancelled: throw error
                }
                failure = error
            }
        }
        throw failure
    }

    private func answer(_ asked: SupervisorConnection.Asked) async throws(LinkFailure) -> SupervisorReply.Body {
        do {
            return try await withTaskCancellationHandler {
                try await asked.future.get()
            } onCancel: {
                asked.promise.fail(LinkFailure.cancelled)
            }
        } catch {
            throw error as? LinkFailure ?? .broken("\(error)")
        }
    }

    private static func connection(
        _ future: EventLoopFuture<SupervisorConnection>
    ) async throws(LinkFailure)
        -> SupervisorConnection
    {
        do {
            return try await future.get()
        } catch {
            throw error as? LinkFailure ?? .broken("\(error)")
        }
    }

    /// The connection that is there or being made, or a new one.
    private func future(epoch: Epoch) -> EventLoopFuture<SupervisorConnection> {
        let loop = NIOSingletons.posixEventLoopGroup.next()
        let (future, promise) = state.withLock { state in
            if let present = state.connection { return (present, EventLoopPromise<SupervisorConnection>?.none) }
            let promise = loop.makePromise(of: SupervisorConnection.self)
            state.connection = promise.futureResult
            return (promise.futureResult, promise)
        }
        guard let promise else { return future }
        future.whenComplete { [weak self] result in
            switch result {
            case .failure: self?.forget(future)
            case .success(let connection):
                self?.state.withLock { if $0.connection === future { $0.made = connection } }
                connection.closeFuture?.whenComplete { [weak self] _ in self?.ended(future) }
            }
        }
        SupervisorConnection.open(
            directory: directory,
            epoch: epoch,
            on: loop,
            lost: { [weak self] in self?.report(loss: $0) }
        ).cascade(to: promise)
        return future
    }

    private func forget(_ future: EventLoopFuture<SupervisorConnection>) {
        state.withLock { state in
            guard state.connection === future else { return }
            state.connection = nil
            state.made = nil
        }
    }

    /// Reports nothing any more.
    func unwatch() { state.withLock { $0.watch = .none } }

    /// Lets go of the node.
    func release() {
        unwatch()
        let connection = state.withLock { state in
            defer { (state.connection, state.made) = (nil, nil) }
            return state.connection
        }
        connection?.whenSuccess { $0.close() }
    }

    // MARK: Watching

    /// Reports the node's loss from now on.
    ///
    /// - Returns: why it is lost already, or nil.
    func watch(_ node: NodeID, for tenure: Tenure) async throws(LinkFailure) -> String? {
        state.withLock { $0.watch = .active(node: node, tenure: tenure, isReported: false) }
        let answer: SupervisorReply.Body
        do throws(LinkFailure) {
            answer = try await request(.watch, for: tenure)
        } catch {
            if case .unreachable = error { watchLater(in: Self.delayMin) }
            throw error
        }
        guard case .lost(let reason) = answer else { return nil }
        state.withLock { $0.watch = .active(node: node, tenure: tenure, isReported: true) }
        return reason
    }

    /// Watches again after a loss was reported and mended.
    func rewatch() async throws(LinkFailure) {
        let watch = state.withLock { $0.watch }
        guard case .active(let node, let tenure, true) = watch else { return }
        if let reason = try await self.watch(node, for: tenure) { report(loss: reason) }
    }

    private func report(loss reason: String) {
        let node: NodeID? = state.withLock { state in
            guard case .active(let node, let tenure, false) = state.watch, !tenure.isOver else { return nil }
            state.watch = .active(node: node, tenure: tenure, isReported: true)
            return node
        }
        if let node { events(.lost(node, reason: reason)) }
    }

    /// The connection ended. If the node is watched, either there is a new one, or the node is lost.
    private func ended(_ future: EventLoopFuture<SupervisorConnection>) {
        forget(future)
        renewWatch(triesLeft: Self.triesMax, delay: Self.delayMin)
    }

    private static let delayMin: TimeAmount = .seconds(1)
    private static let delayMax: TimeAmount = .seconds(60)

    /// Nothing tells when this host has descriptors again, so it is tried again after a while, ever more rarely.
    private func watchLater(in delay: TimeAmount) {
        NIOSingletons.posixEventLoopGroup.any().scheduleTask(in: delay) { [weak self] in
            self?.renewWatch(triesLeft: Self.triesMax, delay: min(delay * 2, Self.delayMax))
        }
    }

    private func renewWatch(triesLeft: Int, delay: TimeAmount) {
        guard case .active(_, let tenure, false) = state.withLock({ $0.watch }), !tenure.isOver else { return }
        let epoch = tenure.epoch
        let answer = future(epoch: epoch).flatMap { connection in
            connection.request(.watch, epoch: epoch, within: .seconds(30)).future
        }
        answer.whenComplete { [self] result in
            switch result {
            case .success(.lost(let reason)): report(loss: reason)
            case .success: break
            // Its leftovers are another conductor's to end now, unless the lease is renewed.
            case .failure(LinkFailure.gone) where !tenure.mayAct: watchLater(in: delay)
            case .failure(LinkFailure.gone):
                // Its processes first: whoever gets the node's address next must find its ports free.
                let swept = NIOThreadPool.singleton.runIfActive(eventLoop: answer.eventLoop) { [directory] in
                    Leftovers.sweepNow(directory: directory)
                }
                swept.whenComplete { [self] _ in report(loss: ProcessDriver.lossOfSupervisor(directory)) }
            case .failure(LinkFailure.unreachable): watchLater(in: delay)
            // The conductor's own epoch rose while this was on its way.
            case .failure(LinkFailure.refused(.oldEpoch, _)) where tenure.epoch > epoch: watchLater(in: delay)
            // It is there, and says no: the watch is a newer conductor's now.
            case .failure(LinkFailure.refused): break
            case .failure(let error):
                if triesLeft > 1 {
                    renewWatch(triesLeft: triesLeft - 1, delay: delay)
                } else {
                    report(loss: "its supervisor cannot be reached: \(error)")
                }
            }
        }
    }
}

extension SupervisorRequest.Body {
    /// Whether it changes what is on the node. To ask, to wait and to watch is harmless at any time.
    fileprivate var acts: Bool {
        switch self {
        case .start, .end, .powerOff, .powerOn, .shutdown: true
        case .hello, .attach, .watch: false
        }
    }
}
