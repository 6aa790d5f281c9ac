import Foundation
import MusterCore
import Testing

@testable import MusterDrivers

@Suite struct NodeFilesTests {
    /// What a node's users leave may have names that are no text, and be deeper than a process has descriptors.
    @Test func everythingIsRemovedButWhatIsTheSupervisors() throws {
        let folder = NSTemporaryDirectory() + "muster-files-\(getpid())"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { close(root) }
        for name: [CChar] in [[0x61, -1, 0], [-61, 0], Array("plain".utf8CString)] {
            close(openat(root, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600))
        }
        try #require(mkdirat(root, "supervisor.x", 0o700) == 0)
        try #require(symlinkat("/etc", root, "link") == 0)
        var deep = dup(root)
        for level in 0..<2_000 {
            let name: [CChar] = level % 2 == 0 ? [0x64, -2, 0] : [0x65, 0]
            try #require(mkdirat(deep, name, 0o700) == 0)
            close(openat(deep, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600))
            let next = openat(deep, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            close(deep)
            deep = next
        }
        close(deep)
        try NodeFiles(folder).removeAll()
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["supervisor.x"])
        #expect(FileManager.default.fileExists(atPath: "/etc/passwd"))
    }
}
