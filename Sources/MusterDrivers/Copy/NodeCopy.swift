import Foundation
package import MusterCore
import MusterSupervision
import NIOCore
import Synchronization

/// Copies files and folders between this host and a node, over whatever way its driver has. Nothing is needed there but
/// `sh`, and `tar` for folders.
///
/// What is copied is written beside its place and renamed when it is whole. Symbolic links are copied as links when
/// they stay inside of what is copied, and are left out otherwise; modes are kept but for set-user-id and the like.
package struct NodeCopy: Sendable {
    /// A place on a node.
    package struct Target: Sendable {
        package var node: NodeHandle
        package var place: RemotePlace
        /// Whether the machine's files besides the node's folder are its own.
        package var hasOwnFiles: Bool
        /// Relative to the node's folder; or absolute, or beginning with `~/`, on the machine.
        package var path: String

        package init(node: NodeHandle, place: RemotePlace, hasOwnFiles: Bool, path: String) {
            self.node = node
            self.place = place
            self.hasOwnFiles = hasOwnFiles
            self.path = path
        }
    }

    /// What was copied.
    package struct Report: Hashable, Sendable {
        /// Where it is now.
        package var path: String
        package var bytes: Int64
        package var files: Int
        /// What was not copied, and why.
        package var leftOut: [String]
    }

    /// Nothing moved for so long: it is given up.
    private let patience: Duration
    /// Is told of bytes that have moved.
    private let progress: @Sendable (Int) -> Void
    private static let numbers = Atomic(0)

    package init(patience: Duration = .seconds(300), progress: @escaping @Sendable (Int) -> Void = { _ in }) {
        self.patience = patience
        self.progress = progress
    }

    // MARK: To a node

    /// - Parameters:
    ///   - into: whether the target must be a folder that is there.
    ///   - replaces: whether a folder that is there goes for the new one.
    package func push(
        _ path: String,
        named name: String,
        to target: Target,
        into: Bool,
        replaces: Bool
    ) async throws(StepError) -> Report {
        let source = try CopySource(path)
        let (reply, end) = try await push(source, named: name, to: target, into: into, replaces: replaces)
        guard reply.word == "done" else { throw refusal(reply, target, end, what: name) }
        let given = source.given
        return Report(path: reply.text, bytes: given.bytes, files: given.files, leftOut: given.leftOut)
    }

    /// Makes a folder from an archive, as `FolderArchive` writes them. One that is there already stays as it is, and
    /// is asked for before anything is sent.
    func unpack(_ archive: String, to target: Target) async throws(StepError) {
        let asked = try await run(
            RemoteRequest(program: program("m_has_folder", try values(of: target), target.place), within: .seconds(60)),
            target,
            MovedBytes { _ in }
        )
        guard let reply = ShellReply(asked.output) else { throw unanswered(target, asked) }
        if reply.word == "exists" { return }
        guard reply.word == "none" else { throw refusal(reply, target, asked, what: target.path) }
        let source = try CopySource(archive: archive)
        let (answer, end) = try await push(
            source,
            named: target.path,
            to: target,
            into: false,
            replaces: false,
            once: true
        )
        guard ["done", "exists"].contains(answer.word) else { throw refusal(answer, target, end, what: target.path) }
    }

    private func push(
        _ source: CopySource,
        named name: String,
        to target: Target,
        into: Bool,
        replaces: Bool,
        once: Bool = false
    ) async throws(StepError) -> (ShellReply, RemoteEnd) {
        let moved = MovedBytes(progress)
        var values = try values(of: target)
        values["base"] = name
        values["mode"] = String(source.mode, radix: 8)
        values["size"] = "\(source.size)"
        values["into"] = into ? "yes" : ""
        values["replace"] = replaces ? "yes" : ""
        values["once"] = once ? "yes" : ""
        let request = RemoteRequest(
            program: program(source.isFolder ? "m_push_folder" : "m_push_file", values, target.place),
            input: [
                .source(
                    RemoteSource {
                        guard let bytes = source.next() else { return nil }
                        moved.add(bytes.count)
                        return bytes
                    }
                )
            ]
        )
        let end = try await run(request, target, moved)
        if let failure = source.given.failure { throw failure }
        guard let reply = ShellReply(end.output) else { throw unanswered(target, end) }
        return (reply, end)
    }

    // MARK: From a node

    /// - Parameter local: where it is to be, an absolute path.
    package func pull(
        _ target: Target,
        to local: String,
        replaces: Bool
    ) async throws(StepError) -> Report {
        let values = try values(of: target)
        let isWhole = values["path"] == "." || values["path"] == ""
        let number = Self.numbers.add(1, ordering: .relaxed).newValue
        let receiver = Mutex(
            CopyReceiver(
                try CopyTarget(local, replaces: replaces, tag: "\(number)"),
                isReserved: { name in
                    isWhole && SupervisorFiles.isReserved(name) || name.hasSuffix(".muster-part")
                }
            )
        )
        let moved = MovedBytes(progress)
        let request = RemoteRequest(
            program: program("m_pull", values, target.place),
            onOutput: { bytes in
                moved.add(bytes.count)
                return receiver.withLock { $0.take(bytes) }
            }
        )
        let end: RemoteEnd
        do throws(StepError) {
            end = try await run(request, target, moved)
        } catch {
            throw receiver.withLock { receiver in
                let reason = receiver.failure ?? error
                receiver.abandon(reason)
                return reason
            }
        }
        return try receiver.withLock { receiver throws(StepError) in
            // What is in its place by then stays.
            defer { receiver.target.abandon() }
            if let failure = receiver.failure { throw failure }
            if let bytes = receiver.reply {
                guard let reply = ShellReply(bytes) else { throw unanswered(target, end) }
                throw refusal(reply, target, end, what: target.path)
            }
            guard end.succeeded || receiver.isFolder && Self.saysOnlyChanges(end) else {
                throw StepError(.refused, "\(target.node.name): '\(target.path)' was not read whole: \(Self.said(end))")
            }
            let leftOut = try receiver.place(target.path)
            let written = receiver.target
            return Report(path: local, bytes: written.bytes, files: written.files, leftOut: leftOut)
        }
    }

    /// GNU's tar ends with 1 when a file was written to while it was read.
    private static func saysOnlyChanges(_ end: RemoteEnd) -> Bool {
        end.status == 1 && !end.error.isEmpty
            && end.error.split(separator: "\n").allSatisfy { $0.hasSuffix("file changed as we read it") }
    }

    // MARK: Asking

    private func program(_ function: String, _ values: [String: String], _ place: RemotePlace) -> String {
        var text = ShellText.library + ShellText.copies + "\n"
        let lease = place.lease
        var all = [
            "root": place.root, "name": place.folder, "token": lease?.token ?? "", "holder": lease?.holder ?? "",
            "ttl": "\(max(1, (lease?.length ?? .zero).microseconds / 1_000_000))",
        ]
        for (name, value) in values { all["cp_" + name] = value }
        for (name, value) in all.sorted(by: { $0.key < $1.key }) { text += "m_\(name)=\(ShellText.quoted(value))\n" }
        return text + function + "\n"
    }

    private func values(of target: Target) throws(StepError) -> [String: String] {
        ["path": try Self.checked(target), "local": target.hasOwnFiles ? "" : "yes"]
    }

    /// The path as the machine is told it.
    static func checked(_ target: Target) throws(StepError) -> String {
        let path = target.path
        func refused(_ reason: String) -> StepError { StepError(.file, "\(target.node.name):\(path): \(reason)") }
        if path.utf8.contains(0) { throw refused("a path has no zero byte") }
        if path.split(separator: "/").contains("..") { throw refused("name it without '..'") }
        if target.hasOwnFiles { return path }
        let folder = target.node.directory
        if path == folder { return "." }
        if path.hasPrefix(folder + "/") { return String(path.dropFirst(folder.count + 1)) }
        guard !path.hasPrefix("/"), !path.hasPrefix("~") else {
            throw refused(
                "the node is a folder of this host, so it has no files elsewhere: name a path in it, such as \(target.node.name):log"
            )
        }
        return path
    }

    /// Runs it; ended when nothing moves any more.
    private func run(
        _ request: RemoteRequest,
        _ target: Target,
        _ moved: MovedBytes
    ) async throws(StepError) -> RemoteEnd {
        let patience = patience
        let result = await withTaskGroup(of: Result<RemoteEnd, ConnectionFailure>?.self) { group in
            group.addTask {
                do throws(ConnectionFailure) {
                    return .success(try await target.place.connection.run(request))
                } catch {
                    return .failure(error)
                }
            }
            group.addTask {
                var seen = moved.count
                while !Task.isCancelled {
                    await pause(patience)
                    if moved.count == seen { return nil }
                    seen = moved.count
                }
                return nil
            }
            let first = await group.next()
            group.cancelAll()
            return first ?? nil
        }
        switch result {
        case .success(let end)?: return end
        case .failure(let failure)?: throw Self.error(failure, target)
        case nil:
            if Task.isCancelled { throw Self.error(.cancelled, target) }
            throw StepError(.timedOut, "\(target.node.name): nothing has moved for \(patience.shortText); given up")
        }
    }

    private static func error(_ failure: ConnectionFailure, _ target: Target) -> StepError {
        let name = target.node.name
        return switch failure {
        case .unreachable(let reason), .broken(let reason), .silent(let reason):
            StepError(.lost, "\(name): \(reason)")
        case .refused(let reason), .exhausted(let reason): StepError(.refused, "\(name): \(reason)")
        case .cancelled: StepError(.cancelled, "\(name): ended; nothing stands under the target's name")
        }
    }

    private static func said(_ end: RemoteEnd) -> String {
        let lines = end.error.split(separator: "\n").suffix(3).map { String($0.prefix(300)) }
        return lines.isEmpty ? "status \(end.status.map { "\($0)" } ?? "unknown")" : lines.joined(separator: "; ")
    }

    private func unanswered(_ target: Target, _ end: RemoteEnd) -> StepError {
        StepError(.lost, "\(target.node.name): the answer was cut off: \(Self.said(end))")
    }

    // MARK: What the node answers instead

    private func refusal(_ reply: ShellReply, _ target: Target, _ end: RemoteEnd, what: String) -> StepError {
        let thing = "\(target.node.name):\(target.path)"
        func file(_ text: String) -> StepError { StepError(.file, "\(thing): \(text)") }
        switch reply.word {
        case "gone":
            return StepError(
                .lost,
                "\(target.node.name): its folder is not on the machine: muster why \(target.node.name)"
            )
        case "taken":
            return StepError(.lost, "\(target.node.name): its machine was taken over, as the lease had ended")
        case "none": return file("there is no such file: muster exec \(target.node.name) -- ls -la")
        case "dangling": return file("it is a link to something that is not there")
        case "special": return file("it is neither a file nor a folder: devices and sockets are not copied")
        case "outside": return file("it leads out of the node's folder by a link; name where it is by an absolute path")
        case "denied": return file("the machine's user may not: \(Self.said(end))")
        case "reserved": return file("that is a name that Muster uses there (op-…, supervisor.…): choose another")
        case "no-folder":
            return file("there is no such folder: make it first (muster exec \(target.node.name) -- mkdir -p …)")
        case "is-folder": return file("'\(what)' is a folder there")
        case "exists": return file("'\(what)' is there already: remove it, choose another name, or say --replace")
        case "no-tar": return file("a folder is copied by 'tar', which the machine has not: install it, or copy files")
        case "no-extract": return file("its tar fails: \(Self.said(end))")
        case "short": return file("'\(what)' did not arrive whole: is the disk there full?")
        default:
            return StepError(.refused, "\(thing): \(reply.word) \(reply.text)")
        }
    }
}

/// How much has moved.
private final class MovedBytes: Sendable {
    private let bytes = Atomic(0)
    private let progress: @Sendable (Int) -> Void

    init(_ progress: @escaping @Sendable (Int) -> Void) { self.progress = progress }

    var count: Int { bytes.load(ordering: .relaxed) }

    func add(_ count: Int) {
        bytes.add(count, ordering: .relaxed)
        progress(count)
    }
}
