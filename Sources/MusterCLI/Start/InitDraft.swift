import Foundation
import MusterLab

/// Writes a lab that is drafted from another program's file.
struct InitDraft {
    let options: GlobalOptions
    /// As the user named it.
    let source: String

    /// What a file is taken for.
    enum Kind { case compose, inventory, configuration }

    func write() throws {
        let path = Paths.absolute(source)
        let files = FileManager.default
        guard !files.fileExists(atPath: options.labPath) else {
            throw CLIError("\(options.labFile) is there already; nothing was changed")
        }
        var isFolder: ObjCBool = false
        guard files.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue,
            let data = files.contents(atPath: path), data.count <= LabParser.bytesMax
        else { throw CLIError("--from '\(source)' is no file that can be read, or larger than 4 MiB") }
        var draft: LabDraft
        do throws(LabError) {
            draft = try self.draft(Array(data), path)
        } catch {
            throw CLIError(error.description)
        }
        do throws(LabError) {
            _ = try LabParser.parse(text: draft.text, files: DiskFileTree(root: options.labDirectory))
        } catch {
            for problem in error.diagnostics {
                let what = "\(options.labFile):\(problem.line)"
                draft.leftOut.append(
                    LabDraft.LeftOut(line: nil, what: what, reason: "to be mended: \(problem.message)")
                )
            }
        }
        do {
            try files.createDirectory(atPath: options.labDirectory, withIntermediateDirectories: true)
            try Data(draft.text.utf8).write(to: URL(fileURLWithPath: options.labPath), options: .withoutOverwriting)
        } catch {
            throw CLIError("cannot write in \(options.labDirectory): \(error.localizedDescription)")
        }
        report(draft)
    }

    private func draft(_ bytes: [UInt8], _ path: String) throws(LabError) -> LabDraft {
        let folder = options.labDirectory
        let name = (folder as NSString).lastPathComponent
        // As the lab names it: a file beside it by its name alone.
        let inside = path.hasPrefix(folder + "/") ? String(path.dropFirst(folder.count + 1)) : path
        switch Self.kind(of: source, bytes) {
        case .compose: return try ComposeDraft.draft(bytes, file: source, name: name)
        case .inventory: return try InventoryDraft.draft(inventory: bytes, file: source, path: inside, name: name)
        case .configuration:
            return try InventoryDraft.draft(configuration: bytes, file: source, path: inside, name: name)
        }
    }

    /// By what stands in it; a file of YAML with services is a compose file, another one an inventory.
    static func kind(of name: String, _ bytes: [UInt8]) -> Kind {
        let lines = String(decoding: bytes.prefix(1 << 20), as: UTF8.self).split(whereSeparator: \.isNewline)
        if [".yaml", ".yml", ".json"].contains(where: name.hasSuffix) {
            let isCompose = lines.contains { line in
                line.hasPrefix("services:") || line.hasPrefix("\"services\"") || line.contains("\"services\":")
            }
            return isCompose ? .compose : .inventory
        }
        let isConfiguration = lines.contains { line in
            let words = line.split { $0 == " " || $0 == "\t" || $0 == "=" }
            guard let first = words.first?.lowercased(), words.count > 1 else { return false }
            return first == "host" || first == "match"
        }
        return isConfiguration ? .configuration : .inventory
    }

    private func report(_ draft: LabDraft) {
        let file = options.file.map { " -f \($0)" } ?? ""
        if options.json { return Output.json(DraftShape(options.labPath, draft)) }
        for left in draft.leftOut {
            let place = left.line.map { "\(source):\($0): " } ?? "\(source): "
            Output.note(printable("left out: \(place)\(left.what): \(left.reason)"))
        }
        Output.line("wrote \(options.labFile), a draft; next: muster check\(file), muster plan\(file)")
    }
}

/// `{"format": 1, "written": […], "left_out": […]}`
private struct DraftShape: Encodable {
    struct LeftOut: Encodable {
        var line: Int?
        var what: String
        var reason: String
    }

    var format = 1
    var written: [String]
    var leftOut: [LeftOut]

    enum CodingKeys: String, CodingKey {
        case format, written
        case leftOut = "left_out"
    }

    init(_ path: String, _ draft: LabDraft) {
        written = [path]
        leftOut = draft.leftOut.map { LeftOut(line: $0.line, what: $0.what, reason: $0.reason) }
    }
}
