import Foundation
import Logging
import MusterCore
import MusterDrivers
import Synchronization

/// Hears by inotify that nodes have written reports, and reads them when it is told from where.
///
/// One thread for all nodes: it begins with the first node. It decides nothing: the Director says where to read, and
/// takes only what was read from there. Nobody asks again and again.
final class ReportReader: Sendable {
    private struct Content {
        /// Nodes that are listened to, by the number of their watch.
        var nodes: [Int32: NodeID] = [:]
        var files: [NodeID: (file: ReportFile, watch: Int32)] = [:]
        /// Nodes of which the Director was told that there may be something, and has not said from where to read.
        var asked: Set<NodeID> = []
        var toRead: [(node: NodeID, position: ReportPosition?)] = []
        /// What was said last of a file that could not be read: once.
        var flaws: [NodeID: [String]] = [:]
        /// There from the first node on: a host has few of them.
        var descriptors: Descriptors?
        var isStopped = false
        var readings = 0
    }

    private let inbox: Inbox
    private let state: StateDirectory
    private let logger: Logger
    private let content = Mutex(Content())
    private let end = DispatchSemaphore(value: 0)
    private let idle = DispatchGroup()

    /// Descriptors that are closed when nobody uses them any more.
    private final class Descriptors: Sendable {
        let notify: Int32
        /// A pipe that wakes the thread.
        let wakeRead: Int32
        let wakeWrite: Int32

        init?() {
            notify = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
            guard notify >= 0 else { return nil }
            var ends: [Int32] = [-1, -1]
            guard pipe(&ends) == 0 else {
                close(notify)
                return nil
            }
            for end in ends {
                _ = fcntl(end, F_SETFD, FD_CLOEXEC)
                _ = fcntl(end, F_SETFL, O_NONBLOCK)
            }
            (wakeRead, wakeWrite) = (ends[0], ends[1])
        }

        deinit { for descriptor in [notify, wakeRead, wakeWrite] { close(descriptor) } }

        func wake() {
            var byte: UInt8 = 1
            _ = write(wakeWrite, &byte, 1)
        }
    }

    init(inbox: Inbox, state: StateDirectory, logger: Logger) {
        self.inbox = inbox
        self.state = state
        self.logger = logger
    }

    private static let mask =
        UInt32(IN_CREATE) | UInt32(IN_MOVED_TO) | UInt32(IN_MODIFY) | UInt32(IN_ONLYDIR)
        | UInt32(IN_DONT_FOLLOW)

    /// Listens to a node. What it has written before is asked for, also where that was done before.
    func watch(_ node: NodeHandle) {
        guard listen(to: node) != nil else { return }
        content.withLock { _ = $0.asked.remove(node.id) }
        ask(node.id)
    }

    /// Listens to a node, and reads at once what it has written after a place.
    func watch(_ node: NodeHandle, after position: ReportPosition?) {
        if let file = listen(to: node) { deliver(file.read(after: position), of: node.id) }
    }

    /// Its file of reports; nil where the node has no folder.
    private func listen(to node: NodeHandle) -> ReportFile? {
        guard node.directory.hasPrefix(state.nodes + "/") else { return nil }
        let file = ReportFile(nodes: state.nodes, folder: String(node.directory.dropFirst(state.nodes.count + 1)))
        let failure: Int32 = content.withLock { content in
            guard !content.isStopped, (content.files[node.id]?.watch ?? -1) < 0 else { return 0 }
            guard let descriptors = begin(&content) else { return errno }
            let watch = inotify_add_watch(descriptors.notify, node.directory, Self.mask)
            let failure = watch < 0 ? errno : 0
            if failure == ENOENT { return failure }
            content.files[node.id] = (file, watch)
            if watch >= 0 { content.nodes[watch] = node.id }
            return failure
        }
        if failure == ENOENT { return nil }
        if failure != 0 {
            let reason = String(cString: strerror(failure))
            logger.warning("reports of \(node.name) are read only at the next start: \(reason)")
        }
        return file
    }

    /// The node is gone: nothing it says counts any more.
    func forget(_ node: NodeID) {
        content.withLock { content in
            guard let entry = content.files.removeValue(forKey: node) else { return }
            content.asked.remove(node)
            content.flaws[node] = nil
            if entry.watch >= 0, let descriptors = content.descriptors {
                content.nodes[entry.watch] = nil
                inotify_rm_watch(descriptors.notify, entry.watch)
            }
        }
    }

