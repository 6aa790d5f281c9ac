import Foundation

/// The files beside a lab file, as far as reading a lab needs them. Paths are relative to the lab's folder.
package protocol FileTree: Sendable {
    /// Where the lab's folder is on disk; nil when it is not.
    var folder: String? { get }
    /// What is at a path, through symbolic links; nil when nothing is.
    func kind(of path: String) -> FileKind?
    /// The names in a folder, in any order; nil when it cannot be read. The empty path is the lab's folder.
    func names(in folder: String) -> [String]?
    /// What is in a file, up to `limit` bytes and one more; nil when it cannot be read.
    func contents(of path: String, limit: Int) -> [UInt8]?
}

extension FileTree {
    package var folder: String? { nil }
    package func contents(of path: String, limit: Int) -> [UInt8]? { nil }
}

package enum FileKind: Hashable, Sendable {
    case file
    /// `isLink`: it is reached through a symbolic link, which `**` does not follow.
    case folder(isLink: Bool)
    case other
}

/// A folder on disk.
package struct DiskFileTree: FileTree {
    /// Absolute path of the lab's folder.
    package let root: String
    package init(root: String) { self.root = root }
    package var folder: String? { root }

    private func absolute(_ path: String) -> String { path.isEmpty ? root : root + "/" + path }

    package func kind(of path: String) -> FileKind? {
        let path = absolute(path)
        guard let own = type(path) else { return nil }
        guard own == .typeSymbolicLink else { return Self.kind(own, isLink: false) }
        guard let target = type(URL(fileURLWithPath: path).resolvingSymlinksInPath().path) else { return nil }
        return Self.kind(target, isLink: true)
    }

    package func contents(of path: String, limit: Int) -> [UInt8]? {
        guard let file = FileHandle(forReadingAtPath: absolute(path)) else { return nil }
        defer { try? file.close() }
        guard let data = try? file.read(upToCount: limit + 1) else { return [] }
        return [UInt8](data)
    }

    private func type(_ path: String) -> FileAttributeType? {
        (try? FileManager.default.attributesOfItem(atPath: path))?[.type] as? FileAttributeType
    }

    private static func kind(_ type: FileAttributeType, isLink: Bool) -> FileKind {
        switch type {
        case .typeRegular: .file
        case .typeDirectory: .folder(isLink: isLink)
        default: .other
        }
    }

    package func names(in folder: String) -> [String]? {
        try? FileManager.default.contentsOfDirectory(atPath: absolute(folder))
    }
}
