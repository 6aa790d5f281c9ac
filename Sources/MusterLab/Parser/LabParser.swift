import Foundation
internal import MusterCore

/// Turns the text of a lab file into a `Lab`, or into everything that is wrong with it.
package enum LabParser {
    package static let bytesMax = 4 << 20

    /// Reads a lab file from disk. Paths in it are relative to its folder.
    ///
    /// - Parameters:
    ///   - path: the file as the user named it.
    ///   - variables: what `--var` gave.
    ///   - environment: what `${env.X}` reads.
    package static func load(
        path: String,
        variables: [String: String] = [:],
        environment: [String: String] = [:]
    ) throws(LabError) -> Lab {
        let bytes = try read(path)
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        let files = DiskFileTree(root: folder)
        return try parse(bytes: bytes, file: path, variables: variables, environment: environment, files: files)
    }

    package static func parse(
        text: String,
        file: String = "lab.yaml",
        variables: [String: String] = [:],
        environment: [String: String] = [:],
        files: any FileTree
    ) throws(LabError) -> Lab {
        try parse(
            bytes: Array(text.utf8),
            file: file,
            variables: variables,
            environment: environment,
            files: files
        )
    }

    package static func parse(
        bytes: [UInt8],
        file: String = "lab.yaml",
        variables: [String: String] = [:],
        environment: [String: String] = [:],
        files: any FileTree
    ) throws(LabError) -> Lab {
        guard bytes.count <= bytesMax else { throw tooLarge(file) }
        // A byte order mark is no part of the text.
        let bytes = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
        let source = SourceText(file: file, bytes: bytes)
        var sink = DiagnosticSink(source)
        guard isUTF8(bytes, &sink) else { throw LabError(sink.sorted) }
        guard let root = YamlComposer.compose(into: &sink) else {
            if sink.errorCount == 0 { sink.add(Diagnostic(file: file, message: emptyMessage, hint: emptyHint)) }
            throw LabError(sink.sorted, omitted: sink.omitted)
        }
        if root.isNull {
            sink.add(Diagnostic(file: file, message: emptyMessage, hint: emptyHint))
            throw LabError(sink.sorted, omitted: sink.omitted)
        }
        var reader = LabReader(sink: sink, environment: environment, files: files, overrides: variables)
        let lab = reader.readLab(root)
        guard reader.sink.errorCount == 0, var lab else {
            throw LabError(reader.sink.sorted, omitted: reader.sink.omitted)
        }
        lab.warnings = reader.sink.sorted
        return lab
    }

    private static let emptyMessage = "the file is empty"
    private static let emptyHint = "'muster init' writes a lab to begin with"

    // MARK: - Bytes

    private static func read(_ path: String) throws(LabError) -> [UInt8] {
        let url = URL(fileURLWithPath: path)
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            let hint = "give another with -f FILE, or write one with 'muster init'"
            throw LabError([Diagnostic(file: path, message: "there is no such file", hint: hint)])
        }
        guard !isFolder.boolValue else {
            throw LabError([Diagnostic(file: path, message: "this is a folder", hint: "give the lab file in it")])
        }
        do {
            let handle = try FileHandle(forReadingFrom: url)
            defer { try? handle.close() }
            // One byte more than is allowed tells a file that is too large, of whatever kind it is.
            var bytes: [UInt8] = []
            while bytes.count <= bytesMax, let part = try handle.read(upToCount: bytesMax + 1 - bytes.count),
                !part.isEmpty
            {
                bytes += part
            }
            if bytes.count > bytesMax { throw tooLarge(path) }
            return bytes
        } catch let error as LabError {
            throw error
        } catch {
            throw LabError([Diagnostic(file: path, message: "it cannot be read: \(reason(error))")])
        }
    }

    private static func reason(_ error: any Error) -> String {
        let error = error as NSError
        let underlying = error.userInfo[NSUnderlyingErrorKey] as? NSError ?? error
        return underlying.domain == NSPOSIXErrorDomain
            ? String(cString: strerror(Int32(underlying.code))) : error.localizedDescription
    }

    private static func tooLarge(_ file: String) -> LabError {
        let message = "the file is larger than \(bytesMax >> 20) MiB, the limit for a lab file"
        let hint = "'count' makes many nodes of one group; files of nodes can stand beside the lab file"
        return LabError([Diagnostic(file: file, message: message, hint: hint)])
    }

    static func isUTF8(_ bytes: [UInt8], _ sink: inout DiagnosticSink) -> Bool {
        guard let offset = firstInvalidByte(bytes) else { return true }
        let code = String(bytes[offset], radix: 16, uppercase: true)
        let isUTF16 = bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF])
        let hint = isUTF16 ? "it looks like UTF-16; save it as UTF-8" : "save it as UTF-8"
        let span = Span(at: sink.source.mark(ofByte: offset))
        sink.add(span, "the file is not UTF-8: byte 0x\(code.count == 1 ? "0" : "")\(code) here", hint: hint)
        return false
    }

    /// The offset of the first byte that begins no valid UTF-8 sequence.
    static func firstInvalidByte(_ bytes: [UInt8]) -> Int? {
        if bytes.withUnsafeBufferPointer({ String(validating: $0, as: UTF8.self) }) != nil { return nil }
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        var offset = 0
        while true {
            switch decoder.decode(&iterator) {
            case .scalarValue(let scalar): offset += UTF8.width(scalar)
            case .emptyInput: return nil
            case .error: return offset
            }
        }
    }
}

