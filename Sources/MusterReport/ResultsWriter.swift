package import MusterCore

/// Writes the results of one run into `<directory>/<run>/`, as often as one likes: each file is replaced whole, so
/// that a run that is broken off leaves what was true at the last write.
package struct ResultsWriter: Sendable {
    /// The folder of all results, as the user would type it; also the path in messages.
    package let directory: String
    package let run: RunName
    package let formats: Set<ResultFormat>
    /// Formats under further names.
    private let more: [ResultFile]

    package init(directory: String, run: RunName, formats: Set<ResultFormat>, more: [ResultFile] = []) {
        self.directory = directory
        self.run = run
        self.formats = formats
        // What comes from a stored run is looked at again.
        self.more = more.filter { file in
            formats.contains(file.format)
                && file.name.map { ResultFile.flaw(of: $0, for: file.format) == nil && $0 != file.format.fileName }
                    ?? false
        }
    }

    /// The folder of this run's results.
    package var folder: String { directory.hasSuffix("/") ? "\(directory)\(run)" : "\(directory)/\(run)" }

    /// The files that `write` writes, in the order in which people are told of them.
    package var fileNames: [String] {
        ResultFormat.allCases.filter { formats.contains($0) }.map(\.fileName) + more.compactMap(\.name)
    }

    /// Writes every format, then points `latest` at this run, unless it points at a later one. With no formats,
    /// nothing.
    ///
    /// - Parameter history: how the tests went in earlier runs of the lab, for those formats that show it.
    /// - Throws: the first error, after everything else has been tried.
    package func write(_ report: RunReport, history: RunHistory = RunHistory()) throws(ResultsError) {
        precondition(report.run == run, "results of \(report.run) in the folder of \(run)")
        guard !formats.isEmpty else { return }
        let all = try ResultsFolder.making(directory)
        let folder = try all.child(run.description)
        var failure: ResultsError?
        func attempt(_ work: () throws(ResultsError) -> Void) {
            do { try work() } catch { failure = failure ?? error }
        }
        folder.lock()
        for format in ResultFormat.allCases where formats.contains(format) {
            attempt { () throws(ResultsError) in
                let bytes = try render(format, report, history)
                try folder.replace(format.fileName, with: bytes)
                for file in more where file.format == format {
                    if let name = file.name { try folder.replace(name, with: bytes) }
                }
            }
        }
        folder.unlock()
        all.lock()
        attempt { () throws(ResultsError) in
            if !pointsAtLaterRun(all) { try all.point("latest", at: run.description) }
        }
        all.unlock()
        if let failure { throw failure }
    }

    /// Puts a file of an attempt beside the results and returns its path relative to the run's folder, for
    /// `AttemptReport.files`. May be repeated. The source must be a regular file, and final: where it can be, the
    /// results get another name of the same file.
    package func place(
        output source: String,
        suite: String,
        test: String,
        attempt: Int,
        name: String
    ) throws(ResultsError) -> String {
        let path = ResultsPath.folder(suite: suite, test: test, attempt: attempt) + ResultsPath.components(ofFile: name)
        let root = try ResultsFolder.making(directory).child(run.description)
        let folder = try root.descendant(path.dropLast())
        folder.lock()
        defer { folder.unlock() }
        try folder.take(source, as: path[path.count - 1])
        return path.joined(separator: "/")
    }

    private func render(
        _ format: ResultFormat,
        _ report: RunReport,
        _ history: RunHistory
    ) throws(ResultsError) -> [UInt8] {
        switch format {
        case .jsonl: return JSONLinesReport.render(report)
        case .tap: return TAPReport.render(report)
        case .tmt: return TMTReport.render(report)
        case .atex: return ATEXReport.render(report)
        case .atexGzip:
            guard let bytes = Gzip.compressed(ATEXReport.render(report)) else {
                let path = folder + "/" + format.fileName
                let message = "cannot compress \(path): there is no memory for it"
                throw ResultsError(code: .notWritten, path: path, errno: 0, message: message)
            }
            return bytes
        case .html:
            return HTMLReport.render(report, otherFiles: fileNames.filter { $0 != format.fileName }, history: history) {
                file in
                reading(file) { folder, name in
                    folder.ends(of: name, head: TextBounds.failureHead, tail: TextBounds.failureTail)
                }
            }
        case .junit:
            return JUnitReport.render(report) { file in
                reading(file) { folder, name in folder.tail(of: name, bytes: TextBounds.tail) }
            }
        }
    }

    /// Opens the folder of a file of an attempt, which lies beside the results.
    private func reading<Value>(_ file: String, _ body: (borrowing ResultsFolder, String) -> Value?) -> Value? {
        guard let folder = ResultsFolder.opening(self.folder) else { return nil }
        let parts = file.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.first == "files", parts.count > 1, !parts.contains(where: { $0 == ".." || $0.isEmpty }) else {
            return nil
        }
        guard let place = try? folder.descendant(parts.dropLast(), makes: false) else { return nil }
        return body(place, parts[parts.count - 1])
    }

    private func pointsAtLaterRun(_ all: borrowing ResultsFolder) -> Bool {
        guard let target = all.target(of: "latest"), let other = RunName(target), other.plan > run.plan else {
            return false
        }
        return (try? all.child(target, makes: false)) != nil
    }
}
