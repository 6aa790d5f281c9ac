import Foundation
internal import MusterCore

/// Turns files of modes, folders of Emulab's tables and names of presets into mode tables, or into everything that is
/// wrong with them.
package enum ModesParser {
    package static let bytesMax = 4 << 20

    package static func parse(text: String, file: String = "modes.yaml") throws(LabError) -> ModeSource {
        try parse(bytes: Array(text.utf8), file: file)
    }

    package static func parse(bytes: [UInt8], file: String) throws(LabError) -> ModeSource {
        guard bytes.count <= bytesMax else {
            throw LabError([Diagnostic(file: file, message: "the file is larger than \(bytesMax >> 20) MiB")])
        }
        let bytes = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
        guard LabParser.firstInvalidByte(bytes) == nil else {
            throw LabError([Diagnostic(file: file, message: "the file is not UTF-8", hint: "save it as UTF-8")])
        }
        let source = SourceText(file: file, bytes: bytes)
        var sink = DiagnosticSink(source)
        guard let root = YamlComposer.compose(into: &sink), !root.isNull else {
            if sink.errorCount == 0 {
                let hint = "'extends: linux' alone would be a whole one"
                sink.add(Diagnostic(file: file, message: "the file is empty", hint: hint))
            }
            throw LabError(sink.sorted, omitted: sink.omitted)
        }
        var reader = ModesReader(sink)
        reader.readTop(root)
        guard reader.reader.sink.errorCount == 0 else {
            throw LabError(reader.reader.sink.sorted, omitted: reader.reader.sink.omitted)
        }
        let base = try reader.extends.map { name throws(LabError) in try ModePresets.source(name).set }
        let places = reader.spans.mapValues { span in
            let place = source.place(of: span)
            return ModePlace(
                file: file,
                line: place.line,
                column: place.column,
                length: place.length,
                source: place.excerpt?.text,
                sourceOffset: place.excerpt?.dropped ?? 0
            )
        }
        return ModeSource(
            set: base?.overridden(by: reader.set) ?? reader.set,
            own: reader.set,
            extends: reader.extends,
            file: file,
            places: places
        )
    }

    /// Reads what somebody names: a file of modes, a folder with Emulab's tables, a table of Ironic (`.tsv`), or else a
    /// preset.
    package static func load(_ path: String) throws(LabError) -> ModeSource {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            if ModePresets.names.contains(path) { return try ModePresets.source(path) }
            let hint =
                "give a file, a folder with Emulab's tables, or one of \(ModePresets.names.joined(separator: ", "))"
            throw LabError([Diagnostic(file: path, message: "there is no such file", hint: hint)])
        }
        if isFolder.boolValue { return try EmulabTables.load(folder: path) }
        let bytes = try read(path)
        return path.hasSuffix(".tsv") ? try IronicTable.read(bytes, file: path) : try parse(bytes: bytes, file: path)
    }

    static func read(_ path: String) throws(LabError) -> [UInt8] {
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw LabError([Diagnostic(file: path, message: "it cannot be read")])
        }
        defer { try? handle.close() }
        do {
            var bytes: [UInt8] = []
            while bytes.count <= bytesMax, let part = try handle.read(upToCount: bytesMax + 1 - bytes.count),
                !part.isEmpty
            {
                bytes += part
            }
            return bytes
        } catch {
            throw LabError([Diagnostic(file: path, message: "it cannot be read: \(error.localizedDescription)")])
        }
    }
}
