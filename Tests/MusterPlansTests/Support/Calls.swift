import Foundation
import Logging
import MusterCore
import MusterEngine
import MusterPlans
import Synchronization
import Testing

@testable import MusterPlans

/// MusterCore has one of its own.
typealias RunContext = MusterPlans.RunContext

/// A host with registered actions, called as the engine calls it.
final class Bench: Sendable {
    let host: RegisteredActions
    let written = Mutex("")
    let clock = Mutex(Timestamp(rawValue: 1_700_000_000_000_000))

    init(
        limit: Int = 1 << 20,
        middleware: [any PlanMiddleware] = [],
        telemetry: Telemetry = Telemetry(
            program: "test",
            metrics: nil,
            tracer: nil,
            now: { Timestamp(rawValue: 0) }
        )
    ) {
        host = RegisteredActions(
            RegisteredActions.Settings(
                program: "test",
                valueSizeLimit: limit,
                middleware: middleware,
                logger: Logger(label: "test"),
                telemetry: telemetry
            )
        )
    }

    func register<each Added: PlanAction>(_ actions: repeat each Added) {
        for action in repeat each actions { add(action) }
    }

    private func add<Added: PlanAction>(_ action: Added) { host.register(Added.self) { action } }

    func plan<Root: PlanAction>(_ root: Root, _ input: Root.Input) throws -> ChildPlan {
        try PlanBuilder.plan(root, input, host: host)
    }

    /// Makes a plan with a builder.
    func build(_ body: (PlanBuilder) throws -> Void) throws -> ChildPlan {
        let builder = PlanBuilder(host: host)
        try body(builder)
        return builder.finished(name: "test")
    }

    func advance(_ length: Duration) { clock.withLock { $0 = $0 + length } }

    /// Has one call performed, as the engine does.
    func call(
        _ action: String,
        _ kind: ActionCall.Kind,
        input: String? = #"{"input":{}}"#,
        output: String? = nil,
        references: [StepIndex: String] = [:],
        trace: [String: String] = [:]
    ) async -> CallEnd {
        let id = ActionCall.ID(step: StepID(plan: PlanID(7), index: 2), number: 1, invocation: 1)
        var call = ActionCall(id: id, kind: kind, action: action, input: input, output: output)
        call.references = references
        call.trace = trace
        let context = CallContext(
            operation: OperationID(state: "abc123", step: id.step, attempt: 1),
            now: { [self] in clock.withLock { $0 } },
            write: { [self] text in written.withLock { $0 += text } }
        )
        return await host.perform(call, in: context)
    }
}

/// Performs a whole plan in order of need, without an engine: each step once, finalize after.
func walk(_ plan: ChildPlan, on bench: Bench) async -> [StepIndex: CallEnd] {
    var ends: [StepIndex: CallEnd] = [:]
    for (place, step) in plan.steps.enumerated() where step.spec.action == .call {
        var references: [StepIndex: String] = [:]
        for need in step.needs.prefix(Int(step.spec.c)) { references[need] = ends[need]?.output }
        let name = plan.program.actions[Int(step.spec.a)].name
        ends[StepIndex(place)] = await bench.call(name, .run, input: step.spec.input, references: references)
    }
    return ends
}

struct Volume: Codable, Sendable, Equatable {
    enum Kind: String, Codable, Sendable, CaseIterable { case ssd, disk }
    struct Place: Codable, Sendable, Equatable {
        var rack: String
        var slot: Int?
    }
    var id: String
    var gigabytes: Int
    var isEncrypted: Bool
    var isShared: Bool
    var kind: Kind
    var place: Place
    var tags: [String]
    var labels: [String: String]
    var created: Date
    var key: Secret<String>
    var size: Int { gigabytes * 2 }
}

struct CreateVolume: Action {
    struct Input: Codable, Sendable { var gigabytes: Int }
    func run(_ input: Input, in context: RunContext) async throws -> Volume {
        Volume(
            id: "vol-\(input.gigabytes)",
            gigabytes: input.gigabytes,
            isEncrypted: true,
            isShared: false,
            kind: .disk,
            place: Volume.Place(rack: "r1", slot: 4),
            tags: ["a", "b"],
            labels: ["zone": "north"],
            created: Date(timeIntervalSince1970: 12.25),
            key: Secret("hush")
        )
    }
}

struct AttachVolume: Action {
    struct Input: Codable, Sendable {
        var volume: Value<String>
        var label: Value<String> = "data"
        var isEncrypted: Value<Bool> = false
        var kind: Value<Volume.Kind> = .literal(.ssd)
        var slot: Value<Int?> = .literal(nil)
        var tag: Value<String> = ""
        var zone: Value<String> = ""
        var created: Value<Date?> = .literal(nil)
        var whole: Value<Volume?> = .literal(nil)
    }
    func run(_ input: Input, in context: RunContext) async throws -> String {
        var parts = try [
            input.volume.value, input.label.value, "\(input.isEncrypted.value)", input.kind.value.rawValue,
        ]
        parts.append(try input.slot.value.map(String.init) ?? "-")
        parts.append(try input.tag.value)
        parts.append(try input.zone.value)
        return parts.joined(separator: "/")
    }
}

/// Does nothing.
struct Touch: Action {
    struct Input: Codable, Sendable { var name = "" }
    func run(_ input: Input, in context: RunContext) async throws -> Empty { Empty() }
}
