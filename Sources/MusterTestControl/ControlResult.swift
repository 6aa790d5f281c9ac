/// A result as a test reported it, checked.
package struct ControlResult: Hashable, Sendable {
    /// A subtest's name; nil for the test itself.
    package let name: String?
    /// More will be said about it.
    package let isPartial: Bool
    /// The entries of `files` in their order, nil when there is no such key.
    package let files: [ControlFile]?
    /// All other keys: `status`, `note`, `testout` and the test's own.
    package let members: JSONObject
    /// How long its JSON was.
    package let byteCount: Int

    /// Checks the keys that mean something (ATEX, "Results reporting").
    ///
    /// - Throws: `.badResult`, `.overLimit` for a name.
    init(_ object: JSONObject, byteCount: Int, limits: ControlLimits) throws(ControlError.Reason) {
        let name = try Self.name(object["name"], limits)
        let isPartial: Bool
        switch object["partial"] {
        case nil, .null?: isPartial = false
        case .bool(let value)?: isPartial = value
        case .integer?, .number?, .text?, .array?, .object?:
            throw .badResult("'partial' is \(Self.kind(object["partial"])); right are true and false")
        }
        switch object["testout"] {
        case nil, .null?: break
        case .text("")?: throw .badResult("'testout' is empty; right is a file's name for the test's output")
        case .text(let text)?:
            guard text.utf8.count <= limits.nameBytesMax else { throw .overLimit(.nameBytes, max: limits.nameBytesMax) }
        case .bool?, .integer?, .number?, .array?, .object?:
            throw .badResult("'testout' is \(Self.kind(object["testout"])); right is a file's name")
        }
        self.name = name
        self.isPartial = isPartial
        self.byteCount = byteCount
        files = try Self.files(object["files"], of: name, limits)
        var members = object
        members.remove("name", "partial", "files")
        self.members = members
    }

    private static func kind(_ value: JSONValue?) -> String { value?.kind ?? "missing" }

    private static func name(_ value: JSONValue?, _ limits: ControlLimits) throws(ControlError.Reason) -> String? {
        switch value {
        case nil, .null?: return nil
        case .text(let name)?:
            guard !name.isEmpty else {
                throw .badResult("'name' is empty; a result for the test itself has no 'name'")
            }
            guard name.utf8.count <= limits.nameBytesMax else { throw .overLimit(.nameBytes, max: limits.nameBytesMax) }
            return name
        case .bool?, .integer?, .number?, .array?, .object?:
            throw .badResult("'name' is \(kind(value)); right is a text, or no 'name' for the test itself")
        }
    }

    private static func files(
        _ value: JSONValue?,
        of subtest: String?,
        _ limits: ControlLimits
    ) throws(ControlError.Reason)
        -> [ControlFile]?
    {
        guard let value else { return nil }
        guard case .array(let entries) = value else {
            throw .badResult(#"'files' is \#(value.kind); right is a list as [{"name": "a.log", "length": 12}]"#)
        }
        var files: [ControlFile] = []
        files.reserveCapacity(entries.count)
        for (index, entry) in entries.enumerated() {
            guard case .object(let entry) = entry else {
                throw .badResult(
                    "entry \(index) of 'files' is \(entry.kind); right is an object of 'name' and 'length'"
                )
            }
            guard case .text(let name)? = entry["name"], !name.isEmpty else {
                throw .badResult("entry \(index) of 'files' has no 'name'; right is a text that is not empty")
            }
            guard name.utf8.count <= limits.nameBytesMax else { throw .overLimit(.nameBytes, max: limits.nameBytesMax) }
            files.append(
                ControlFile(
                    index: index,
                    subtest: subtest,
                    name: name,
                    byteCount: try length(entry["length"], of: name)
                )
            )
        }
        return files
    }

    /// Shell scripts put lengths into quotes easily, and ATEX reads them.
    private static func length(_ value: JSONValue?, of file: String) throws(ControlError.Reason) -> Int {
        let written: String
        switch value {
        case nil, .null?:
            throw .badResult("the entry of the file \(ControlText.quoted(file)) has no 'length'; right is its bytes")
        case .integer(let length)?:
            if let length = Int(exactly: length), length >= 0 { return length }
            written = "\(length)"
        case .text(let text)?:
            let digits = Array(text.utf8)
            if let length = ControlWord.integer(digits.span, 0..<digits.count), length >= 0 { return length }
            written = text
        case .number(let text)?: written = text
        case .bool?, .array?, .object?: written = value?.kind ?? ""
        }
        throw .badResult(
            "the 'length' of the file \(ControlText.quoted(file)) is \(ControlText.quoted(written)); "
                + "right is a whole number of bytes"
        )
    }
}
