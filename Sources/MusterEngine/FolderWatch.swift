import Foundation

/// Watches a folder by inotify: the kernel tells, nobody asks again and again. What happens from its making on is not
/// missed.
package final class FolderWatch: Sendable {
    private let descriptor: Int32
    /// A pipe; readable when the waiting is to end.
    private let stopRead: Int32
    private let stopWrite: Int32

    package init(_ folder: String) throws(StateError) {
        descriptor = inotify_init1(Int32(IN_CLOEXEC))
        guard descriptor >= 0 else {
            throw StateError("inotify is not to be had: \(String(cString: strerror(errno)))")
        }
        var ends: [Int32] = [-1, -1]
        _ = pipe(&ends)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        stopRead = ends[0]
        stopWrite = ends[1]
        let mask =
            UInt32(IN_CREATE) | UInt32(IN_MOVED_TO) | UInt32(IN_MODIFY) | UInt32(IN_CLOSE_WRITE)
            | UInt32(IN_ATTRIB)
        guard inotify_add_watch(descriptor, folder, mask) >= 0 else {
            throw StateError("\(folder) cannot be watched: \(String(cString: strerror(errno)))")
        }
    }

    deinit {
        close(descriptor)
        close(stopRead)
        close(stopWrite)
    }

    /// Waits until a file with one of these names is made, moved in, or written.
    package func change(of names: Set<String>) async throws {
        // One blocking read on a thread of its own; a cancelled task wakes it through the pipe.
        await withTaskCancellationHandler {
            await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
                Thread.detachNewThread { [self] in
                    readUntilChange(of: names)
                    done.resume()
                }
            }
        } onCancel: {
            var byte: UInt8 = 1
            _ = write(stopWrite, &byte, 1)
        }
        try Task.checkCancellation()
    }

    private func readUntilChange(of names: Set<String>) {
        let size = 64 << 10
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
        defer { buffer.deallocate() }
        while true {
            var waits = [
                pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: stopRead, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&waits, 2, -1) > 0 else { continue }
            if waits[1].revents != 0 { return }
            let count = read(descriptor, buffer, size)
            guard count > 0 else { return }
            var offset = 0
            while offset < count {
                let event = buffer.advanced(by: offset).assumingMemoryBound(to: inotify_event.self)
                // More happened than the kernel could note: what it was is unknown.
                if event.pointee.mask & UInt32(IN_Q_OVERFLOW) != 0 { return }
                let nameStart = offset + MemoryLayout<inotify_event>.size
                let name = buffer.advanced(by: nameStart).assumingMemoryBound(to: CChar.self)
                if event.pointee.len > 0, names.contains(String(cString: name)) { return }
                offset = nameStart + Int(event.pointee.len)
            }
        }
    }
}
