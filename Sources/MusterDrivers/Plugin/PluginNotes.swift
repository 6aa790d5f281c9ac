import Foundation
import MusterCore
import MusterSupervision

/// What is noted in a node's folder of its machine, so that any later process finds it.
struct PluginNote: Codable {
    var format = 1
    var machine: PluginMachine
    /// How the plug-in knows it.
    var name: String
    var lab: String
    var node: String
    var nodeID: Int64
    /// Who made it, or was to make it.
    var operation: String
    /// What its making answered; nil before.
    var created: PluginAnswer.Created?
    /// It was switched off, not only its server.
    var isOff = false
    /// It was destroyed.
    var isGone = false

    static let file = "supervisor.plugin"
    static func path(_ directory: String) -> String { "\(directory)/\(file)" }

    /// nil when the node never had a machine, or was never about to have one.
    static func read(_ directory: String) -> PluginNote? {
        guard let bytes = FileManager.default.contents(atPath: path(directory)) else { return nil }
        return try? JSONDecoder().decode(PluginNote.self, from: bytes)
    }

    func write(_ directory: String) throws(StepError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        try RemoteNodes.write((try? encoder.encode(self)).map(Array.init) ?? [], Self.path(directory))
    }

    var pluginName: PluginName { PluginName(machine: name, lab: lab, node: node, nodeID: nodeID) }
}

/// A request that is under way, noted before the plug-in is given it: whoever comes after a crash ends it before it
/// asks for anything itself.
struct PluginCall: Codable {
    enum Kind: String {
        case acting = "supervisor.plugin-call"
        case watching = "supervisor.plugin-watch"
    }

    var boot: String
    var pid: Int32
    var startTime: UInt64
    var id: String

    init(_ identity: ProcessIdentity, id: String) {
        boot = ProcessTable.bootID()
        pid = identity.pid
        startTime = identity.startTime
        self.id = id
    }

    func write(_ directory: String, _ kind: Kind) -> Bool {
        guard let bytes = try? JSONEncoder().encode(self) else { return false }
        do throws(StepError) {
            try RemoteNodes.write(Array(bytes), "\(directory)/\(kind.rawValue)")
            return true
        } catch {
            return false
        }
    }

    static func read(_ directory: String, _ kind: Kind) -> PluginCall? {
        guard let bytes = FileManager.default.contents(atPath: "\(directory)/\(kind.rawValue)") else { return nil }
        return try? JSONDecoder().decode(PluginCall.self, from: bytes)
    }

    /// Ends the request that somebody else left, when its own process still runs.
    static func endFormer(in directory: String, _ kind: Kind) {
        guard let call = read(directory, kind) else { return }
        let identity = ProcessIdentity(pid: call.pid, startTime: call.startTime)
        // What a request that has ended leaves running is the machine's.
        if call.boot == ProcessTable.bootID(), ProcessTable.isAlive(identity) {
            PluginProcess.endTree(identity, mark: call.id)
        }
        remove(directory, kind)
    }

    static func remove(_ directory: String, _ kind: Kind) { unlink("\(directory)/\(kind.rawValue)") }
}

/// The newest conductor that did anything to a node: older ones are refused.
enum PluginFence {
    private static func path(_ directory: String) -> String { "\(directory)/supervisor.plugin-epoch" }

    static func pass(_ node: NodeHandle) throws(StepError) {
        let bytes = ProcessTable.read(path(node.directory), limit: 64) ?? []
        let text = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        let known = Int64(text) ?? 0
        let epoch = node.tenure.epoch
        guard epoch >= known else {
            throw StepError(.refused, "\(node.name): a newer conductor (epoch \(known)) has it in hand")
        }
        if epoch > known { try RemoteNodes.write(Array("\(epoch)\n".utf8), path(node.directory)) }
    }
}

/// What a plug-in says of its work for people, as the output of the operation.
final class PluginOutput: Sendable {
    private static let limit = 8 << 20
    private let descriptor: Int32

    /// - Parameter folder: of the operation.
    init(folder: String) {
        let isThere = (try? RemoteNodes.makeFolder(folder)) != nil
        descriptor =
            isThere
            ? open("\(folder)/\(SupervisorFiles.output)", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
            : -1
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func take(_ line: PluginProgram.Line) {
        switch line {
        case .progress(let text): write(Array((text + "\n").utf8))
        case .output(let bytes): write(bytes)
        case .watching: break
        }
    }

    private func write(_ bytes: [UInt8]) {
        var status = stat()
        guard descriptor >= 0, fstat(descriptor, &status) == 0, status.st_size < Self.limit else { return }
        let kept = bytes.prefix(Self.limit - Int(status.st_size))
        _ = kept.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
    }
}
