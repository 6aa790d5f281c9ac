import Foundation
import MusterCore
import MusterDrivers
import Synchronization

extension DriverConformance {
    static let copyChecks: [Check] = [
        Check("what is copied to a node and back is the same, with modes, links and odd names") { subject in
            try await CopyGround.with(subject) { ground in
                let tree = try ground.tree()
                let pushed = try await ground.push(tree, to: "copied", name: "tree")
                try equal(pushed.files, 6, "the number of files that were copied")
                try equal(pushed.leftOut.count, 2, "what was left out (\(pushed.leftOut))")
                try await subject.sh(
                    "test -x copied/bin/run && test $(stat -c %a copied/bin/run) = 755 && test -L copied/link && "
                        + "test $(cat copied/link) = one && test $(stat -c %a copied/shut) = 555 && "
                        + "test -d copied/none && ! test -L copied/out && test -s 'copied/a b'",
                    "look",
                    on: ground.node
                )
                let back = "\(ground.folder)/back"
                let pulled = try await ground.pull("copied", to: back)
                try equal(pulled.files, 6, "the number of files that came back")
                try equal(try CopyGround.listing(back), try CopyGround.listing(tree), "the tree that came back")
                try equal(try CopyGround.names(in: ground.folder), ["back", "tree"], "what is in the folder here")
                try await subject.sh("! ls -A | grep muster-part", "drafts", on: ground.node)
            }
        },
        Check("a copied file takes the place of an old one, a folder only when that is asked for") { subject in
            try await CopyGround.with(subject) { ground in
                let file = try ground.file("new", "new text", mode: 0o640)
                try await subject.sh(
                    "mkdir etc && echo old > etc/conf && mkdir full && touch full/x",
                    "make",
                    on: ground.node
                )
                _ = try await ground.push(file, to: "etc/conf", name: "new")
                _ = try await ground.push(file, to: "etc", name: "new")
                try await subject.sh(
                    "test \"$(cat etc/conf etc/new)\" = 'new textnew text' && test $(stat -c %a etc/conf) = 640 && "
                        + "test $(ls -A etc | wc -l) = 2",
                    "look",
                    on: ground.node
                )
                let tree = try ground.tree()
                try await refused(.file, "a folder over a folder") {
                    _ = try await ground.push(tree, to: "", name: "full")
                }
                try await refused(.file, "a file over a folder") {
                    _ = try await ground.push(file, to: "", name: "full")
                }
                _ = try await ground.push(tree, to: "", name: "full", replaces: true)
                try await subject.sh(
                    "test -f full/one && ! test -e full/x && ! ls -A | grep muster-part",
                    "new",
                    on: ground.node
                )
                try await refused(.file, "a folder that is not there") {
                    _ = try await ground.push(file, to: "no/such", name: "new")
                }
                try await refused(.file, "a file in the place of the folder") {
                    _ = try await ground.push(file, to: "etc/conf", name: "new", into: true)
                }
            }
        },
        Check("no copy leads out of the node's folder, or over what is Muster's there") { subject in
            try await CopyGround.with(subject) { ground in
                let file = try ground.file("new", "bad")
                try await subject.sh(
                    "mkdir ../outside && echo theirs > ../outside/file && ln -s ../outside out && ln -s ../outside/file link",
                    "links",
                    on: ground.node
                )
                for path in ["../escaped", "a/../../escaped", "out/escaped", "out", "supervisor.sock", "op-x"] {
                    try await refused(.file, "a copy to '\(path)'") {
                        _ = try await ground.push(file, to: path, name: "escaped")
                    }
                }
                for path in ["../outside/file", "out/file", "out", "link", "no-such-file"] {
                    try await refused(.file, "a copy of '\(path)'") {
                        _ = try await ground.pull(path, to: "\(ground.folder)/got")
                    }
                }
                // A link in the place of the file itself is replaced, not followed.
                _ = try await ground.push(file, to: "link", name: "new")
                try await subject.sh(
                    "test $(ls ../outside) = file && test $(cat ../outside/file) = theirs && ! test -L link",
                    "look",
                    on: ground.node
                )
                try equal(try CopyGround.names(in: ground.folder), ["new"], "what is in the folder here")
            }
        },
        Check("a copy that is ended leaves nothing under the target's name") { subject in
            try await CopyGround.with(subject) { ground in
                let big = try ground.file("big", "")
                try demand(truncate(big, 64 << 20) == 0, "no large file can be made")
                try await refused(.cancelled, "a copy that was ended") {
                    try await ground.ended { copy throws(StepError) in
                        _ = try await ground.push(big, to: "", name: "big", by: copy)
                    }
                }
                try await subject.sh("! test -e big && mkdir d && truncate -s 67108864 d/big", "look", on: ground.node)
                for path in ["d", "d/big"] {
                    try await refused(.cancelled, "a copy that was ended") {
                        try await ground.ended { copy throws(StepError) in
                            _ = try await ground.pull(path, to: "\(ground.folder)/got", by: copy)
                        }
                    }
                }
                try equal(try CopyGround.names(in: ground.folder), ["big"], "what is in the folder here")
            }
        },
    ]
}

