import Foundation
import MusterCore
import Synchronization

/// What is noted beside the JSON of an input or output while it is encoded: which gaps other steps' outputs fill, and
/// what is secret. Nothing in the JSON itself can be taken for either.
final class EnvelopeNotes: Sendable {
    static let key = CodingUserInfoKey(rawValue: "muster.notes")!

    struct Use: Hashable {
        var at: [String]
        var reference: Reference
    }

    private struct Content {
        var uses: [Use] = []
        var secrets: [[String]] = []
    }

    private let plan: UInt64?
    private let content = Mutex(Content())

    /// - Parameter plan: the builder whose steps may be referred to; nil for none.
    init(plan: UInt64?) { self.plan = plan }

    var uses: [Use] { content.withLock { $0.uses } }
    var secrets: [[String]] { content.withLock { $0.secrets } }

    func note(_ reference: Reference, at path: [any CodingKey]) throws {
        guard reference.plan == plan else {
            throw PlanningError(
                "'\(Self.names(path).joined(separator: "."))' refers to step \(reference.step) of another plan; "
                    + "only outputs of steps of the same plan can be used: to use another plan's, ask its handle for its result"
            )
        }
        content.withLock { $0.uses.append(Use(at: Self.names(path), reference: reference)) }
    }

    func noteSecret(at path: [any CodingKey]) { content.withLock { $0.secrets.append(Self.names(path)) } }

    /// The keys of a path; elements of arrays by their place.
    private static func names(_ path: [any CodingKey]) -> [String] {
        path.map { key in
            if let index = key.intValue, key.stringValue == "Index \(index)" { return String(index) }
            return key.stringValue
        }
    }
}

