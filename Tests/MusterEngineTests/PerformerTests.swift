import Foundation
import Logging
import MusterCore
import MusterDrivers
import MusterEngine
import MusterStore
import MusterTestKit
import Synchronization
import Testing

/// What leaves a conductor, and what is heard of it, at the end of a lease and of a term.
@Suite struct PerformerTests {
    /// A conductor's core and a performer beside it; turns and performing are done by hand.
    private struct Stage {
        let store = MemoryStore()
        let driver = ScriptedDriver()
        let inbox = Inbox()
        let time = ManualTime()
        let performer: Performer
        var core: ConductorCore

        init(_ other: (any Driver)? = nil, host: (any ActionHost)? = nil) throws {
            var spec = RunSpec(verb: .up, lab: "shop", labDirectory: "/lab")
            var group = GroupSpec(name: "app")
            group.steps = [ProvisionStep(.process(run: nil)), ProvisionStep(.run(Template("setup")))]
            spec.groups = [group]
            _ = try store.submit(.submit(token: "t", spec: spec), at: time.now())
            performer = Performer(
                drivers: Drivers([other ?? driver]),
                inbox: inbox,
                time: time,
                settings: Performer.Settings(
                    state: StateDirectory(path: "/nowhere"),
                    stateName: store.stateName,
                    surroundings: CommandBuilder.Surroundings(environment: [:], secret: { _ in nil })
                ),
                host: host,
                logger: Logger(label: "test")
            )
            core = try Stage.core(store, time, performsPrograms: host != nil)
        }

        static func core(
            _ store: any Store,
            _ time: ManualTime,
            performsPrograms: Bool = false
        ) throws -> ConductorCore {
            let queues: [String: Int]? = performsPrograms ? [:] : nil
            let identity = ConductorCore.Identity(host: "here", pid: 1, seed: 7, queues: queues)
            return try ConductorCore(store: store, identity: identity, time: time)
        }

        /// The one act that a turn decides.
        mutating func turn(_ items: [Inbox.Item] = [.requestsArrived]) throws -> Act {
            let acts = try core.takeTurn(items).compactMap { directive -> Act? in
                switch directive {
                case .perform(let act), .inquire(let act): act
                case .interrupt, .watch, .survey, .call, .cancelCall, .inquireCall, .plan, .lookUp, .node, .errand: nil
                }
            }
            try #require(acts.count == 1)
            return acts[0]
        }

        /// What is heard of the next act.
        func heard() async -> Director.Event? {
            let inbox = inbox
            let items = await withCheckedContinuation { done in
                Thread.detachNewThread { done.resume(returning: inbox.take(timeout: .seconds(60))) }
            }
            guard items.count == 1, case .event(let event)? = items.first else { return nil }
            return event
        }
    }

    private func status(_ event: Director.Event?) -> ActStatus? {
        guard case .actFound(_, let status)? = event else { return nil }
        return status
    }

    private func outcome(_ event: Director.Event?) -> ActOutcome? {
        guard case .actEnded(_, let outcome)? = event else { return nil }
        return outcome
    }

    @Test func anActPastTheLeaseIsDropped() async throws {
        var stage = try Stage()
        let act = try stage.turn()
        stage.performer.renew(1, until: stage.time.now())
        stage.performer.perform([.perform(act)], with: stage.core.director)
        #expect(status(await stage.heard()) == .neverStarted)
        #expect(stage.driver.log == [])
        stage.performer.renew(1, until: stage.time.now() + .microseconds(1))
        stage.performer.perform([.perform(act)], with: stage.core.director)
        #expect(outcome(await stage.heard()) == .succeeded(facts: ["address": "127.64.0.1"]))
        await stage.performer.stop()
    }

    /// An action that goes on until it is told to end.
    private struct Endless: ActionHost {
        let ended: AsyncStream<ActionCall.ID>.Continuation

        func plan(_ program: ProgramSpec, of id: PlanID) async -> Result<ChildPlan, StepError> {
            .failure(StepError(.noAction, "nothing is planned here"))
        }

