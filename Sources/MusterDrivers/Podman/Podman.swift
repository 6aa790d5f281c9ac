import Foundation
import MusterCore

/// The `podman` of this host: each call is a process of it.
struct Podman: Sendable {
    /// The program and what stands before every verb.
    let program: [String]
    /// How many calls that end soon may run at once: each takes some 40 MB.
    private let gate = Gate(12)

    init(_ program: [String]) { self.program = program }

    /// Runs a verb to its end.
    ///
    /// - Parameters:
    ///   - lock: a file that the call holds locked until it ends, also when this process is killed.
    ///   - directory: where it is started. What watches a container notes there that it ran out of memory.
    func call(
        _ arguments: [String],
        environment: [String: String] = [:],
        input: [UInt8] = [],
        lock: String? = nil,
        directory: String? = nil,
        within: Duration = .seconds(120),
        outputLimit: Int = 4 << 20
    ) async throws(StepError) -> RemoteEnd {
        await gate.enter()
        defer { gate.leave() }
        var words = program + arguments
        if let lock, let locker = Self.locker { words = [locker, "-o", lock] + words }
        if let directory { words = ["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", directory] + words }
        do throws(ConnectionFailure) {
            return try await ChildProcess.run(
                ChildProcess.Request(
                    arguments: words,
                    environment: environment,
                    input: [.bytes(input)],
                    outputLimit: outputLimit,
                    within: within
                )
            )
        } catch {
            throw Self.error(error, "podman \(arguments.first ?? "")")
        }
    }

    /// Runs a verb that goes on until something ends it: its container, the task, or the end of this process, however
    /// that ends.
    func follow(
        _ arguments: [String],
        onOutput: @escaping @Sendable ([UInt8]) -> Bool
    ) async throws(ConnectionFailure) -> RemoteEnd {
        // Standard input is a leash: it ends with this process.
        let text = """
            exec 3<&0
            { cat <&3; kill $$; } >/dev/null 2>&1 &
            exec "$@" </dev/null 2>&1 3<&-
            """
        return try await ChildProcess.run(
            ChildProcess.Request(
                arguments: ["/bin/sh", "-c", text, "sh"] + program + arguments,
                holdsInput: true,
                onOutput: onOutput
            )
        )
    }

    /// Waits until nobody holds the lock of a call any more.
    func awaitLock(_ path: String, within: Duration = .seconds(600)) async throws(StepError) {
        guard let locker = Self.locker, FileManager.default.fileExists(atPath: path) else { return }
        do throws(ConnectionFailure) {
            _ = try await ChildProcess.run(
                ChildProcess.Request(arguments: [locker, path, "true"], within: within)
            )
        } catch {
            throw Self.error(error, "a podman that makes a container")
        }
    }

    /// The program that keeps a lock for another one, where there is one.
    private static let locker: String? = {
        let places: [String] = ["/usr/bin/flock", "/bin/flock", "/usr/local/bin/flock"]
        return places.first { access($0, X_OK) == 0 }
    }()

    // MARK: Asking

    /// What is known of a container, by its name or id; nil when there is none.
    func container(_ name: String) async throws(StepError) -> ContainerReport? {
        let end = try await call(["container", "inspect", name])
        if end.succeeded { return try Self.decode([ContainerReport].self, end.output).first }
        if end.error.lowercased().contains("no such") { return nil }
        throw Self.failed("container inspect", end)
    }

    /// What is known of an image; nil when it is not on this host.
    func image(_ name: String) async throws(StepError) -> ImageReport? {
        let end = try await call(["image", "inspect", "--", name])
        if end.succeeded { return try Self.decode([ImageReport].self, end.output).first }
        let text = end.error.lowercased()
        if text.contains("no such") || text.contains("not known") || text.contains("unable to find") { return nil }
        throw Self.failed("image inspect \(name)", end)
    }

    /// The containers with all of these labels.
    func containers(labels: [String: String]) async throws(StepError) -> [ListedContainer] {
        var arguments = ["ps", "--all", "--format", "json"]
        for (name, value) in labels.sorted(by: { $0.key < $1.key }) {
            arguments += ["--filter", "label=\(name)=\(value)"]
        }
        let end = try await call(arguments, outputLimit: 64 << 20)
        guard end.succeeded else { throw Self.failed("ps", end) }
        if String(decoding: end.output.prefix(8), as: UTF8.self).hasPrefix("null") { return [] }
        return try Self.decode([ListedContainer].self, end.output)
    }

