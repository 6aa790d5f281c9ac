import Foundation
package import MusterCore

/// Writes a folder of this host to a file, as an archive that `Driver.unpack` makes a folder of on a node.
package struct FolderArchive {
    /// Links that lead out of it, devices and the like, and why each is not part of it.
    package private(set) var leftOut: [String] = []
    private let source: CopySource

    /// - Parameter leftAside: what is no part of it: paths relative to it.
    /// - Throws: `.file` when the folder cannot be read.
    package init(of folder: String, without leftAside: Set<String>) throws(StepError) {
        source = try CopySource(folder, leftAside: leftAside)
        guard source.isFolder else { throw StepError(.file, "'\(folder)' is no folder") }
    }

    /// Writes it whole, and gives each part of it to `onPart` as well.
    ///
    /// - Throws: `.file` when something of the folder cannot be read, or the file not be written.
    package mutating func write(to path: String, onPart: ([UInt8]) -> Void) throws(StepError) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Self.error(path) }
        defer { close(file) }
        while let bytes = source.next() {
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Foundation.write(file, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw Self.error(path) }
                rest.removeFirst(count)
            }
            onPart(bytes)
        }
        if let failure = source.given.failure { throw failure }
        leftOut = source.given.leftOut
    }

    private static func error(_ path: String) -> StepError {
        StepError(.file, "'\(path)' cannot be written: \(String(cString: strerror(errno)))")
    }
}
