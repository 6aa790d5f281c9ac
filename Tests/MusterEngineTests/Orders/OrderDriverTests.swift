import Foundation
import MusterCore
import MusterEngine
import MusterStore
import MusterTestKit
import Testing

/// Orders from the request to the driver and back, by a conductor with a scripted driver.
@Suite struct OrderDriverTests {
    private struct Site {
        let bench: EngineBench
        let store = MemoryStore()
        private let spec: RunSpec

        init(
            modes: ModeSet,
            lacking: Set<Capability> = [],
            rungs: Set<Rung> = ScriptedDriver.allRungs,
            script: @escaping ScriptedDriver.Script
        ) throws {
            bench = try EngineBench(lacking: lacking, rungs: rungs, script: script)
            var spec = RunSpec(verb: .up, lab: "shop", labDirectory: "/lab")
            var app = GroupSpec(name: "app", count: 2)
            app.steps = [ProvisionStep(.process(run: nil))]
            spec.groups = [app]
            spec.modes = modes
            self.spec = spec
        }

        func run(_ token: String, _ spec: RunSpec) async throws -> PlanRow {
            _ = try store.submit(.submit(token: token, spec: spec), at: HostTime().now())
            return try await bench.finish(token, store, with: bench.conductor(store))
        }

        func up() async throws { #expect(try await run("up", spec).result == .success) }

        func order(_ work: NodeOrder.Work, verb: Verb = .reboot, _ indices: [Int] = [0, 1]) async throws -> PlanRow {
            var spec = self.spec
            spec.verb = verb
            spec.modes = nil
            spec.order = NodeOrder(work, indices.map { NodeOrder.Target(NodeName(group: "app", index: $0)) })
            return try await run("\(work)", spec)
        }

        func log(of index: Int) -> [String] {
            bench.driver.log.filter { $0.hasSuffix("app/\(index)") && !$0.hasPrefix("create") }
        }
    }

    private static var modes: ModeSet {
        var set = NodeTown.orderModes
        set.commands[0].rungs = [
            RungSpec(.soft, within: .seconds(60)), RungSpec(.hard, within: .seconds(60), attempts: 2),
        ]
        return set
    }

    @Test func aRebootSwitchesOffAndOnAndEndsWithTheNodeUp() async throws {
        let site = try Site(modes: Self.modes) { _, _ in ScriptedDriver.exit(0) }
        try await site.up()
        #expect(try await site.order(.command("reboot")).result == .success)
        for index in 0..<2 {
            #expect(site.log(of: index) == ["power off app/\(index)", "power on app/\(index)"])
            let states = try site.store.events(of: NodeID(Int64(index + 1)), after: 0, limit: 100)
                .filter { $0.kind == .nodeState }.compactMap { $0.detail.flatMap { StateChange($0) }?.state }
            #expect(states.suffix(3) == ["SHUTDOWN", "BOOTING", "ISUP"])
        }
        #expect(try await site.order(.command("poweroff"), verb: .power, [1]).result == .success)
        #expect(try site.store.nodes(lab: nil, includingGone: false).map(\.state) == [.ready, .stopped])
    }

    /// What a driver refuses leads to the next rung at once; after the last the node is given up, once.
    @Test func theLadderIsClimbedAsFarAsItMust() async throws {
        let site = try Site(modes: Self.modes) { text, time in
            ScriptedDriver.exit(text == "power off" && time < 2 ? 1 : 0)
        }
        try await site.up()
        #expect(try await site.order(.command("reboot"), [0]).result == .success)
        #expect(site.log(of: 0) == Array(repeating: "power off app/0", count: 3) + ["power on app/0"])

        let hopeless = try Site(modes: Self.modes) { text, _ in ScriptedDriver.exit(text == "power off" ? 1 : 0) }
        try await hopeless.up()
        let run = try await hopeless.order(.command("reboot"), [0])
        #expect(run.result == .error)
        #expect(hopeless.log(of: 0).count == 3)
        let events = try hopeless.store.events(of: NodeID(1), after: 0, limit: 100)
        #expect(events.count { $0.kind == .nodeGivenUp } == 1)
        #expect(try hopeless.store.nodes(lab: nil, includingGone: false).first?.state == .lost)
    }

