import Crypto
import Foundation
package import MusterCore
import MusterDrivers

/// Copies of the lab files that runs use, under their content hash: a resumed run uses what it began with.
package struct FileArchive: Sendable {
    private let state: StateDirectory
    package init(_ state: StateDirectory) { self.state = state }

    /// Keeps a copy of a file; returns how the run names it, or nil when there is no such regular file.
    ///
    /// - Parameter path: relative to the lab's folder.
    package func keep(_ path: String, labDirectory: String) throws(StateError) -> LabFile? {
        let source = labDirectory + "/" + path
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: source, isDirectory: &isDirectory), !isDirectory.boolValue,
            let content = FileManager.default.contents(atPath: source)
        else { return nil }
        let file = LabFile(path: path, hash: Self.text(SHA256.hash(data: content)))
        let copy = self.copy(of: file)
        guard !FileManager.default.fileExists(atPath: copy) else { return file }
        do {
            try makeFolder()
            let partial = "\(copy).\(getpid())"
            try content.write(to: URL(fileURLWithPath: partial))
            let mode = (try FileManager.default.attributesOfItem(atPath: source)[.posixPermissions] as? Int) ?? 0o600
            try FileManager.default.setAttributes([.posixPermissions: mode & 0o700], ofItemAtPath: partial)
            guard rename(partial, copy) == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        } catch {
            throw StateError("a copy of \(source) cannot be kept in \(state.files): \(error.reason)")
        }
        return file
    }

    /// Keeps an archive of a folder, for nodes that have no files of this host; returns how the run names it, and what
    /// is no part of it, and why.
    ///
    /// The folders `.git` and of this state in it are no part of it either, nor are the others given.
    package func keepTree(
        _ tree: String,
        without others: [String]
    ) throws(StateError) -> (file: LabFile, leftOut: [String]) {
        // By whatever links they are named.
        let root = Self.real(tree)
        let aside = ([state.path] + others).map(Self.real).filter { $0.hasPrefix(root + "/") }.map {
            String($0.dropFirst(root.count + 1))
        }
        let partial = "\(state.files)/tree.\(getpid())"
        defer { unlink(partial) }
        do {
            try makeFolder()
            var archive = try FolderArchive(of: tree, without: Set([".git"] + aside))
            var hash = SHA256()
            try archive.write(to: partial) { hash.update(data: $0) }
            let file = LabFile(path: tree, hash: Self.text(hash.finalize()))
            guard rename(partial, copy(of: file)) == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
            return (file, archive.leftOut)
        } catch {
            throw StateError("a copy of \(tree) cannot be kept in \(state.files): \(error.reason)")
        }
    }

    /// A path without symbolic links; of what is not there yet, as far as it is there.
    private static func real(_ path: String) -> String {
        guard path != "/", let resolved = realpath(path, nil) else {
            let parent = (path as NSString).deletingLastPathComponent
            guard path != "/", parent != path, !parent.isEmpty else { return path }
            let real = real(parent)
            return (real == "/" ? "" : real) + "/" + (path as NSString).lastPathComponent
        }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    private func makeFolder() throws {
        try FileManager.default.createDirectory(
            atPath: state.files,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
    }

    private static func text(_ hash: SHA256.Digest) -> String {
        hash.map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }

    /// The archive of a tree that a run uses; nil where none was kept.
    func tree(_ path: String, in spec: RunSpec) -> (archive: String, name: String)? {
        guard let file = spec.trees?.first(where: { $0.path == path }) else { return nil }
        return (copy(of: file), "tree-\(file.hash.prefix(16))")
    }

    private func copy(of file: LabFile) -> String { state.files + "/" + file.hash }

    /// The copy of a file as it was when the run was planned; the lab's own where none was kept.
    func keptPath(of path: String, in spec: RunSpec) -> String {
        guard let file = spec.files.first(where: { $0.path == path }) else { return spec.labDirectory + "/" + path }
        return copy(of: file)
    }

    /// Where to take a file of a run from: the lab's own while it is unchanged (scripts find what lies beside them),
    /// else the kept copy.
    package func path(of path: String, in spec: RunSpec) -> String {
        let own = spec.labDirectory + "/" + path
        guard let file = spec.files.first(where: { $0.path == path }) else { return own }
        let copy = copy(of: file)
        guard FileManager.default.fileExists(atPath: copy) else { return own }
        return FileManager.default.contentsEqual(atPath: own, andPath: copy) ? own : copy
    }

    /// The lab's own file, for what is of no use without the files beside it, of which there are no copies.
    func unchangedPath(of path: String, in spec: RunSpec) throws(StepError) -> String {
        let own = spec.labDirectory + "/" + path
        guard self.path(of: path, in: spec) == own else {
            let advice = "put it back, or begin anew: muster up --new"
            throw StepError(.file, "'\(path)' has changed since the run was planned: \(advice)")
        }
        return own
    }
}
