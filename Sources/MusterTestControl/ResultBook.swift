/// The results of one attempt: partial ones until they are closed, where files belong, and the one final result that
/// every attempt gets, however it ends.
///
/// Rules of results and partial results: ATEX 1.2, `RESULTS.md`. What differs is said at `finish(with:)`.
///
/// The same results give the same rows in the same order: after a crash the book is a copy that was kept, or is filled
/// again from the beginning of the stream.
package struct ResultBook: Sendable {
    /// A result that is not closed.
    struct Entry: Sendable {
        var members: JSONObject
        /// Names as paths, relative to the subtest.
        var files: Set<ExactText>
        var cost: Int
    }

    /// What the runner decides.
    package let rules: ResultRules
    private var paths: ResultPaths
    /// Partial results in the order in which they came first; nil where one was closed.
    private var open: [(name: ExactText?, entry: Entry)?] = []
    private var places: [ExactText?: Int] = [:]
    private var openCost = 0
    /// The last result that the test reported for itself and closed.
    private(set) var own: ResultRow?
    /// The last status that the test reported for itself in a closed result.
    private(set) var ownStatus: String?
    /// Whether it has its final result; nothing may be recorded any more.
    package private(set) var isFinished = false
    /// Rows of subtests that failed, warned or could not be run; BeakerLib's runners fail a test for them.
    package private(set) var failedSubtests = 0

    /// An empty book, at the beginning of an attempt.
    package init(rules: ResultRules = ResultRules()) {
        self.rules = rules
        paths = ResultPaths(bytesMax: rules.pathBytesMax)
    }

    /// Whether the test has closed a result for itself.
    package var hasOwnResult: Bool { own != nil }

    // MARK: Files

    /// Where the data of a file go. Called once for each file, in the order of the stream.
    ///
    /// - Throws: a reason to give the stream up: the name is none, or is in use for something else.
    package mutating func place(_ file: ControlFile) throws(ControlError.Reason) -> FilePlace {
        let path = try Self.path(of: try ResultPaths.relative(file.name), in: file.subtest)
        return try paths.append(file.byteCount, to: path, for: file.name)
    }

    /// A name as a path below the files of a subtest. A subtest named `.` has its files where the test has.
    private static func path(of name: String, in subtest: String?) throws(ControlError.Reason) -> String {
        guard let subtest else { return name }
        let folder = try ResultPaths.folder(subtest)
        return folder.isEmpty ? name : folder + "/" + name
    }

    // MARK: Results

    /// Takes in a result whose files have been placed.
    ///
    /// - Returns: a row, when one is closed by it: of a subtest, or an earlier one of the test itself. The last one of
    ///   the test itself comes from `finish(with:)`.
    /// - Throws: a reason to give the stream up. What was reported is kept, and comes from `finish(with:)`.
    package mutating func record(_ result: ControlResult) throws(ControlError.Reason) -> ResultRow? {
        precondition(!isFinished, "a result for an attempt that has its final one")
        let name = result.name.map { ExactText($0) }
        var entry = Entry(members: result.members, files: [], cost: result.byteCount + ResultRules.openCost)
        for file in result.files ?? [] { entry.files.insert(ExactText(try ResultPaths.relative(file.name))) }
        if let place = places[name] {
            // Taken out of the list, it is changed in place.
            var merged = open[place]?.entry ?? entry
            open[place] = nil
            merged.members.merge(entry.members)
            merged.files.formUnion(entry.files)
            merged.cost += entry.cost
            if result.isPartial {
                return try keep(merged, of: name, adding: entry.cost, at: place)
            }
            forget(name, place)
            openCost -= merged.cost - entry.cost
            entry = merged
        } else if result.isPartial {
            return try keep(entry, of: name, adding: entry.cost, at: nil)
        }
        return try close(entry, of: name)
    }

    private mutating func keep(
        _ entry: Entry,
        of name: ExactText?,
        adding cost: Int,
        at place: Int?
    ) throws(ControlError.Reason)
        -> ResultRow?
    {
        openCost += cost
        if let place {
            open[place] = (name, entry)
        } else {
            places[name] = open.count
            open.append((name, entry))
        }
        guard openCost <= rules.openBytesMax else { throw .overLimit(.openBytes, max: rules.openBytesMax) }
        return nil
    }

    private mutating func forget(_ name: ExactText?, _ place: Int) {
        places[name] = nil
        // Half of it being gaps, it is made anew: each entry pays for it once.
        guard open.count > 32, places.count < open.count / 2 else { return }
        open.removeAll { $0 == nil }
        for (place, item) in open.enumerated() {
            if let item { places[item.name] = place }
        }
    }

    private mutating func close(_ entry: Entry, of name: ExactText?) throws(ControlError.Reason) -> ResultRow? {
        let row: ResultRow
        do throws(ControlError.Reason) {
            row = try self.row(of: entry, name)
        } catch {
            // Not lost: it is told at the end, with what is wrong about it.
            places[name] = open.count
            open.append((name, entry))
            openCost += entry.cost
            throw error
        }
        guard name == nil else { return count(row) }
        defer { own = row }
        ownStatus = row.reported ?? ownStatus
        return own.map { $0.changed(kind: .superseded) }
    }

    private mutating func count(_ row: ResultRow) -> ResultRow {
        switch row.outcome {
        case .fail, .warn, .error: failedSubtests += 1
        case .pass, .info, .skip, .infra: break
        }
        return row
    }

    /// The row of an entry, with the test's output under the name it asks for.
    private mutating func row(of entry: Entry, _ name: ExactText?) throws(ControlError.Reason) -> ResultRow {
        var files: [ResultFile] = []
        for file in entry.files.sorted() {
            files.append(ResultFile(file.text, path: try Self.path(of: file.text, in: name?.text)))
        }
        if let wanted = entry.members["testout"]?.text {
            let output = try ResultPaths.relative(wanted)
            let path = try Self.path(of: output, in: name?.text)
            try paths.claimOutput(path, for: wanted)
            files.insert(ResultFile(output, path: path, isOutput: true), at: 0)
        }
        let reported = Self.shown(entry.members["status"])
        var custom = entry.members
        custom.remove("status", "note", "testout")
        let known = reported.map { ResultOutcome(rawValue: $0) }
        var notes: [String] = []
        if let reported, known == .some(nil) {
            notes.append("the status \(ControlText.quoted(reported)) is none that Muster knows")
        }
        if let note = Self.shown(entry.members["note"]) { notes.append(note) }
        return ResultRow(
            kind: name == nil ? .final : .subtest,
            name: name?.text,
            reported: reported,
            outcome: known.map { $0 ?? .error } ?? .info,
            note: notes.isEmpty ? nil : notes.joined(separator: "; "),
            files: files,
            custom: custom
        )
    }

    /// A text as it is, anything else as JSON; nil for nothing.
    private static func shown(_ value: JSONValue?) -> String? {
        switch value {
        case nil, .null?: nil
        case .text(let text)?: text
        case .bool?, .integer?, .number?, .array?, .object?: value?.json
        }
    }

    // MARK: The end

    /// Closes what is open, in the order in which it came first, and says what the attempt came to.
    ///
    /// A test that came to its own end is its own judge: the status that it reported for itself last counts, and where
    /// it reported none its exit code does. A test that was ended otherwise gets the outcome of that, whatever it had
    /// reported: ATEX lets a pass stand that was reported before a test hung.
    ///
    /// - Returns: rows of subtests and superseded ones, and one final row as the last, always.
    package mutating func finish(with ending: Ending) -> [ResultRow] {
        precondition(!isFinished, "a second end, \(ending), of an attempt")
        isFinished = true
        var rows: [ResultRow] = []
        var last: ResultRow?
        for item in open {
            guard let (name, entry) = item else { continue }
            let row = replay(entry, name)
            if name == nil { last = row } else { rows.append(count(row)) }
        }
        open = []
        places = [:]
        if let own, last != nil { rows.append(own.changed(kind: .superseded)) }
        rows.append(judge(last ?? own, addsOutput: own == nil, ending))
        return rows
    }

    /// The row of a result that nobody closed. What is wrong about it is said in its note.
    private mutating func replay(_ entry: Entry, _ name: ExactText?) -> ResultRow {
        var entry = entry
        while true {
            do throws(ControlError.Reason) {
                return try row(of: entry, name)
            } catch {
                // The name for the output is wrong; where there is none, files are that nobody has placed.
                if entry.members["testout"] == nil { entry.files = [] }
                entry.members["testout"] = nil
                let note = Self.shown(entry.members["note"])
                entry.members["note"] = .text(["\(error)", note].compactMap { $0 }.joined(separator: "; "))
            }
        }
    }

    private mutating func judge(_ row: ResultRow?, addsOutput: Bool, _ ending: Ending) -> ResultRow {
        let reported = row?.reported ?? ownStatus
        let known = reported.map { ResultOutcome(rawValue: $0) ?? .error }
        let verdict = EndingVerdict(ending, rules: rules)
        var notes: [String] = []
        if verdict.isFinal {
            notes.append(contentsOf: verdict.note.map { [$0] } ?? [])
            if let reported { notes.append("the test had reported \(ControlText.quoted(reported))") }
            notes.append(contentsOf: row?.note.map { [$0] } ?? [])
        } else {
            notes.append(contentsOf: row?.note.map { [$0] } ?? [])
            // A skip needs no code to be understood.
            if let note = verdict.note, verdict.outcome != .skip || known ?? .skip != .skip { notes.append(note) }
        }
        var files = row?.files ?? []
        if addsOutput || verdict.isFinal, verdict.hasOutput, !files.contains(where: \.isOutput) {
            addOutput(to: &files)
        }
        return ResultRow(
            kind: .final,
            reported: reported,
            outcome: verdict.isFinal ? verdict.outcome : known ?? verdict.outcome,
            note: notes.isEmpty ? nil : notes.joined(separator: "; "),
            files: files,
            custom: row?.custom ?? JSONObject()
        )
    }

    /// The test's output under its usual name, unless something else has that.
    private mutating func addOutput(to files: inout [ResultFile]) {
        do throws(ControlError.Reason) {
            let path = try ResultPaths.relative(rules.outputName)
            try paths.claimOutput(path, for: path)
            files.insert(ResultFile(path, isOutput: true), at: 0)
        } catch {
            // The test has used the name for a file of its own, which stays.
        }
    }
}

extension ResultRow {
    func changed(kind: Kind) -> ResultRow {
        ResultRow(
            kind: kind,
            name: name,
            reported: reported,
            outcome: outcome,
            note: note,
            files: files,
            custom: custom
        )
    }
}
