import Metrics
import MusterCore
import Tracing

/// Counts and traces what actions do, by swift-metrics and swift-distributed-tracing: to whom, the program says.
struct Telemetry: Sendable {
    let program: String
    let metrics: (any MetricsFactory)?
    let tracer: (any Tracer)?
    let now: @Sendable () -> Timestamp

    /// Whether nobody listens.
    var isSilent: Bool { metrics == nil && tracer == nil }

    /// Does one call in a span, and counts it.
    func around(
        _ call: PlanCall,
        trace: [String: String],
        _ body: @Sendable () async throws -> Void
    ) async throws {
        let started = now()
        do {
            try await traced(call, trace, body)
            count(call, started, outcome: "ok")
        } catch {
            count(call, started, outcome: error is CancellationError ? "cancelled" : "error")
            throw error
        }
    }

    private func traced(
        _ call: PlanCall,
        _ trace: [String: String],
        _ body: @Sendable () async throws -> Void
    ) async throws {
        guard let tracer else { return try await body() }
        var context = ServiceContext.current ?? .topLevel
        tracer.extract(trace, into: &context, using: Carrier())
        try await tracer.withAnySpan("\(call.phase.rawValue) \(call.action)", context: context, ofKind: .internal) {
            span in
            span.attributes["muster.program"] = program
            span.attributes["muster.action"] = call.action
            if let plan = call.plan { span.attributes["muster.plan"] = plan }
            if let step = call.step { span.attributes["muster.step"] = step }
            if call.attempt > 0 { span.attributes["muster.attempt"] = call.attempt }
            do {
                try await body()
            } catch {
                span.recordError(error)
                span.setStatus(SpanStatus(code: .error))
                throw error
            }
        }
    }

    private func count(_ call: PlanCall, _ started: Timestamp, outcome: String) {
        guard let metrics else { return }
        let names = [("program", program), ("action", call.action), ("phase", call.phase.rawValue)]
        Counter(label: "muster_plans_calls_total", dimensions: names + [("outcome", outcome)], factory: metrics)
            .increment()
        let length = now() - started
        Metrics.Timer(label: "muster_plans_call_duration", dimensions: names, factory: metrics)
            .recordNanoseconds(length.microseconds * 1000)
    }

    func planEnded(_ name: String, result: String) {
        guard let metrics else { return }
        let names = [("program", program), ("plan", name), ("result", result)]
        Counter(label: "muster_plans_ended_total", dimensions: names, factory: metrics).increment()
    }

    /// The tracing context of who starts a plan, for its calls.
    func carried() -> [String: String] {
        guard let tracer, let context = ServiceContext.current else { return [:] }
        var trace: [String: String] = [:]
        tracer.inject(context, into: &trace, using: Carrier())
        return trace
    }

    private struct Carrier: Extractor, Injector {
        func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
        func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) { carrier[key] = value }
    }
}