        func perform(_ call: ActionCall, in context: CallContext) async -> CallEnd {
            let (never, continuation) = AsyncStream.makeStream(of: Void.self)
            for await _ in never {}
            continuation.finish()
            ended.yield(call.id)
            return CallEnd(.failed(StepError(.cancelled, "told to end"), isFinal: true))
        }
    }

    /// The commit that ended its step was done, and its answer lost: what was to tell it so went with the turn.
    @Test func aCallThatNobodyWaitsForIsToldToEnd() async throws {
        let (ended, continuation) = AsyncStream.makeStream(of: ActionCall.ID.self)
        var told = ended.makeAsyncIterator()
        var stage = try Stage(host: Endless(ended: continuation))
        var spec = RunSpec(verb: .plan, lab: "program", labDirectory: "/")
        spec.program = ProgramSpec(name: "root", actions: [ActionSpec(name: "a")])
        let submission = PlanSubmission(
            token: "p",
            spec: spec,
            steps: [PlanSubmission.Step(StepSpec(.call), needs: []), PlanSubmission.Step(StepSpec(.call), needs: [])]
        )
        let directives = try stage.core.takeTurn([.event(.submitted(submission))])
        let calls = directives.compactMap { if case .call(let call) = $0 { call } else { nil } }
        try #require(calls.count == 2)
        stage.performer.perform(directives, with: stage.core.director)
        _ = try stage.core.takeTurn([.event(.callEnded(calls[0].id, CallEnd(.succeeded)))])
        stage.performer.endStaleCalls(by: stage.core.director)
        #expect(await told.next() == calls[0].id)
        await stage.performer.stop()
        #expect(await told.next() == calls[1].id)
    }

    @Test func anAttachmentThatWasDroppedIsMadeAgain() async throws {
        var stage = try Stage()
        let create = try stage.turn()
        stage.performer.perform([.perform(create)], with: stage.core.director)
        let created = try #require(await stage.heard())
        let setup = try stage.turn([.event(created)])
        stage.driver.hold("setup")
        stage.performer.perform([.perform(setup)], with: stage.core.director)
        await stage.driver.logged { $0.contains("run setup on app/0") }
        // The next conductor has found it running, and waits for its end.
        stage.performer.abandon()
        stage.core = try Stage.core(stage.store, stage.time)
        let id = try #require(try stage.store.plan(request: "t")).id
        _ = try stage.store.submit(.resume(id), at: stage.time.now())
        let inquiry = try stage.turn()
        let attachment = try stage.turn([.event(.actFound(inquiry, .running))])
        #expect(attachment.isInDoubt)
        stage.performer.renew(2, until: stage.time.now())
        stage.performer.perform([.perform(attachment)], with: stage.core.director)
        let dropped = try #require(await stage.heard())
        #expect(status(dropped) == .running)
        let again = try stage.turn([.event(dropped)])
        #expect(again == attachment)
        stage.performer.renew(2, until: nil)
        stage.performer.perform([.perform(again)], with: stage.core.director)
        stage.driver.release("setup")
        #expect(outcome(await stage.heard()) == .exited(ScriptedDriver.exit(0)))
        #expect(stage.driver.startedTwice == [])
        await stage.performer.stop()
    }

    /// Its supervisor is gone too: to make it anew from here would leave it without its server.
    @Test func aNodeWhoseServerHasEndedBeforeItWasKnownIsLost() async throws {
        var stage = try Stage()
        let create = try stage.turn()
        let operation = OperationID(state: stage.store.stateName, step: create.step, attempt: Int(create.number))
        stage.driver.record(ScriptedDriver.exit(0), of: operation)
        stage.performer.perform([.inquire(create)], with: stage.core.director)
        guard case .ended(.failed(let error)) = status(await stage.heard()) else {
            Issue.record("it is not lost")
            return
        }
        #expect(error.code == .lost)
        #expect(stage.driver.log == [])
    }