    /// With a table that lets only nodes be rebooted that are up: what was switched off can be switched on.
    @Test func whatWasSwitchedOffCanBeSwitchedOn() async throws {
        var set = Self.modes
        set.commands.append(
            CommandSpec(
                name: "poweron",
                expect: ["BOOTING", "ISUP"],
                rungs: [RungSpec(.powerOn, within: .seconds(60))]
            )
        )
        let site = try Site(modes: set) { _, _ in ScriptedDriver.exit(0) }
        try await site.up()
        #expect(try await site.order(.command("poweroff"), verb: .power, [0]).result == .success)
        #expect(try await site.order(.command("poweron"), verb: .power, [0]).result == .success)
        #expect(try site.store.nodes(lab: nil, includingGone: false).first?.state == .ready)
    }

    /// A node of a driver that can do nothing of a command is left as it is, and not given up.
    @Test func whatADriverCannotDoIsRefused() async throws {
        let site = try Site(modes: Self.modes, rungs: [.soft]) { _, _ in ScriptedDriver.exit(0) }
        try await site.up()
        #expect(try await site.order(.command("poweroff"), verb: .power, [0]).result == .error)
        #expect(site.log(of: 0) == [])
        #expect(try site.store.nodes(lab: nil, includingGone: false).first?.state == .ready)
        // Of a ladder that it can climb in part it climbs that.
        #expect(try await site.order(.command("reboot"), [0]).result == .success)
    }

    /// What was emptied is not taken for a node that is ready for work.
    @Test func anEmptiedNodeIsNotReady() async throws {
        var mode = ModeSpec(name: "provision")
        mode.states = ["manageable", "available", "active"]
        mode.rules.ready = ["active"]
        mode.events = [
            EventTransition(from: "manageable", event: "provide", to: "cleaning", isVerb: true),
            EventTransition(from: "cleaning", event: "done", to: "available"),
            EventTransition(from: "available", event: "deploy", to: "deploying", isVerb: true),
            EventTransition(from: "deploying", event: "done", to: "active"),
        ]
        mode.work = [StateWork(state: "cleaning", [.clean]), StateWork(state: "deploying", [.deploy])]
        var set = ModeSet()
        set.modes = [mode]
        let site = try Site(modes: set) { _, _ in ScriptedDriver.exit(0) }
        try await site.up()
        func states() throws -> [NodeState] { try site.store.nodes(lab: nil, includingGone: false).map(\.state) }
        #expect(try await site.order(.verb("provide"), verb: .provision, [0]).result == .success)
        #expect(try states() == [.stopped, .ready])
        #expect(try await site.order(.verb("deploy"), verb: .provision, [0]).result == .success)
        #expect(try states() == [.ready, .ready])
    }

    @Test func aVerbIsCarriedOutByTheDriver() async throws {
        var mode = ModeSpec(name: "provision")
        mode.states = ["manageable"]
        mode.events = [
            EventTransition(from: "manageable", event: "inspect", to: "inspecting", isVerb: true),
            EventTransition(from: "inspecting", event: "done", to: "manageable"),
            EventTransition(from: "manageable", event: "rescue", to: "rescuing", isVerb: true),
            EventTransition(from: "rescuing", event: "done", to: "rescue"),
            EventTransition(from: "rescuing", event: "fail", to: "rescue failed"),
        ]
        mode.work = [StateWork(state: "inspecting", [.inspect]), StateWork(state: "rescuing", [.rescue])]
        var set = ModeSet()
        set.modes = [mode]
        let site = try Site(modes: set) { text, _ in ScriptedDriver.exit(text == "rescue" ? 1 : 0) }
        try await site.up()
        #expect(try await site.order(.verb("inspect"), verb: .provision).result == .success)
        #expect(try site.store.nodes(lab: nil, includingGone: false).allSatisfy { $0.facts["cpus"] == "4" })
        #expect(try await site.order(.verb("rescue"), verb: .provision, [0]).result == .error)
        #expect(try site.store.nodeState(of: NodeID(1))?.state == "rescue failed")
        #expect(try site.store.nodeState(of: NodeID(2))?.state == "manageable")
        let poor = try Site(modes: set, lacking: [.rescue]) { _, _ in ScriptedDriver.exit(0) }
        try await poor.up()
        #expect(try await poor.order(.verb("rescue"), verb: .provision).result == .error)
        #expect(try poor.store.nodeState(of: NodeID(1))?.state == "manageable")
        #expect(poor.log(of: 0) == [])
    }
}
