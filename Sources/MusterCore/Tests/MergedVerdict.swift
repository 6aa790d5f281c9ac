// What the members of a test on several nodes come to together.

extension SuiteMachine.Verdict {
    /// The worst of what the members came to, with the notes of those that it is the fault of. Each member is a part of
    /// the results, named by its title, and its own parts stand below it. Of an attempt that was ended on request
    /// nothing is said, unless a machine was lost.
    static func merged(_ members: [(title: String, verdict: Self)]) -> Self {
        if members.contains(where: \.verdict.isCancelled), !members.contains(where: { $0.verdict.outcome == .infra }) {
            return Self(outcome: .skip, note: "cancelled while it ran", isCancelled: true)
        }
        let outcome = Outcome.fromWorst.first { outcome in members.contains { $0.verdict.outcome == outcome } } ?? .skip
        let notes = members.filter { $0.verdict.outcome == outcome }.compactMap { member in
            member.verdict.note.map { "\(member.title): \($0)" }
        }
        var words = notes.prefix(notesMax).joined(separator: "; ")
        if notes.count > notesMax { words += "; and \(notes.count - notesMax) more" }
        return Self(
            outcome: outcome,
            note: notes.isEmpty ? nil : words,
            results: MergedResults.text(members.map { ($0.title, $0.verdict) })
        )
    }

    private static let notesMax = 3
}

extension Outcome {
    /// What counts first where several outcomes are one: what says least of the test, then what is worst. What has run
    /// counts before what was skipped.
    static let fromWorst: [Outcome] = [.infra, .error, .fail, .warn, .pass, .info, .skip]
}

/// The results of several members as those of one attempt.
///
/// Texts of results are taken apart only as far as their names and files go, and stay as they are otherwise.
enum MergedResults {
    /// - Returns: one JSON array of `TestResult`. A member whose own text is not one is told of by what it came to.
    static func text(_ members: [(title: String, verdict: SuiteMachine.Verdict)]) -> String {
        var bytes: [UInt8] = [UInt8(ascii: "[")]
        func begin() { if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) } }
        for (title, verdict) in members {
            let title = JSONText.quoted(title)
            let objects = verdict.results.flatMap { JSONText.objects(in: $0) } ?? []
            // What it said of itself as a whole: its last word counts, as everywhere.
            let own = objects.lastIndex { $0.name == nil }
            begin()
            write(own.map { objects[$0] }, title, verdict, into: &bytes)
            for (index, object) in objects.enumerated() where index != own {
                begin()
                write(object, title, into: &bytes)
            }
        }
        bytes.append(UInt8(ascii: "]"))
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The member itself: with the outcome it was judged by, and what it said besides.
    private static func write(
        _ said: JSONText.Object?,
        _ title: [UInt8],
        _ verdict: SuiteMachine.Verdict,
        into bytes: inout [UInt8]
    ) {
        bytes += Array(#"{"name":"#.utf8) + title
        bytes += Array(#","outcome":"\#(verdict.outcome.rawValue)""#.utf8)
        if let note = verdict.note { bytes += Array(#","note":"#.utf8) + JSONText.quoted(note) }
        if said?.files == nil { bytes += Array(#","files":[]"#.utf8) }
        for member in said?.members ?? [] where !["name", "outcome", "note"].contains(member.key) {
            bytes.append(UInt8(ascii: ","))
            write(member, title, into: &bytes)
        }
        bytes.append(UInt8(ascii: "}"))
    }

    /// A part of a member, below its name.
    private static func write(_ object: JSONText.Object, _ title: [UInt8], into bytes: inout [UInt8]) {
        bytes += Array(#"{"name":"#.utf8)
        bytes += object.name.map { JSONText.below(title, $0) } ?? title
        for member in object.members where member.key != "name" {
            bytes.append(UInt8(ascii: ","))
            write(member, title, into: &bytes)
        }
        bytes.append(UInt8(ascii: "}"))
    }

    /// Files of several members may have one name: theirs, too, stand below the member's.
    private static func write(_ member: JSONText.Member, _ title: [UInt8], into bytes: inout [UInt8]) {
        bytes += JSONText.quoted(member.key)
        bytes.append(UInt8(ascii: ":"))
        guard member.key == "files", let files = JSONText.strings(in: member.value) else {
            bytes += member.value
            return
        }
        bytes.append(UInt8(ascii: "["))
        for (index, file) in files.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes += JSONText.below(title, file)
        }
        bytes.append(UInt8(ascii: "]"))
    }
}
