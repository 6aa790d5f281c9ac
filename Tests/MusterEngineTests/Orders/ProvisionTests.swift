import MusterCore
import MusterEngine
import MusterStore
import MusterTestKit
import Testing

/// Verbs of modes that are driven by events, as plans of what a driver can do.
@Suite struct ProvisionTests {
    /// A part of Ironic's table: enough for each way that a verb can go.
    private static var modes: ModeSet {
        var mode = ModeSpec(name: "provision")
        mode.states = ["enroll"]
        mode.rules.invalid = .reject
        mode.rules.ready = ["active"]
        mode.events = [
            EventTransition(from: "enroll", event: "manage", to: "verifying", goal: "manageable", isVerb: true),
            EventTransition(from: "verifying", event: "done", to: "manageable"),
            EventTransition(from: "verifying", event: "fail", to: "enroll"),
            EventTransition(from: "manageable", event: "inspect", to: "inspecting", goal: "manageable", isVerb: true),
            EventTransition(from: "inspecting", event: "done", to: "manageable"),
            EventTransition(from: "inspecting", event: "fail", to: "inspect failed", goal: "manageable"),
            EventTransition(from: "inspect failed", event: "manage", to: "manageable", isVerb: true),
            EventTransition(from: "manageable", event: "rescue", to: "rescuing", goal: "rescue", isVerb: true),
            EventTransition(from: "rescuing", event: "done", to: "rescue"),
            EventTransition(from: "manageable", event: "delete", to: "deleting", goal: "available", isVerb: true),
            EventTransition(from: "deleting", event: "clean", to: "cleaning", goal: "available"),
            EventTransition(from: "deleting", event: "fail", to: "error"),
            EventTransition(from: "cleaning", event: "done", to: "available"),
            EventTransition(from: "cleaning", event: "fail", to: "clean failed", goal: "available"),
        ]
        mode.work = [
            StateWork(state: "verifying", [.verify]), StateWork(state: "inspecting", [.inspect]),
            StateWork(state: "rescuing", [.rescue]), StateWork(state: "deleting", [.tearDown], then: "clean"),
            StateWork(state: "cleaning", [.clean]),
        ]
        var set = ModeSet()
        set.modes = [mode]
        return set
    }

    private func town(_ count: Int = 1, lacking: Set<Capability> = []) throws -> NodeTown {
        var town = try NodeTown(count, capabilities: Set(Capability.allCases).subtracting(lacking))
        try town.ask(.useModes(lab: "shop", Self.modes))
        return town
    }

    /// What the performer was told last.
    private func act(_ town: NodeTown) throws -> Act {
        let acts = town.others.compactMap { if case .perform(let act) = $0 { act } else { nil } }
        return try #require(acts.last)
    }

    @Test func aVerbLeadsThroughItsStatesByWhatTheDriverDoes() throws {
        var town = try town()
        #expect(try town.row()?.state == "enroll")
        let manage = try town.order(.verb("manage"), [0], verb: .provision)
        // The state and the step that works in it are in one commit.
        #expect(try town.row()?.state == "verifying")
        #expect(try town.row()?.goal == "manageable")
        #expect(try town.steps(manage, of: 0).map(\.state) == [.running])
        #expect(Capability(number: try act(town).spec.b) == .verify)
        try town.turn([.actEnded(try act(town), .succeeded(facts: ["cpus": "4"]))])
        #expect(try town.row()?.state == "manageable")
        #expect(try town.plan(manage)?.result == .success)
        #expect(try town.node()?.facts["cpus"] == "4")

        // Two states, one after the other.
        let delete = try town.order(.verb("delete"), [0], verb: .provision)
        #expect(try town.row()?.state == "deleting")
        try town.turn([.actEnded(try act(town), .succeeded(facts: [:]))])
        #expect(try town.row()?.state == "cleaning")
        #expect(Capability(number: try act(town).spec.b) == .clean)
        try town.turn([.actEnded(try act(town), .succeeded(facts: [:]))])
        #expect(try town.row()?.state == "available")
        #expect(try town.plan(delete)?.result == .success)
    }