/// The JSON that the engine stores of a step: an input with its references, an output, or what a suspended step keeps.
///
/// ```json
/// {"input": {"label": "data", "volume": null}, "uses": [{"at": ["volume"], "step": 3, "path": ["id"]}],
///  "secrets": [["password"]]}
/// ```
package struct Envelope: Sendable {
    /// What an envelope holds; its key.
    enum Content: String, CaseIterable {
        case input, output, state

        /// What comes before the value.
        fileprivate var prefix: [UInt8] {
            switch self {
            case .input: Array(#"{"input":"#.utf8)
            case .output: Array(#"{"output":"#.utf8)
            case .state: Array(#"{"state":"#.utf8)
            }
        }
    }

    let text: String
    /// The steps whose outputs it uses, each once, in order.
    let uses: [StepIndex]

    /// So many bytes of JSON an input or output may have.
    package static let sizeLimitDefault = 1 << 20

    /// Encodes a value.
    ///
    /// - Parameters:
    ///   - what: whose it is, for messages: `the input of 'CreateVolume'`.
    ///   - plan: the builder whose steps it may refer to.
    init(
        _ content: Content,
        _ value: some Encodable,
        of what: @autoclosure () -> String,
        plan: UInt64? = nil,
        limit: Int
    ) throws {
        var bytes = content.prefix
        let notes = EnvelopeNotes(plan: plan)
        do {
            bytes += try Self.encode(value, notes)
        } catch let error as PlanningError {
            throw PlanningError("\(what()): \(error.description)")
        } catch {
            throw BadValueError("\(what()) cannot be written as JSON: \(Self.words(error))")
        }
        let size = bytes.count - content.prefix.count
        guard size <= limit else {
            throw BadValueError(
                "\(what()) has \(Self.size(size)), at most \(Self.size(limit)) are stored; "
                    + "keep it elsewhere and pass where it is, or raise `valueSizeLimit`"
            )
        }
        let notedUses = notes.uses
        let secrets = notes.secrets
        if notedUses.isEmpty, secrets.isEmpty {
            bytes.append(UInt8(ascii: "}"))
            text = String(decoding: bytes, as: UTF8.self)
            uses = []
            return
        }
        var text = String(decoding: bytes, as: UTF8.self)
        var uses: [StepIndex] = []
        if !notedUses.isEmpty {
            var known: Set<StepIndex> = []
            text += ",\"uses\":["
            for (place, use) in notedUses.enumerated() {
                if known.insert(use.reference.step).inserted { uses.append(use.reference.step) }
                text += place > 0 ? "," : ""
                text += "{\"at\":\(Self.list(use.at)),\"step\":\(use.reference.step),"
                text += "\"path\":\(Self.list(use.reference.path))}"
            }
            text += "]"
        }
        if !secrets.isEmpty {
            text += ",\"secrets\":[" + secrets.map(Self.list).joined(separator: ",") + "]"
        }
        self.text = text + "}"
        self.uses = uses
    }

    // MARK: Opening

    /// The JSON of what an envelope holds, with other steps' outputs filled in.
    static func open(
        _ text: String,
        _ content: Content,
        of name: @autoclosure () -> String,
        outputs: [StepIndex: String] = [:]
    ) throws -> [UInt8] {
        let what = name()
        let slices = JSONSlices(text)
        guard let range = slices.find([content.rawValue]) else {
            throw BadValueError(
                "\(what) is not what was stored by this program: it has no \"\(content.rawValue)\"; it begins: \(text.prefix(60))"
            )
        }
        guard let used = slices.find(["uses"]) else { return Array(slices.bytes[range]) }
        var parts: [(range: Range<Int>, with: [UInt8])] = []
        try forEachUse(used, in: slices, of: what) { at, step, path in
            guard let gap = slices.find(at, in: range) else { return }
            parts.append((gap, part(path, ofOutput: outputs[step])))
        }
        let base = range.lowerBound
        let inner = JSONSlices(Array(slices.bytes[range]))
        return inner.replacing(
            parts.map { ($0.range.lowerBound - base..<$0.range.upperBound - base, $0.with) }
        )
    }

    /// What an envelope holds, with other steps' outputs filled in.
    static func value<Decoded: Decodable>(
        _ type: Decoded.Type,
        _ text: String,
        _ content: Content,
        of what: @autoclosure () -> String,
        outputs: [StepIndex: String] = [:]
    ) throws -> Decoded {
        try decode(type, open(text, content, of: what(), outputs: outputs), of: what())
    }

    static func decode<Decoded: Decodable>(
        _ type: Decoded.Type,
        _ json: [UInt8],
        of what: @autoclosure () -> String
    ) throws -> Decoded {
        do {
            return try makeDecoder().decode(type, from: Data(json))
        } catch {
            throw BadValueError("\(what()) cannot be read as \(type): \(words(error))")
        }
    }

    /// A part of a stored output; `null` when it is not there, as an optional that is nil is not.
    private static func part(_ path: [String], ofOutput text: String?) -> [UInt8] {
        guard let text else { return Array("null".utf8) }
        let slices = JSONSlices(text)
        guard let output = slices.find([Content.output.rawValue]), let range = slices.find(path, in: output) else {
            return Array("null".utf8)
        }
        return Array(slices.bytes[range])
    }

    private static func forEachUse(
        _ range: Range<Int>,
        in slices: JSONSlices,
        of what: String,
        _ body: ([String], StepIndex, [String]) -> Void
    ) throws {
        let broken = BadValueError("\(what) has references that cannot be read")
        var isBroken = false
        slices.forEachChild(of: range) { use in
            guard let at = slices.find(["at"], in: use.range), let path = slices.find(["path"], in: use.range),
                let number = slices.find(["step"], in: use.range), let step = StepIndex(slices.text(number))
            else {
                isBroken = true
                return false
            }
            body(strings(at, in: slices), step, strings(path, in: slices))
            return true
        }
        if isBroken { throw broken }
    }

    private static func strings(_ range: Range<Int>, in slices: JSONSlices) -> [String] {
        var found: [String] = []
        slices.forEachChild(of: range) { child in
            found.append(JSONSlices.unquoted(slices.bytes[child.range].dropFirst().dropLast()))
            return true
        }
        return found
    }

    // MARK: Showing

    /// An envelope's JSON for people: what it holds, secrets as `***`, references as `${3.id}`.
    ///
    /// - Returns: the text as it is where it is no envelope.
    package static func masked(_ text: String) -> String {
        let slices = JSONSlices(text)
        for content in Content.allCases {
            guard let range = slices.find([content.rawValue]) else { continue }
            var parts: [(range: Range<Int>, with: [UInt8])] = []
            if let secrets = slices.find(["secrets"]) {
                slices.forEachChild(of: secrets) { secret in
                    if let place = slices.find(strings(secret.range, in: slices), in: range) {
                        parts.append((place, Array("\"***\"".utf8)))
                    }
                    return true
                }
            }
            if let uses = slices.find(["uses"]) {
                try? forEachUse(uses, in: slices, of: "") { at, step, path in
                    guard let gap = slices.find(at, in: range), !parts.contains(where: { $0.range == gap }) else {
                        return
                    }
                    let name = ([String(step)] + path).joined(separator: ".")
                    parts.append((gap, Array(JSONSlices.quoted("${\(name)}").utf8)))
                }
            }
            let base = range.lowerBound
            let moved = parts.map { ($0.range.lowerBound - base..<$0.range.upperBound - base, $0.with) }
            return String(decoding: JSONSlices(Array(slices.bytes[range])).replacing(moved), as: UTF8.self)
        }
        return text
    }

    // MARK: JSON

    private static func encode(_ value: some Encodable, _ notes: EnvelopeNotes) throws -> [UInt8] {
        let encoder = makeEncoder()
        encoder.userInfo[EnvelopeNotes.key] = notes
        return Array(try encoder.encode(value))
    }

    /// Times are numbers, so that they are read as they were written; numbers that JSON cannot write are words.
    static func makeEncoder() -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf",
            negativeInfinity: "-inf",
            nan: "nan"
        )
        return encoder
    }

    static func makeDecoder() -> JSONDecoder {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf",
            negativeInfinity: "-inf",
            nan: "nan"
        )
        return decoder
    }

    private static func list(_ names: [String]) -> String {
        "[" + names.map(JSONSlices.quoted).joined(separator: ",") + "]"
    }

    private static func size(_ bytes: Int) -> String {
        if bytes >= 1 << 20 { return "\((Double(bytes) / Double(1 << 20) * 10).rounded() / 10) MiB" }
        return bytes >= 1 << 10 ? "\((Double(bytes) / 1024 * 10).rounded() / 10) KiB" : "\(bytes) bytes"
    }

    /// What a coding error says, with the place.
    private static func words(_ error: any Error) -> String {
        func place(_ context: DecodingError.Context) -> String {
            let path = context.codingPath.map(\.stringValue).joined(separator: ".")
            return path.isEmpty ? context.debugDescription : "\(path): \(context.debugDescription)"
        }
        switch error {
        case DecodingError.keyNotFound(let key, let context):
            let path = (context.codingPath + [key]).map(\.stringValue).joined(separator: ".")
            return "there is no '\(path)'"
        case DecodingError.valueNotFound(_, let context), DecodingError.typeMismatch(_, let context),
            DecodingError.dataCorrupted(let context):
            return place(context)
        case EncodingError.invalidValue(_, let context):
            let path = context.codingPath.map(\.stringValue).joined(separator: ".")
            return path.isEmpty ? context.debugDescription : "\(path): \(context.debugDescription)"
        default: return "\(error)"
        }
    }
}
