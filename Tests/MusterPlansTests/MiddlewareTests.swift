import InMemoryTracing
import Metrics
import MetricsTestKit
import MusterCore
import MusterPlans
import Synchronization
import Testing
import Tracing

@testable import MusterPlans

@Suite struct MiddlewareTests {
    final class Log: Sendable {
        let lines = Mutex<[String]>([])
        func add(_ line: String) { lines.withLock { $0.append(line) } }
    }

    struct Layer: PlanMiddleware {
        let name: String
        let log: Log
        var fails = false
        var swallows = false
        func around(_ call: PlanCall, next: @Sendable () async throws -> Void) async throws {
            log.add("\(name) before \(call.phase.rawValue) \(call.action)")
            if fails { throw PermanentError("\(name) says no") }
            if !swallows { try await next() }
            log.add("\(name) after")
        }
        func present(_ json: String, of action: String) -> String { "\(name)(\(json))" }
    }

    @Test func layersStandAroundEveryPhaseOutermostFirst() async throws {
        let log = Log()
        let bench = Bench(middleware: [Layer(name: "a", log: log), Layer(name: "b", log: log)])
        bench.register(Touch())
        let end = await bench.call("Touch", .run, input: #"{"input":{"name":""}}"#)
        #expect(end.outcome == .succeeded)
        _ = try await bench.host.makePlan(Touch.self, .init(), trace: [:])
        var program = ProgramSpec(name: "Touch")
        program.input = #"{"input":{"name":"x"}}"#
        let planned = await bench.host.plan(program, of: PlanID(3))
        #expect((try? planned.get().steps.count) == 1)
        let round = { (phase: String) in ["a before \(phase) Touch", "b before \(phase) Touch", "b after", "a after"] }
        #expect(Array(log.lines.withLock { $0.suffix(8) }) == round("plan") + round("plan"))
        #expect(bench.host.settings.middleware.present("x", of: "Touch") == "a(b(x))")
    }

    @Test func whatALayerThrowsCountsAsTheActions() async throws {
        let log = Log()
        let bench = Bench(middleware: [Layer(name: "a", log: log, fails: true)])
        bench.register(Touch())
        guard case .failed(let error, true) = await bench.call("Touch", .run).outcome else { throw PlanningError("") }
        #expect(error.message == "a says no")
        let silent = Bench(middleware: [Layer(name: "a", log: log, swallows: true)])
        silent.register(Touch())
        guard case .failed(let told, _) = await silent.call("Touch", .run, input: #"{"input":{"name":""}}"#).outcome
        else { throw PlanningError("") }
        #expect(told.message.contains("neither called the action"))
    }

    @Test func callsAreCountedAndTraced() async throws {
        let metrics = TestMetrics()
        let tracer = InMemoryTracer()
        let telemetry = Telemetry(
            program: "shop",
            metrics: metrics,
            tracer: tracer,
            now: { Timestamp(rawValue: 0) }
        )
        let bench = Bench(telemetry: telemetry)
        bench.register(Touch())
        let trace = tracer.withAnySpan("request", context: .topLevel) { _ in telemetry.carried() }
        #expect(!trace.isEmpty)
        _ = await bench.call("Touch", .run, input: #"{"input":{"name":""}}"#, trace: trace)
        _ = await bench.call("Touch", .run, input: #"{"input":3}"#, trace: trace)
        let names = [("program", "shop"), ("action", "Touch"), ("phase", "run")]
        #expect(
            try metrics.expectCounter("muster_plans_calls_total", names + [("outcome", "ok")]).totalValue == 1
        )
        #expect(
            try metrics.expectCounter("muster_plans_calls_total", names + [("outcome", "error")]).totalValue == 1
        )
        let spans = tracer.finishedSpans
        let request = try #require(spans.first { $0.operationName == "request" })
        let calls = spans.filter { $0.operationName == "run Touch" }
        #expect(calls.count == 2)
        #expect(calls.allSatisfy { $0.traceID == request.traceID && $0.parentSpanID == request.spanID })
        #expect(calls.filter { !$0.errors.isEmpty }.count == 1)
    }
}
