import Foundation
import MusterCore

/// A line of a node's file of reports: `ISUP`, `ISUP id=4711`, or an object of JSON.
enum ReportLine {
    /// As many bytes as a line may have.
    static let lengthMax = 4096
    /// As many as a node's own name for a report may have.
    private static let idMax = 128
    private static let keys: Set<String> = ["state", "event", "goal", "id"]

    /// The report that a line is, or why it is none; nil for an empty line.
    static func read(_ bytes: some Collection<UInt8>) -> Result<ReportBatch.Line, ReportFlaw>? {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            return .failure(ReportFlaw("it is not UTF-8"))
        }
        let line = text.trimmingCharacters(in: .whitespacesAndNewlines)
        if line.isEmpty { return nil }
        do throws(ReportFlaw) {
            return .success(line.hasPrefix("{") ? try object(line) : try words(line))
        } catch {
            return .failure(error)
        }
    }

    private static func words(_ line: String) throws(ReportFlaw) -> ReportBatch.Line {
        let words = line.split(separator: " ")
        guard let last = words.last, last.hasPrefix("id=") else {
            return ReportBatch.Line(.state(try name(line, "state")))
        }
        let id = try self.id(String(last.dropFirst(3)))
        return ReportBatch.Line(.state(try name(words.dropLast().joined(separator: " "), "state")), id: id)
    }

    private static func object(_ line: String) throws(ReportFlaw) -> ReportBatch.Line {
        guard let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else {
            throw ReportFlaw("it begins with '{' and is no object of JSON")
        }
        if let key = object.keys.filter({ !keys.contains($0) }).min() {
            throw ReportFlaw("there is no key '\(short(key))'; keys are \(keys.sorted().joined(separator: ", "))")
        }
        var texts: [String: String] = [:]
        for (key, value) in object {
            guard let text = value as? String else { throw ReportFlaw("'\(key)' is no text") }
            texts[key] = text
        }
        let id = try texts["id"].map { text throws(ReportFlaw) in try self.id(text) }
        switch (texts["state"], texts["event"]) {
        case (let state?, nil):
            if texts["goal"] != nil { throw ReportFlaw("'goal' belongs to 'event'") }
            return ReportBatch.Line(.state(try name(state, "state")), id: id)
        case (nil, let event?):
            let goal = try texts["goal"].map { text throws(ReportFlaw) in try name(text, "goal") }
            return ReportBatch.Line(.event(try name(event, "event"), goal: goal), id: id)
        case (nil, nil), (.some, .some): throw ReportFlaw("it wants 'state' or 'event'")
        }
    }

    /// Names are those that a table may have.
    private static func name(_ text: String, _ what: String) throws(ReportFlaw) -> String {
        guard (1...64).contains(text.utf8.count), text.first?.isWhitespace == false, text.last?.isWhitespace == false,
            !text.unicodeScalars.contains(where: { "/>*,\"".unicodeScalars.contains($0) || $0.value < 0x20 })
        else { throw ReportFlaw("'\(short(text))' is no name of \(what == "event" ? "an event" : "a state")") }
        return text
    }

    private static func id(_ text: String) throws(ReportFlaw) -> String {
        guard (1...idMax).contains(text.utf8.count) else {
            throw ReportFlaw("an id has 1 to \(idMax) bytes, this one \(text.utf8.count)")
        }
        return text
    }

    /// The beginning of a text that nobody has looked at, on one line.
    static func short(_ text: String) -> String {
        let shown = String(text.unicodeScalars.prefix(60).map { $0.value < 0x20 || $0.value == 0x7F ? "?" : $0 })
        return text.unicodeScalars.count > 60 ? shown + "…" : shown
    }
}

/// Why a line, or a file, is no report.
struct ReportFlaw: Error, Hashable, Sendable {
    let message: String
    init(_ message: String) { self.message = message }
}

extension String {
    fileprivate init(_ scalars: [Unicode.Scalar]) {
        self = ""
        unicodeScalars.append(contentsOf: scalars)
    }
}