/// A node and a folder of this host between which is copied. Nothing is checked on drivers of which nobody reaches the
/// nodes.
private final class CopyGround: Sendable {
    let node: NodeHandle
    let folder: String
    private let driver: any ReachableDriver

    private init(_ node: NodeHandle, _ driver: any ReachableDriver, _ folder: String) {
        self.node = node
        self.driver = driver
        self.folder = folder
    }

    static func with(
        _ subject: DriverConformance.Subject,
        _ body: (CopyGround) async throws -> Void
    ) async throws {
        guard let driver = subject.driver as? any ReachableDriver else { return }
        let folder = try TestFolder.make("copy")
        defer {
            chmod("\(folder)/tree/shut", 0o755)
            chmod("\(folder)/back/shut", 0o755)
            try? FileManager.default.removeItem(atPath: folder)
        }
        let node = try await subject.made()
        try await body(CopyGround(node, driver, folder))
        try await subject.driver.destroy(node)
    }

    private func target(_ path: String) throws(StepError) -> NodeCopy.Target {
        let reach = try driver.reach(of: node)
        return NodeCopy.Target(
            node: node,
            place: try driver.reachedPlace(of: node),
            hasOwnFiles: reach.hasOwnFiles,
            path: path
        )
    }

    func push(
        _ source: String,
        to path: String,
        name: String,
        into: Bool = false,
        replaces: Bool = false,
        by copy: NodeCopy = NodeCopy()
    ) async throws(StepError) -> NodeCopy.Report {
        try await copy.push(source, named: name, to: target(path), into: into, replaces: replaces)
    }

    func pull(
        _ path: String,
        to local: String,
        by copy: NodeCopy = NodeCopy()
    ) async throws(StepError) -> NodeCopy.Report {
        try await copy.pull(target(path), to: local, replaces: false)
    }

    /// Runs a copy that is ended when something of it has moved.
    func ended(_ body: @escaping @Sendable (NodeCopy) async throws(StepError) -> Void) async throws {
        let (moved, teller) = AsyncStream.makeStream(of: Void.self)
        // What moves goes on when the copy was told to end.
        let gate = DispatchSemaphore(value: 0)
        // Awaited below.
        let task = Task {
            try await body(
                NodeCopy { _ in
                    teller.finish()
                    gate.wait()
                    gate.signal()
                }
            )
        }
        for await _ in moved {}
        task.cancel()
        gate.signal()
        try await task.value
    }

    // MARK: Files of this host

    func file(_ name: String, _ text: String, mode: UInt16 = 0o644) throws -> String {
        let path = "\(folder)/\(name)"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        chmod(path, mode_t(mode))
        return path
    }

    /// Six files, two links, one of them out of it, and a pipe.
    func tree() throws -> String {
        let root = "\(folder)/tree"
        let deep = "deep/" + String(repeating: "n", count: 120) + "/" + String(repeating: "m", count: 130)
        for path in ["bin", "none", "shut", deep] {
            try FileManager.default.createDirectory(atPath: "\(root)/\(path)", withIntermediateDirectories: true)
        }
        _ = try file("tree/one", "one\n")
        _ = try file("tree/bin/run", "#!/bin/sh\n", mode: 0o755)
        _ = try file("tree/a b", String(repeating: "x\n", count: 200_000), mode: 0o600)
        _ = try file("tree/-n \u{FC}\n*", "")
        _ = try file("tree/shut/in", "in", mode: 0o444)
        _ = try file("tree/\(deep)/leaf", "leaf")
        for path in ["bin", "none", deep, "deep", "."] { chmod("\(root)/\(path)", 0o755) }
        chmod("\(root)/shut", 0o555)
        symlink("one", "\(root)/link")
        symlink("../../one", "\(root)/out")
        mkfifo("\(root)/pipe", 0o600)
        return root
    }

    static func names(in folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    }

    /// What is in a tree, but for what is never copied.
    static func listing(_ root: String) throws -> [String] {
        var lines: [String] = []
        for path in try FileManager.default.subpathsOfDirectory(atPath: root).sorted() + ["."] {
            let whole = "\(root)/\(path)"
            var status = stat()
            guard lstat(whole, &status) == 0, path != "out", path != "pipe" else { continue }
            let mode = String(status.st_mode & 0o777, radix: 8)
            switch status.st_mode & S_IFMT {
            case S_IFLNK:
                lines.append("\(path) -> \(try FileManager.default.destinationOfSymbolicLink(atPath: whole))")
            case S_IFDIR: lines.append("\(path)/ \(mode)")
            default:
                let content = FileManager.default.contents(atPath: whole) ?? Data()
                lines.append("\(path) \(mode) \(content.count) \(content.hashValue) \(status.st_mtim.tv_sec > 0)")
            }
        }
        return lines
    }
}