extension LabReader {
    /// The whole file. A lab only when nothing is wrong.
    mutating func readLab(_ root: YamlNode) -> Lab? {
        let top = Span(at: Mark(line: root.span.start.line, column: root.span.start.column))
        guard let fields = fields(root, LabKeys.lab, of: "the lab", at: top) else { return nil }
        if let entry = fields["muster"], let version = integer(entry, 1...1_000), version != 1 {
            let hint = "a newer Muster may read this file"
            sink.add(entry.value.span, "this Muster reads version 1 of the lab file, not \(version)", hint: hint)
        }
        if let entry = fields["vars"] { readVars(entry) }
        checkOverrides()
        let name = fields["lab"].flatMap { text($0, wants: "a name") }
        if let name, let entry = fields["lab"] { checkName(name, "lab", entry.value.span) }
        let keep = fields["keep"].flatMap { choice($0, Keep.self) }
        let lifetime = fields["lifetime"].flatMap { duration($0, example: "2h") }
        let parallel = fields["parallel"].flatMap { integer($0, 1...LabKeys.parallelMax) }
        let modes = readModes(fields["modes"])
        let notify = fields["notify"].map { readNotify($0) } ?? []
        if let entry = fields["pools"] { readPools(entry) }
        if let entry = fields["addresses"] { readAddresses(entry) }
        if let entry = fields["groups"] { readGroups(entry) }
        if let modes { checkModes(modes) }
        if let entry = fields["tests"] { readSuites(entry) }
        let results = fields["results"].map { readResults($0) }
        checkAll()
        guard sink.errorCount == 0, let name, let modes else { return nil }
        return Lab(
            name: name,
            file: sink.source.file,
            keep: keep,
            lifetime: lifetime,
            parallel: parallel,
            modes: modes,
            notify: notify,
            groups: orderedGroups(),
            suites: suites.map { suite in
                let place = "\(sink.source.file):\(suite.nameSpan.start.line)"
                return Lab.Suite(
                    spec: suite.spec,
                    flakyFails: suite.flakyFails,
                    place: place,
                    prepare: suite.prepare,
                    finish: suite.finish,
                    reports: suite.reports
                )
            },
            resultFormats: results?.formats ?? ResultFormat.standard,
            resultsDirectory: results?.directory ?? Lab.resultsDirectoryDefault,
            vars: vars,
            warnings: []
        )
    }

    private mutating func readResults(_ entry: YamlNode.Entry) -> (formats: [ResultFormat]?, directory: String?) {
        guard let fields = fields(entry.value, LabKeys.results, of: "'results'", at: entry.keySpan) else {
            return (nil, nil)
        }
        var formats: [ResultFormat]?
        if let entry = fields["write"], let nodes = list(entry) {
            let words = nodes.compactMap { choice($0, key: entry.key, ResultFormat.allCases.map(\.rawValue)) }
            formats = ResultFormat.allCases.filter { words.contains($0.rawValue) }
        }
        return (formats, fields["directory"].flatMap { text($0, wants: "a folder") })
    }
}
