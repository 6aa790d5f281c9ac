import Foundation
import MusterCore

/// Unpacks an archive into a target, block by block as it comes. What it says is not trusted: paths and links that lead
/// out of the target, devices and the like are left out and named, modes lose what is more than reading, writing and
/// executing.
final class ArchiveReader {
    private enum Phase {
        case header
        /// So many bytes of a file are still missing, and then so many that only fill a block.
        case file(Int32, names: [[UInt8]], rest: Int, padding: Int)
        /// Settings, or a long name.
        case text(ArchiveHeader.Kind, rest: Int, padding: Int)
        case skipping(Int)
        case ended
    }

    /// Names and settings are no longer than this.
    private static let textMax = 1 << 20
    /// How many are named; the rest is counted.
    static let namedMax = 100

    private let target: CopyTarget
    /// Whether an entry of this name at the top is none of what is copied.
    private let isReserved: (String) -> Bool
    private var phase = Phase.header
    private var buffer: [UInt8] = []
    private var text: [UInt8] = []
    private var longName: [UInt8]?
    private var longTarget: [UInt8]?
    private var settings: [String: [UInt8]] = [:]
    private(set) var leftOut: [String] = []
    private(set) var leftOutMore = 0

    var isEnded: Bool { if case .ended = phase { true } else { false } }

    init(_ target: CopyTarget, isReserved: @escaping (String) -> Bool) {
        self.target = target
        self.isReserved = isReserved
    }

    deinit { if case .file(let file, _, _, _) = phase { close(file) } }

    /// - Throws: `.file` when it is no archive, or cannot be written.
    func take(_ bytes: [UInt8]) throws(StepError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            switch phase {
            case .ended: return
            case .header:
                let wanted = ArchiveHeader.blockSize - buffer.count
                buffer += rest.prefix(wanted)
                rest = rest.dropFirst(wanted)
                guard buffer.count == ArchiveHeader.blockSize else { return }
                defer { buffer = [] }
                if buffer.allSatisfy({ $0 == 0 }) {
                    phase = .ended
                    return
                }
                guard let header = ArchiveHeader(block: buffer[...]) else {
                    throw StepError(.file, "the node's tar gives what is no archive")
                }
                try begin(header)
            case .file(let file, let names, let missing, let padding):
                let part = rest.prefix(missing)
                rest = rest.dropFirst(part.count)
                try target.write(part, to: file, names)
                if part.count < missing {
                    phase = .file(file, names: names, rest: missing - part.count, padding: padding)
                } else {
                    close(file)
                    phase = padding > 0 ? .skipping(padding) : .header
                }
            case .text(let kind, let missing, let padding):
                let part = rest.prefix(missing)
                rest = rest.dropFirst(part.count)
                text += part
                if part.count < missing {
                    phase = .text(kind, rest: missing - part.count, padding: padding)
                } else {
                    learn(kind)
                    phase = padding > 0 ? .skipping(padding) : .header
                }
            case .skipping(let count):
                let part = min(count, rest.count)
                rest = rest.dropFirst(part)
                phase = part < count ? .skipping(count - part) : .header
            }
        }
    }

    // MARK: Entries

    private func begin(_ header: ArchiveHeader) throws(StepError) {
        let kind = header.kind
        switch kind {
        case .longName, .longTarget, .settings, .settingsOfAll:
            guard header.size <= Self.textMax else {
                throw StepError(.file, "a name in the node's archive is too long")
            }
            text = []
            phase = .text(kind!, rest: header.size, padding: ArchiveHeader.padding(of: header.size).count)
            if header.size == 0 { phase = .header }
            return
        case .file, .hardLink, .link, .folder, nil: break
        }
        let size = settings["size"].flatMap { Int(TreePath.text($0)) } ?? header.size
        let path = settings["path"] ?? longName ?? header.name
        let destination = settings["linkpath"] ?? longTarget ?? header.target
        (longName, longTarget, settings) = (nil, nil, [:])
        // Only files have something behind them, and what nobody knows.
        let hasContent = kind == .file || kind == nil
        let content = hasContent ? max(0, size) : 0
        let padding = ArchiveHeader.padding(of: content).count
        phase = content + padding > 0 ? .skipping(content + padding) : .header
        guard let names = TreePath.names(path) else {
            return leaveOut(path, "it leads out of what is copied")
        }
        if let first = names.first, isReserved(TreePath.text(first)) { return }
        switch kind {
        case .folder: try target.makeFolder(names, mode: header.mode)
        case .file:
            // Old archives have folders as files with a `/` at the end.
            if path.last == UInt8(ascii: "/") { return try target.makeFolder(names, mode: header.mode) }
            guard !names.isEmpty else { return }
            let file = try target.makeFile(names, mode: header.mode)
            guard content > 0 else {
                close(file)
                return
            }
            phase = .file(file, names: names, rest: content, padding: padding)
        case .link:
            guard TreePath.staysInside(destination, depth: names.count - 1) else {
                return leaveOut(path, "it is a link out of what is copied, to \(TreePath.text(destination))")
            }
            try target.makeLink(names, to: destination)
        case .hardLink:
            guard let former = TreePath.names(destination) else {
                return leaveOut(path, "it leads out of what is copied")
            }
            try target.makeHardLink(names, to: former)
        case .longName, .longTarget, .settings, .settingsOfAll, nil:
            leaveOut(path, "it is neither a file, a folder nor a link")
        }
    }

    private func leaveOut(_ path: [UInt8], _ reason: String) {
        guard leftOut.count < Self.namedMax else {
            leftOutMore += 1
            return
        }
        leftOut.append("\(TreePath.text(path)): \(reason)")
    }

    // MARK: Long names and settings

    private func learn(_ kind: ArchiveHeader.Kind) {
        switch kind {
        case .longName: longName = Array(text.prefix { $0 != 0 })
        case .longTarget: longTarget = Array(text.prefix { $0 != 0 })
        case .settings: readSettings()
        case .file, .hardLink, .link, .folder, .settingsOfAll: break
        }
        text = []
    }

    /// Lines `LENGTH KEY=VALUE`, where the length is that of the whole line.
    private func readSettings() {
        var rest = text[...]
        while let blank = rest.firstIndex(of: UInt8(ascii: " ")),
            let length = Int(TreePath.text(Array(rest[..<blank]))), length > blank - rest.startIndex + 1,
            length <= rest.count
        {
            let line = rest[(blank + 1)..<(rest.startIndex + length - 1)]
            if let split = line.firstIndex(of: UInt8(ascii: "=")) {
                settings[TreePath.text(Array(line[..<split]))] = Array(line[(split + 1)...])
            }
            rest = rest.dropFirst(length)
        }
    }
}