    /// Removes containers with their anonymous volumes; those that are gone are no error.
    func remove(_ names: [String], grace: Duration) async throws(StepError) {
        guard !names.isEmpty else { return }
        let seconds = Self.seconds(grace)
        let end = try await call(
            ["rm", "--force", "--volumes", "--ignore", "--time", "\(seconds)"] + names,
            within: grace + .seconds(120)
        )
        guard end.succeeded else { throw Self.failed("rm", end) }
    }

    /// Ends what runs in a container: by TERM, and KILL after the grace. It may have ended already.
    func stop(_ name: String, grace: Duration) async throws(StepError) {
        let end = try await call(["stop", "--time", "\(Self.seconds(grace))", name], within: grace + .seconds(120))
        if !end.succeeded, !end.error.lowercased().contains("no such container") { throw Self.failed("stop", end) }
    }

    /// Starts a container; it may run already.
    func start(_ name: String, in directory: String) async throws(StepError) {
        let end = try await call(["start", name], directory: directory)
        guard !end.succeeded else { return }
        if end.error.lowercased().contains("no such container") {
            throw StepError(.lost, "container \(name) is not there any more")
        }
        throw Self.notStarted(name, end) ?? Self.failed("start \(name)", end)
    }

    /// Waits until a container has ended.
    func wait(_ name: String) async throws(StepError) {
        do throws(ConnectionFailure) {
            _ = try await follow(["wait", name], onOutput: { _ in true })
        } catch {
            throw Self.error(error, "podman wait \(name)")
        }
    }

    /// Runs the check of a container's health once.
    ///
    /// - Returns: whether it is healthy.
    func checkHealth(_ name: String) async throws(StepError) -> Bool {
        try await call(["healthcheck", "run", name]).succeeded
    }

    /// Whole seconds, rounded up.
    static func seconds(_ length: Duration) -> Int64 { (length.clamped + 999_999) / 1_000_000 }

    private static func decode<T: Decodable>(_ type: T.Type, _ bytes: [UInt8]) throws(StepError) -> T {
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            throw StepError(.refused, "podman answers what is not understood: \(String(describing: error).prefix(300))")
        }
    }

    // MARK: Errors

    /// What podman said, in a line or two.
    static func said(_ end: RemoteEnd) -> String {
        let lines = end.error.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
        let errors = lines.filter { $0.hasPrefix("Error:") }.map { $0.dropFirst("Error:".count).drop { $0 == " " } }
        let text = errors.isEmpty ? lines.suffix(2).joined(separator: "; ") : errors.joined(separator: "; ")
        return text.isEmpty ? "it says nothing (status \(end.status ?? -1))" : String(text.prefix(600))
    }

    /// Why a container's program could not be started; nil where something else failed.
    static func notStarted(_ name: String, _ end: RemoteEnd) -> StepError? {
        let text = end.error
        guard
            end.status == 126 || end.status == 127 || text.contains("executable file not found")
                || text.contains("command that was not found") || text.contains("permission denied: OCI")
        else { return nil }
        return StepError(.notStarted, "the program of container \(name) cannot be started: \(said(end))")
    }

    static func failed(_ verb: String, _ end: RemoteEnd) -> StepError {
        StepError(.refused, "podman \(verb): \(said(end))")
    }

    static func error(_ failure: ConnectionFailure, _ what: String) -> StepError {
        switch failure {
        case .refused(let reason):
            StepError(.refused, "\(reason): nodes of kind 'podman' need it (on Debian: apt-get install podman)")
        case .exhausted(let reason): StepError(.refused, reason)
        case .unreachable(let reason), .broken(let reason): StepError(.lost, "\(what): \(reason)")
        case .silent(let reason): StepError(.lost, "\(what): \(reason)")
        case .cancelled: StepError(.cancelled, "\(what): nobody waits for it any more")
        }
    }
}