    @Test func aFailureTakesTheErrorEdgeAndEndsTheRest() throws {
        var town = try town()
        let manage = try town.order(.verb("manage"), [0], verb: .provision)
        try town.turn([.actEnded(try act(town), .failed(StepError(.lost, "no answer")))])
        #expect(try town.row()?.state == "enroll")
        #expect(try town.plan(manage)?.result == .error)
        try town.order(.verb("manage"), [0], verb: .provision)
        try town.turn([.actEnded(try act(town), .succeeded(facts: [:]))])
        let delete = try town.order(.verb("delete"), [0], verb: .provision)
        try town.turn([.actEnded(try act(town), .failed(StepError(.exited, "exit 1")))])
        #expect(try town.row()?.state == "error")
        #expect(try town.steps(delete, of: 0).map(\.state) == [.error, .skipped])
        #expect(try town.plan(delete)?.state == .stopped)
    }

    @Test func whatIsNotLegalIsRefusedWithWhatIs() throws {
        var town = try town()
        let run = try town.order(.verb("inspect"), [0], verb: .provision)
        let message = try town.steps(run, of: 0).first?.error?.message
        #expect(message == "'inspect' is not possible in enroll; possible: manage")
        // What only work reports is no verb.
        let done = try town.order(.verb("done"), [0], verb: .provision)
        #expect(try town.steps(done, of: 0).first?.error?.code == .refused)
        #expect(try town.row()?.state == "enroll")
    }

    @Test func whatTheDriverCannotDoIsRefusedByNameBeforeAnythingHappens() throws {
        var town = try town(lacking: [.rescue, .clean])
        try town.order(.verb("manage"), [0], verb: .provision)
        try town.turn([.actEnded(try act(town), .succeeded(facts: [:]))])
        let rescue = try town.order(.verb("rescue"), [0], verb: .provision)
        let message = try town.steps(rescue, of: 0).first?.error?.message
        #expect(message == "a node of driver 'process' cannot rescue, which 'rescue' needs")
        // Also where it would be needed only later.
        let delete = try town.order(.verb("delete"), [0], verb: .provision)
        #expect(try town.steps(delete, of: 0).first?.error?.message.contains("cannot clean") == true)
        #expect(try town.row()?.state == "manageable")
    }

    @Test func ofTwoVerbsAtOnceTheSecondIsRefused() throws {
        var town = try town()
        let since = try town.row()?.since
        let first = try town.order(.verb("manage"), [0], verb: .provision)
        let second = try town.order(.verb("manage"), [0], verb: .provision)
        #expect(try town.steps(second, of: 0).first?.error?.message.contains("uses it") == true)
        town.time.advance(by: .seconds(1))
        try town.turn([.actEnded(try act(town), .failed(StepError(.lost, "no answer")))])
        #expect(try town.plan(first)?.state == .stopped)
        // It is enroll again, but not as it was seen.
        let stale = try town.order(.verb("manage"), [0], verb: .provision) { $0.targets[0].seenSince = since }
        let message = try town.steps(stale, of: 0).first?.error?.message
        #expect(message?.contains("changed since") == true)
        let seen = try town.row()?.since
        let fresh = try town.order(.verb("manage"), [0], verb: .provision) { $0.targets[0].seenSince = seen }
        #expect(try town.steps(fresh, of: 0).first?.state == .running)
    }

    @Test func aVerbWithoutWorkOnlyChangesTheState() throws {
        var town = try town()
        try town.order(.verb("manage"), [0], verb: .provision)
        try town.turn([.actEnded(try act(town), .succeeded(facts: [:]))])
        try town.order(.verb("inspect"), [0], verb: .provision)
        try town.turn([.actEnded(try act(town), .failed(StepError(.exited, "exit 1")))])
        #expect(try town.row()?.state == "inspect failed")
        let acts = town.others.count
        let manage = try town.order(.verb("manage"), [0], verb: .provision)
        #expect(try town.row()?.state == "manageable")
        #expect(try town.plan(manage)?.result == .success)
        #expect(town.others.count == acts)
    }

    @Test func workThatACrashHasCutIsDoneAgainWithoutTheVerbBeingToldTwice() throws {
        var town = try town()
        let run = try town.order(.verb("manage"), [0], verb: .provision)
        try town.restart()
        try town.ask(.takeUp(run))
        #expect(try town.row()?.state == "verifying")
        try town.turn([.actEnded(try act(town), .succeeded(facts: [:]))])
        #expect(try town.row()?.state == "manageable")
        #expect(try town.states() == ["verifying", "manageable"])
        #expect(try town.plan(run)?.result == .success)
    }

    @Test func workThatIsGivenUpOnHasFailed() throws {
        var town = try town()
        let run = try town.order(.verb("manage"), [0], verb: .provision)
        try town.ask(.halt(run))
        #expect(try town.row()?.state == "enroll")
        #expect(try town.plan(run)?.result == .cancelled)
    }
}
