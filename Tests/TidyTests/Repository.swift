import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The checkout that this file stands in.
enum Repository {
    /// Absolute, without a slash at its end.
    static let root: String = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    /// What git tracks, and what it would: new files too, so that a rule speaks up before the commit.
    static let files: [TrackedFile] = paths.compactMap { TrackedFile(path: $0) }

    static let swiftFiles: [SwiftFile] = files.filter { $0.path.hasSuffix(".swift") }
        .map { SwiftFile(path: $0.path, text: $0.text ?? "") }

    private static let paths: [String] = {
        if let listed = git("ls-files -z --cached --others --exclude-standard") { return listed }
        return walked
    }()

    /// The paths that a git command lists; nil where there is no git, or no repository (a release's archive).
    static func git(_ arguments: String) -> [String]? {
        let quoted = "'" + root.replacing("'", with: "'\\''") + "'"
        guard let pipe = popen("git -C \(quoted) \(arguments) 2>/dev/null", "r") else { return nil }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, pipe), count > 0 { bytes += buffer[..<count] }
        guard pclose(pipe) == 0 else { return nil }
        return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Every file but those that builds and runs make.
    private static var walked: [String] {
        let made = [".build", ".git", ".muster", ".swiftpm", "results", "Package.resolved"]
        let enumerator = FileManager.default.enumerator(atPath: root)
        var paths: [String] = []
        while let path = enumerator?.nextObject() as? String {
            if made.contains(URL(fileURLWithPath: path).lastPathComponent) {
                enumerator?.skipDescendants()
            } else {
                paths.append(path)
            }
        }
        return paths
    }
}

/// A regular file of the repository.
struct TrackedFile: Sendable {
    /// Relative to the root.
    let path: String
    let isExecutable: Bool
    /// nil when it is no text.
    let text: String?

    init(path: String, isExecutable: Bool, text: String?) {
        self.path = path
        self.isExecutable = isExecutable
        self.text = text
    }

    /// nil for what is no regular file: a folder, a link, a file that is deleted but not yet for git.
    init?(path: String) {
        let attributes = try? FileManager.default.attributesOfItem(atPath: Repository.root + "/" + path)
        guard let attributes, attributes[.type] as? FileAttributeType == .typeRegular,
            let content = FileManager.default.contents(atPath: Repository.root + "/" + path)
        else { return nil }
        self.path = path
        isExecutable = ((attributes[.posixPermissions] as? Int) ?? 0) & 0o111 != 0
        text = content.contains(0) ? nil : String(data: content, encoding: .utf8)
    }

    var lines: [String] { text.map { SwiftFile.lines(of: $0) } ?? [] }
}

/// Something that a rule has found, as people read it: `Sources/MusterCore/A.swift:12: what and why`.
struct Finding: Hashable, Sendable, CustomStringConvertible {
    let path: String
    /// From 1; 0 for the whole file.
    let line: Int
    let message: String

    init(_ path: String, _ line: Int, _ message: String) {
        self.path = path
        self.line = line
        self.message = message
    }

    var description: String { (line > 0 ? "\(path):\(line)" : path) + ": \(message)" }
}

extension Sequence<Finding> {
    /// One a line, for a test's message.
    var report: String { map(\.description).joined(separator: "\n") }
}
