import Foundation
package import Logging
package import MusterCore
import MusterSupervision
import NIOCore
import Synchronization

/// Examines a plug-in: makes machines by it, asks what no lab would ask, kills it, and takes everything down again.
///
/// Each of `checks` is a demand of `docs/formats/plugin.md`.
package final class PluginDoctor: Sendable {
    /// What came of one check.
    package struct Finding: Hashable, Sendable {
        package enum Outcome: String, Hashable, Sendable { case passed, failed, skipped }
        /// A demand, as a sentence.
        package var check: String
        package var outcome: Outcome
        /// What was seen instead, or why it was not tried.
        package var problem: String?
        /// What to do about it.
        package var advice: String?
        package var time: Duration
    }

    /// All that was found, in the order in which it was tried.
    package struct Report: Sendable {
        /// How the plug-in calls itself; nil when it did not say.
        package var name: String?
        package var version: String?
        package var requests: [String]
        package var findings: [Finding]

        package var isHealthy: Bool { !findings.contains { $0.outcome == .failed } }
    }

    struct Complaint: Error {
        var what: String
    }

    /// One demand.
    struct Check: Sendable {
        var name: String
        var advice: String
        /// What the plug-in must know for it; without it the check is skipped.
        var needs: PluginRequest.Verb?
        var needsConnect = false
        var body: @Sendable (PluginDoctor) async throws -> Void

        init(
            _ name: String,
            needs: PluginRequest.Verb? = nil,
            needsConnect: Bool = false,
            advice: String,
            _ body: @escaping @Sendable (PluginDoctor) async throws -> Void
        ) {
            self.name = name
            self.advice = advice
            self.needs = needs
            self.needsConnect = needsConnect
            self.body = body
        }
    }

    private struct State {
        var description: PluginAnswer.Description?
        var created: PluginAnswer.Created?
        var createTime: Duration = .zero
        /// A program that should have run on a machine did not.
        var isOutOfReach = false
        var requests: [String] = []
        var complaints: [String] = []
    }

    let machine: PluginMachine
    let program: PluginProgram
    /// No other one has this name, so nothing of others is touched.
    let stateName: String
    private let state = Mutex(State())

    /// - Parameter state: a name that nobody else has had: one word of letters, digits and `-`.
    package init(
        _ machine: PluginMachine,
        state: String,
        secrets: @escaping @Sendable () -> [String] = { [] },
        logger: Logger
    ) {
        self.machine = machine
        program = PluginProgram(command: machine.command, logger: logger, secrets: secrets)
        stateName = state
    }

    /// Tries everything, or what comes before its task is cancelled. What is left at the end is destroyed.
    ///
    /// - Parameters:
    ///   - last: the check after which it stops; nil for all.
    ///   - onFinding: is told of each as it is found.
    package func examine(
        upTo last: String? = nil,
        onFinding: @Sendable (Finding) -> Void = { _ in }
    ) async -> Report {
        var findings: [Finding] = []
        for check in Self.checks where !Task.isCancelled {
            let finding = await result(of: check)
            findings.append(finding)
            onFinding(finding)
            // Without a description nothing else is to be had.
            if findings.count == 1 && finding.outcome == .failed || check.name == last { break }
        }
        // Awaited here; not cancelled with the examination: no machine is left.
        await Task { await self.cleanUp() }.value
        let known = state.withLock { $0.description }
        return Report(
            name: known?.name,
            version: known?.version,
            requests: (known?.requests ?? []).sorted(),
            findings: findings
        )
    }

    private func result(of check: Check) async -> Finding {
        let began = NIODeadline.now()
        func finding(_ outcome: Finding.Outcome, _ problem: String? = nil) -> Finding {
            Finding(
                check: check.name,
                outcome: outcome,
                problem: problem,
                advice: outcome == .failed ? check.advice : nil,
                time: .microseconds((NIODeadline.now() - began).nanoseconds / 1000)
            )
        }
        let (known, created, isOutOfReach) = state.withLock { ($0.description, $0.created, $0.isOutOfReach) }
        if let verb = check.needs, known?.knows(verb) != true {
            return finding(.skipped, "it does not know '\(verb.rawValue)'")
        }
        if check.needsConnect, created?.connect == nil {
            return finding(.skipped, created == nil ? "no machine was made" : "its machines run no commands")
        }
        if check.needsConnect, isOutOfReach { return finding(.skipped, "no program runs on its machines") }
        do {
            try await check.body(self)
            return finding(.passed)
        } catch let complaint as Complaint {
            return finding(.failed, complaint.what)
        } catch {
            return finding(.failed, "\(error)")
        }
    }

    private func cleanUp() async {
        for name in [stateName, stateName + "-other"] {
            for found in (try? await list(state: name)) ?? [] {
                guard let number = found.machine.split(separator: "-n").last.flatMap({ Int64($0) }) else { continue }
                _ = try? await ask(.destroy, number, state: name)
            }
        }
    }

    // MARK: What checks are written with

    func name(_ number: Int64, state: String) -> PluginName {
        PluginName(machine: "\(state)-n\(number)", lab: "doctor", node: "doctor/\(number)", nodeID: number)
    }

    func request(
        _ verb: PluginRequest.Verb,
        _ number: Int64?,
        operation: String = "create",
        state name: String? = nil
    ) throws -> PluginRequest {
        let state = name ?? stateName
        guard let options = PluginValue(json: machine.options.utf8), case .object(var values) = options else {
            throw Complaint(what: "the options are no JSON object: \(machine.options)")
        }
        // A newer Muster may say what this one does not.
        values["x-unheard-of"] = .bool(true)
        let id = self.state.withLock { values in
            let id = "\(stateName)-\(values.requests.count)"
            values.requests.append(id)
            return id
        }
        var request = PluginRequest(verb: verb, id: id, state: state, timeout: machine.timeout)
        request.options = .object(values)
        request.machine = number.map { self.name($0, state: state) }
        if request.acts { request.operation = OperationID("\(state)-n\(number ?? 0)-\(operation)") }
        return request
    }

    @discardableResult
    func ask(
        _ verb: PluginRequest.Verb,
        _ number: Int64? = nil,
        operation: String = "create",
        power: PluginRequest.Power? = nil,
        state name: String? = nil
    ) async throws -> PluginProgram.Heard {
        var request = try request(verb, number, operation: operation, state: name)
        request.power = power
        let heard = try await program.ask(request)
        state.withLock { state in
            for complaint in heard.complaints { state.complaints.append("\(verb.rawValue): \(complaint)") }
        }
        return heard
    }

    @discardableResult
    func create(_ number: Int64, operation: String = "create") async throws -> PluginAnswer.Created {
        let heard = try await ask(.create, number, operation: operation)
        let created = try program.read(heard, of: .create) { object throws(PluginValueError) in
            try PluginAnswer.Created(object)
        }
        state.withLock { state in
            if number == 1 { state.created = created }
            state.createTime = max(state.createTime, heard.time)
        }
        return created
    }

    func inspect(_ number: Int64) async throws -> PluginAnswer.Inspected.State {
        let heard = try await ask(.inspect, number)
        return try program.read(heard, of: .inspect) { object throws(PluginValueError) in
            try PluginAnswer.Inspected(object)
        }.state
    }

    func list(state name: String? = nil) async throws -> [PluginAnswer.Listed] {
        let heard = try await ask(.list, state: name)
        return try program.read(heard, of: .list) { object throws(PluginValueError) in
            try PluginAnswer.Listed.all(object)
        }
    }

    func demand(_ holds: Bool, _ what: @autoclosure () -> String) throws {
        if !holds { throw Complaint(what: what()) }
    }

    func demandList(_ wanted: [Int64], _ when: String) async throws {
        let names = try await list().map(\.machine).sorted()
        let all = wanted.map { name($0, state: stateName).machine }.sorted()
        try demand(names == all, "\(when), list says \(names) instead of \(all)")
    }

    func describe() async throws {
        let heard = try await ask(.describe)
        let found = try program.read(heard, of: .describe) { object throws(PluginValueError) in
            try PluginAnswer.Description(object)
        }
        state.withLock { $0.description = found }
    }

    var createTime: Duration { state.withLock { $0.createTime } }
    var complaints: [String] { state.withLock { $0.complaints } }
    var requests: [String] { state.withLock { $0.requests } }

    /// Runs a program on the first machine.
    func onMachine(_ text: String, input: [UInt8] = [], limit: Int = 4 << 20) async throws -> RemoteEnd {
        guard let connect = state.withLock({ $0.created?.connect }) else {
            throw Complaint(what: "there is no 'connect'")
        }
        let way = PluginConnection(title: "the machine", command: connect, folder: program.folder)
        let limits = min(machine.timeout, .seconds(30))
        let end: Result<RemoteEnd, ConnectionFailure>
        do throws(ConnectionFailure) {
            end = .success(
                try await way.run(
                    RemoteRequest(program: text, input: [.bytes(input)], outputLimit: limit, within: limits)
                )
            )
        } catch {
            end = .failure(error)
            state.withLock { $0.isOutOfReach = true }
        }
        switch end {
        case .success(let end): return end
        case .failure(.cancelled): throw Complaint(what: "nobody waits any more")
        case .failure(.unreachable(let reason)), .failure(.refused(let reason)), .failure(.broken(let reason)),
            .failure(.silent(let reason)), .failure(.exhausted(let reason)):
            throw Complaint(what: reason)
        }
    }
}
