import MusterCore

/// Takes what a node answers to a wish for a file or a folder.
struct CopyReceiver {
    private enum Phase {
        case firstLine
        /// Something else was answered.
        case reply
        case file(size: Int, mode: UInt16)
        case folder(ArchiveReader, mode: UInt16)
    }

    private static let replyMax = 64 << 10

    let target: CopyTarget
    private let isReserved: @Sendable (String) -> Bool
    private var phase = Phase.firstLine
    private var buffer: [UInt8] = []
    private(set) var failure: StepError?

    init(_ target: CopyTarget, isReserved: @escaping @Sendable (String) -> Bool) {
        self.target = target
        self.isReserved = isReserved
    }

    var isFolder: Bool { if case .folder = phase { true } else { false } }

    /// What was answered instead; nil when it is a file or a folder.
    var reply: [UInt8]? {
        switch phase {
        case .firstLine, .reply: buffer
        case .file, .folder: nil
        }
    }

    /// False when it failed, and no more is wanted.
    mutating func take(_ bytes: [UInt8]) -> Bool {
        guard failure == nil else { return false }
        do throws(StepError) {
            try receive(bytes)
            return true
        } catch {
            failure = error
            return false
        }
    }

    private mutating func receive(_ bytes: [UInt8]) throws(StepError) {
        switch phase {
        case .file: try target.write(bytes[...])
        case .folder(let reader, _): try reader.take(bytes)
        case .reply, .firstLine:
            buffer += bytes
            guard buffer.count <= Self.replyMax || buffer.contains(UInt8(ascii: "\n")) else {
                throw StepError(.refused, "the machine says too much, and nothing of what was asked")
            }
            guard case .firstLine = phase, let end = buffer.firstIndex(of: UInt8(ascii: "\n")) else { return }
            let words = String(decoding: buffer[..<end], as: UTF8.self).split(separator: " ")
            let rest = Array(buffer[(end + 1)...])
            switch words.first {
            case "file" where words.count == 3:
                guard let mode = UInt16(words[1], radix: 8), let size = Int(words[2]) else { break }
                try target.beginFile()
                phase = .file(size: size, mode: mode)
                buffer = []
                return try target.write(rest[...])
            case "folder" where words.count == 2:
                guard let mode = UInt16(words[1], radix: 8) else { break }
                try target.beginFolder()
                let reader = ArchiveReader(target, isReserved: isReserved)
                phase = .folder(reader, mode: mode)
                buffer = []
                return try reader.take(rest)
            default: break
            }
            phase = .reply
        }
    }

    /// Takes away what was begun: it is not wanted any more.
    mutating func abandon(_ reason: StepError) {
        failure = failure ?? reason
        target.abandon()
    }

    /// Puts it under its name, when all of it has come; returns what was left out.
    func place(_ path: String) throws(StepError) -> [String] {
        switch phase {
        case .firstLine, .reply: return []
        case .file(let size, let mode):
            // What says that it is empty may be one of the kernel's, which are made while they are read.
            guard size == 0 || target.bytes == size else {
                throw StepError(.file, "'\(path)' became shorter while it was copied: copy it again")
            }
            try target.placeFile(mode: mode)
            return []
        case .folder(let reader, let mode):
            guard reader.isEnded else { throw StepError(.lost, "the archive of '\(path)' breaks off") }
            try target.placeFolder(mode: mode)
            let more = reader.leftOutMore
            return reader.leftOut + (more > 0 ? ["and \(more) more"] : [])
        }
    }
}