    /// Reads what a node has written after a place: `Director.Event.reportsRead` has it.
    func read(_ node: NodeID, after position: ReportPosition?) {
        let descriptors: Descriptors? = content.withLock { content in
            guard content.files[node] != nil, !content.isStopped, let descriptors = begin(&content) else { return nil }
            // Whatever is written from here on is another piece of news.
            content.asked.remove(node)
            content.toRead.append((node, position))
            content.readings += 1
            if content.readings == 1 { idle.enter() }
            return descriptors
        }
        descriptors?.wake()
    }

    /// Waits until all is read that was asked for, or it has taken too long.
    func awaitReading() { _ = idle.wait(timeout: .now() + .seconds(2)) }

    /// The nodes belong to another conductor now.
    func abandon() {
        content.withLock { content in
            if let descriptors = content.descriptors {
                for watch in content.nodes.keys { inotify_rm_watch(descriptors.notify, watch) }
            }
            content.nodes = [:]
            content.files = [:]
            content.asked = []
        }
    }

    func stop() {
        let descriptors = content.withLock { content in
            content.isStopped = true
            return content.descriptors
        }
        guard let descriptors else { return }
        descriptors.wake()
        end.wait()
    }

    /// The thread's descriptors; the thread begins with them.
    private func begin(_ content: inout Content) -> Descriptors? {
        if let descriptors = content.descriptors { return descriptors }
        guard let descriptors = Descriptors() else { return nil }
        content.descriptors = descriptors
        // Awaited in `stop()`.
        let thread = Thread { [self] in
            while !isStopped { turn(descriptors) }
            end.signal()
        }
        thread.name = "reports"
        thread.start()
        return descriptors
    }

    private var isStopped: Bool { content.withLock { $0.isStopped } }

    // MARK: The thread

    private func turn(_ descriptors: Descriptors) {
        var waits = [
            pollfd(fd: descriptors.notify, events: Int16(POLLIN), revents: 0),
            pollfd(fd: descriptors.wakeRead, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&waits, 2, -1) > 0 else { return }
        if waits[1].revents != 0 {
            var bytes = [UInt8](repeating: 0, count: 512)
            while Foundation.read(descriptors.wakeRead, &bytes, bytes.count) > 0 {}
        }
        if waits[0].revents != 0 { for node in changed(descriptors) { ask(node) } }
        let work = content.withLock { content in
            defer { content.toRead = [] }
            return content.toRead.compactMap { entry in
                content.files[entry.node].map { (entry.node, $0.file, entry.position) }
            }
        }
        for (node, file, position) in work { deliver(file.read(after: position), of: node) }
        content.withLock { content in
            guard content.readings > 0, content.toRead.isEmpty else { return }
            content.readings = 0
            idle.leave()
        }
    }

    /// The nodes whose files of reports have changed.
    private func changed(_ descriptors: Descriptors) -> Set<NodeID> {
        let size = 64 << 10
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
        defer { buffer.deallocate() }
        var nodes: Set<NodeID> = []
        while true {
            let count = Foundation.read(descriptors.notify, buffer, size)
            guard count > 0 else { return nodes }
            content.withLock { content in
                var offset = 0
                while offset < count {
                    let event = buffer.advanced(by: offset).assumingMemoryBound(to: inotify_event.self)
                    // More happened than the kernel could note: it may have been any of them.
                    if event.pointee.mask & UInt32(IN_Q_OVERFLOW) != 0 { nodes.formUnion(content.files.keys) }
                    let nameStart = offset + MemoryLayout<inotify_event>.size
                    let name = buffer.advanced(by: nameStart).assumingMemoryBound(to: CChar.self)
                    if event.pointee.len > 0, strcmp(name, StateDirectory.reportsName) == 0,
                        let node = content.nodes[event.pointee.wd]
                    {
                        nodes.insert(node)
                    }
                    offset = nameStart + Int(event.pointee.len)
                }
            }
        }
    }

    private func ask(_ node: NodeID) {
        let isNew = content.withLock { content in
            content.files[node] != nil && !content.isStopped && content.asked.insert(node).inserted
        }
        if isNew { inbox.put(.reportsWaiting(node)) }
    }

    /// A file that cannot be read stays where it is, and that is said once.
    private func deliver(_ batch: ReportBatch, of node: NodeID) {
        if batch.to == batch.from {
            let isNews = content.withLock { content in
                guard content.files[node] != nil, content.flaws[node] != batch.flaws else { return false }
                content.flaws[node] = batch.flaws
                return !batch.flaws.isEmpty
            }
            guard isNews else { return }
        } else {
            content.withLock { $0.flaws[node] = nil }
        }
        inbox.put(.reportsRead(node, batch))
    }
}