    @Test func whatWasHeardOfAFormerTermIsDropped() async throws {
        var stage = try Stage()
        let act = try stage.turn()
        stage.performer.perform([.perform(act)], with: stage.core.director)
        // It has put its report into the inbox when it is awaited.
        await stage.performer.stop()
        stage.inbox.put(.requestsArrived)
        stage.performer.abandon()
        let left = stage.inbox.takeNow()
        #expect(left.count == 1)
        guard case .requestsArrived? = left.first else {
            Issue.record("a report is left: \(left)")
            return
        }
    }

    /// The same act, begun again by the same conductor under its next term: the first one says nothing any more.
    @Test func anAbandonedActSaysNothing() async throws {
        let driver = GatedDriver()
        var stage = try Stage(driver)
        let act = try stage.turn()
        stage.performer.renew(1, until: nil)
        stage.performer.perform([.perform(act)], with: stage.core.director)
        let former = await driver.nextTenure()
        stage.performer.abandon()
        #expect(former?.isOver == true)
        stage.performer.renew(2, until: nil)
        stage.performer.perform([.perform(act)], with: stage.core.director)
        let present = await driver.nextTenure()
        #expect(present?.isOver == false && present?.epoch == 2)
        driver.open()
        driver.open()
        await stage.performer.stop()
        let heard = stage.inbox.takeNow()
        #expect(heard.count == 1)
        guard case .event(let event)? = heard.first else { return }
        #expect(outcome(event) == .succeeded(facts: ["epoch": "2"]))
    }
}

/// Its nodes are made when the test opens the gate, one after the other, whoever has stopped to wait meanwhile.
private final class GatedDriver: Driver {
    let kind = "process"
    private let tenures: AsyncStream<Tenure>
    private let arrivals: AsyncStream<Tenure>.Continuation
    private let waiting = Mutex<[CheckedContinuation<Void, Never>]>([])

    init() { (tenures, arrivals) = AsyncStream.makeStream(of: Tenure.self) }

    /// For whom the next node is being made.
    func nextTenure() async -> Tenure? {
        for await tenure in tenures { return tenure }
        return nil
    }

    func open() {
        waiting.withLock { $0.removeFirst() }.resume()
    }

    func create(
        _ node: NodeHandle,
        operation: OperationID,
        server: Command?
    ) async throws(StepError) -> [String: String] {
        let epoch = node.tenure.epoch
        await withCheckedContinuation { continuation in
            waiting.withLock { $0.append(continuation) }
            arrivals.yield(node.tenure)
        }
        return ["epoch": "\(epoch)"]
    }

    func run(_ command: Command, on node: NodeHandle, operation: OperationID) async throws(StepError) -> ProcessExit {
        ScriptedDriver.exit(0)
    }
    func status(of operation: OperationID, on node: NodeHandle) async throws(StepError) -> OperationStatus {
        .neverStarted
    }
    func attach(to operation: OperationID, on node: NodeHandle) async throws(StepError) -> ProcessExit {
        ScriptedDriver.exit(0)
    }
    func running(on node: NodeHandle) async throws(StepError) -> [OperationID] { [] }
    func end(_ operation: OperationID, on node: NodeHandle, grace: Duration) async throws(StepError) {}
    func put(_ files: [FileContent], on node: NodeHandle) async throws(StepError) {}
    func probe(_ probe: ReadyCondition.Probe, on node: NodeHandle, within: Duration) async throws(StepError) {}
    var rungs: Set<Rung> { [] }
    func powerOff(_ node: NodeHandle, grace: Duration) async throws(StepError) {}
    func powerOn(_ node: NodeHandle, operation: OperationID) async throws(StepError) {}
    func destroy(_ node: NodeHandle) async throws(StepError) {}
    func watch(_ node: NodeHandle) async throws(StepError) {}
    func outputPath(of operation: OperationID, on node: NodeHandle) -> String { "" }
}
