import Foundation
import MusterCore
import Testing

@testable import MusterEngine

/// A state's folder with the folders of nodes in it, gone when the test is over.
final class ReportFolder {
    let path: String
    var state: StateDirectory { StateDirectory(path: path) }

    init() throws {
        var template = Array((NSTemporaryDirectory() + "/muster-reports.XXXXXX").utf8CString)
        path = String(cString: try #require(mkdtemp(&template)))
        mkdir(state.nodes, 0o700)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func node(_ number: Int64) -> String {
        let folder = state.node(NodeID(number), NodeName(group: "app", index: Int(number)))
        mkdir(folder, 0o700)
        return folder
    }

    func reports(_ number: Int64) -> String { node(number) + "/" + StateDirectory.reportsName }

    func file(_ number: Int64) -> ReportFile {
        ReportFile(nodes: state.nodes, folder: String(node(number).dropFirst(state.nodes.count + 1)))
    }

    /// As a command on the node does: `echo TEXT >> "$MUSTER_REPORT"`.
    func append(_ text: String, _ number: Int64 = 1) throws {
        let file = open(reports(number), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        try #require(file >= 0)
        defer { close(file) }
        let bytes = Array(text.utf8)
        try #require(bytes.withUnsafeBytes { write(file, $0.baseAddress!, $0.count) } == bytes.count)
    }
}
