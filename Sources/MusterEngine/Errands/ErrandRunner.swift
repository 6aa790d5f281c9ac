import Foundation
import Logging
import MusterCore
import MusterDrivers
import Synchronization

/// Does what is to be done outside because of nodes: runs scripts of triggers, tells sinks. What came of it goes into
/// the inbox; until that is stored, the errand stays, and is done again after a crash.
final class ErrandRunner: Sendable {
    private struct Content {
        /// Scripts in their order; those of one node run one after another.
        var scripts: [ErrandRow] = []
        var busyNodes: Set<NodeID> = []
        /// What is under way or waits, so that it is not begun twice.
        var known: Set<Key> = []
        var tasks: [Key: Task<Void, Never>] = [:]
    }

    private struct Key: Hashable {
        let lab: String
        let sink: String?
        let number: Int64

        init(lab: String, sink: String?, number: Int64) {
            self.lab = lab
            self.sink = sink
            self.number = number
        }

        init(_ row: ErrandRow) { self.init(lab: row.lab, sink: nil, number: row.number) }
    }

    private let inbox: Inbox
    private let time: any TimeSource
    private let settings: Performer.Settings
    private let logger: Logger
    private let log: ScriptLog
    private let webhooks = WebhookClient()
    private let content = Mutex(Content())
    private let underWay = DispatchGroup()

    /// As many scripts as run at once.
    static let scriptsMax = 8
    /// So long a script may take.
    static let scriptTimeout: Duration = .seconds(60)
    /// So long a sink may take to be told.
    static let noticeTimeout: Duration = .seconds(10)

    init(inbox: Inbox, time: any TimeSource, settings: Performer.Settings, logger: Logger) {
        self.inbox = inbox
        self.time = time
        self.settings = settings
        self.logger = logger
        log = ScriptLog(settings.state)
    }

    func begin(_ errand: Errand, _ tenure: Tenure) {
        switch errand {
        case .script(let row):
            content.withLock { content in
                guard content.known.insert(Key(row)).inserted else { return }
                underWay.enter()
                content.scripts.append(row)
                beginScripts(&content, tenure)
            }
        case .notices(let message):
            let key = Key(lab: message.lab, sink: message.sink.name, number: 0)
            content.withLock { content in
                guard content.known.insert(key).inserted else { return }
                underWay.enter()
                // Tracked in `tasks`, and awaited in `stop()`.
                content.tasks[key] = Task { [self] in
                    let failure = tenure.mayAct ? await tell(message) : "its conductor was lost"
                    ended(key, .notices(message), failure, tenure)
                }
            }
        }
    }

    private func beginScripts(_ content: inout Content, _ tenure: Tenure) {
        while content.busyNodes.count < Self.scriptsMax,
            let place = content.scripts.firstIndex(where: { !content.busyNodes.contains($0.node) })
        {
            let row = content.scripts.remove(at: place)
            content.busyNodes.insert(row.node)
            // As above.
            content.tasks[Key(row)] = Task { [self] in
                let failure = tenure.mayAct ? await run(row) : nil
                self.content.withLock { content in
                    content.busyNodes.remove(row.node)
                    beginScripts(&content, tenure)
                }
                ended(Key(row), .script(row), failure, tenure)
            }
        }
    }

    /// One that was told to stop says nothing: it is begun again by the next conductor.
    private func ended(_ key: Key, _ errand: Errand, _ failure: String?, _ tenure: Tenure) {
        // First this: what is begun next is not taken for the same.
        content.withLock { content in
            content.known.remove(key)
            content.tasks[key] = nil
        }
        if !Task.isCancelled, tenure.mayAct { inbox.put(.errandEnded(errand, failure: failure)) }
        underWay.leave()
    }

    // MARK: Scripts

    private func run(_ row: ErrandRow) async -> String? {
        guard case .script(let path, let folder, let mode, let state) = row.kind else { return nil }
        let program: String
        do throws(StepError) {
            program = try Self.confined(path, to: folder)
        } catch {
            return error.message
        }
        var environment = settings.surroundings.environment
        environment["MUSTER_NODE"] = row.name.description
        environment["MUSTER_GROUP"] = row.name.group
        environment["MUSTER_LAB"] = row.lab
        environment["MUSTER_LAB_DIR"] = folder
        environment["MUSTER_NODE_DIR"] = settings.state.node(row.node, row.name)
        environment["MUSTER_MODE"] = mode
        environment["MUSTER_STATE"] = state
        environment["MUSTER_ERRAND"] = "\(settings.stateName)-\(row.lab)-\(row.number)"
        let command = HostCommand(
            arguments: [program],
            environment: environment,
            directory: folder,
            timeout: Self.scriptTimeout
        )
        let ending = await command.run(time)
        log.add("\(row.name) SCRIPT:\(path) in \(mode)/\(state), \(time.now().rfc3339)", ending)
        return ending.shown
    }

    /// The absolute path of a file of a folder; links that lead out of it do not.
    static func confined(_ path: String, to folder: String) throws(StepError) -> String {
        let isPlain = !path.isEmpty && !path.hasPrefix("/") && !path.split(separator: "/").contains("..")
        guard isPlain else {
            throw StepError(.refused, "a script is a file of the lab's folder, by its path from there")
        }
        func real(_ path: String) -> String? {
            guard let pointer = realpath(path, nil) else { return nil }
            defer { free(pointer) }
            return String(cString: pointer)
        }
        guard let base = real(folder) else { throw StepError(.file, "the lab's folder \(folder) is not there") }
        guard let file = real(folder + "/" + path) else {
            throw StepError(.file, "there is no file '\(path)' in the lab's folder")
        }
        guard file.hasPrefix(base + "/") else {
            throw StepError(.refused, "'\(path)' leads out of the lab's folder")
        }
        return file
    }

    // MARK: Sinks

    /// Why a sink could not be told; nil when it was. Of secrets nothing is said.
    private func tell(_ message: NoticeMessage) async -> String? {
        let body = NoticeText.json(message)
        switch message.sink.target {
        case .command(let words):
            let command = HostCommand(
                arguments: words.map(\.source),
                environment: settings.surroundings.environment,
                directory: message.sink.folder,
                input: body,
                timeout: Self.noticeTimeout
            )
            return await command.run(time).shown
        case .webhook(let template):
            do throws(StepError) {
                let address = try template.resolved(quoted: false) { segment throws(StepError) in
                    guard case .secret(let name) = segment else { return "" }
                    guard let value = settings.surroundings.secret(name) else {
                        let variable = "MUSTER_SECRET_" + CommandBuilder.variableName(name)
                        throw StepError(.missingSecret, "the secret '\(name)' is not there: set \(variable)")
                    }
                    return value
                }
                try await webhooks.post(body, to: address, within: Self.noticeTimeout)
                return nil
            } catch {
                return error.message
            }
        }
    }

    // MARK: The end

    /// Waits until all is done that is under way, or it has taken too long.
    func awaitEnds() { _ = underWay.wait(timeout: .now() + .seconds(5)) }

    /// They belong to another conductor now.
    func abandon() {
        let (tasks, waiting) = content.withLock { content in
            defer { content.scripts = [] }
            // What is begun under the next term is not taken for what ends now.
            content.known = []
            return (Array(content.tasks.values), content.scripts.count)
        }
        for _ in 0..<waiting { underWay.leave() }
        for task in tasks { task.cancel() }
    }

    func stop() async {
        abandon()
        for task in content.withLock({ Array($0.tasks.values) }) { await task.value }
        await webhooks.stop()
    }
}
