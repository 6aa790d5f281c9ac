internal import MusterCore

/// Reads the nodes of a lab file into values and collects everything that is wrong on the way.
///
/// A value that is wrong is reported and left out; the reading goes on as if it were right, so that one run names all
/// errors. What one part says about another (names, counts, cycles) is written down and checked when all parts are
/// read.
struct LabReader {
    var sink: DiagnosticSink
    let environment: [String: String]
    let files: any FileTree
    /// Values given by `--var`.
    let overrides: [String: String]

    var vars: [String: String] = [:]
    /// Declared, in the order of the file.
    var varNames: [String] = []
    /// Those whose own value is wrong, which is reported where it stands.
    var brokenVars: Set<String> = []
    /// Of which nodes in namespaces get theirs.
    var addresses = AddressPool.standard
    var pools: [String: HostPool] = [:]
    /// In the order of the file.
    var poolNames: [String] = []
    var brokenPools: Set<String> = []
    var groups: [GroupDraft] = []
    var groupIndex: [String: Int] = [:]
    var suites: [SuiteDraft] = []
    var references: [Reference] = []

    init(sink: DiagnosticSink, environment: [String: String], files: any FileTree, overrides: [String: String]) {
        self.sink = sink
        self.environment = environment
        self.files = files
        self.overrides = overrides
    }

    /// A group as far as it is read.
    struct GroupDraft {
        var spec: GroupSpec
        var nameSpan: Span
        /// The places of `spec.needs`, one each.
        var needSpans: [Span] = []
        /// Where its mode stands.
        var modeSpan: Span?
        /// States that its nodes must be in to be ready, and where they are named.
        var stateSpans: [(state: String, span: Span)] = []
        /// Whether `count` can be relied on.
        var countIsKnown = true
        /// Whether `provision` is right, so that it is known whether the group has nodes.
        var stepsAreKnown = true
    }

    /// A suite as far as it is read.
    struct SuiteDraft {
        var spec: SuiteSpec
        var nameSpan: Span
        var whereSpans: [Span] = []
        var needSpans: [Span] = []
        var flakyFails = false
        /// What sets the machines of its plan up, and cleans up after the tests.
        var prepare: [FMFPlan.Phase] = []
        var finish: [FMFPlan.Phase] = []
        /// What the plan wants its results to be written as.
        var reports: [ResultFile] = []
    }

    /// `${group.index.field}` somewhere, to be checked when all groups are known.
    struct Reference {
        var node: NodeName
        var field: String
        var span: Span
        var user: User
        /// The file in which it stands, where that is not the lab's.
        var source: SourceText?
        /// The place in the lab file that brings about what is needed; nil for the same.
        var needSpan: Span?
    }

    /// Whose text it is.
    enum User: Hashable {
        case group(Int, isProvision: Bool)
        case suite(Int)
        /// A step that `when` leaves out: its references must be right and imply nothing.
        case nobody
    }
}

// MARK: - Mappings

extension LabReader {
    /// The entries of a mapping that has only known keys.
    struct Fields {
        var entries: [String: YamlNode.Entry]
        var span: Span

        subscript(key: String) -> YamlNode.Entry? { entries[key] }
    }

    /// Takes a mapping apart. Unknown keys and missing ones are reported; an unknown key that is nearly a known one
    /// is read as that, so that what stands below it is checked too. `owner` is what messages call it: `group 'app'`.
    mutating func fields(
        _ node: YamlNode,
        _ table: LabTable,
        of owner: String,
        at span: Span? = nil
    ) -> Fields? {
        guard case .mapping(let entries) = node.value else {
            let keys = table.keys.prefix(4).map(\.name).joined(separator: ", ")
            sink.add(
                span ?? node.span,
                "\(owner) wants a mapping, not \(node.kindWord)",
                hint: "its keys are \(keys) …"
            )
            return nil
        }
        var fields = Fields(entries: [:], span: span ?? node.span)
        var unknown: [YamlNode.Entry] = []
        for entry in entries {
            if table[entry.key] != nil { fields.entries[entry.key] = entry } else { unknown.append(entry) }
        }
        for entry in unknown { readUnknown(entry, table, owner, &fields) }
        for key in table.keys where key.isRequired && fields[key.name] == nil {
            sink.add(fields.span, "\(owner) lacks the key '\(key.name)'")
        }
        return fields
    }

    private mutating func readUnknown(
        _ entry: YamlNode.Entry,
        _ table: LabTable,
        _ owner: String,
        _ fields: inout Fields
    ) {
        if table.later.contains(entry.key) {
            checkLater(entry)
            return
        }
        let names = table.keys.map(\.name)
        if let nearest = sink.nearest(to: entry.key, among: names + table.later) {
            sink.add(entry.keySpan, "unknown key '\(entry.key)' in \(owner)", hint: "did you mean '\(nearest)'?")
            if table[nearest] != nil, fields[nearest] == nil {
                fields.entries[nearest] = YamlNode.Entry(key: nearest, keySpan: entry.keySpan, value: entry.value)
            }
            return
        }
        let hint = "its keys are \(names.joined(separator: ", "))"
        sink.add(entry.keySpan, "unknown key '\(entry.key)' in \(owner)", hint: hint)
    }

    /// A key that is right and comes with a later version.
    private mutating func checkLater(_ entry: YamlNode.Entry) {
        sink.add(
            entry.keySpan,
            "'\(entry.key)' is not supported by this version yet",
            hint: "take it out to go on without it"
        )
    }

    /// The one key of `table.kinds` that is there; otherwise an error that names what is there.
    mutating func kind(_ fields: Fields, _ table: LabTable, _ node: YamlNode, of owner: String) -> String? {
        let given = table.kinds.filter { fields[$0] != nil }
        if given.count == 1 { return given[0] }
        if given.count > 1 {
            let places = given.compactMap { fields[$0]?.keySpan }.sorted { $0.start < $1.start }
            let names = given.sorted { fields[$0]!.keySpan.start < fields[$1]!.keySpan.start }.map { "'\($0)'" }
            let listed = names.dropLast().joined(separator: ", ") + " and " + names[names.count - 1]
            sink.add(places[1], "\(owner) has \(listed); it takes exactly one of them", hint: "make it two entries")
            return nil
        }
        // A key that is unknown, or comes with a later version, was reported already and may be meant as the kind.
        if case .mapping(let entries) = node.value, entries.contains(where: { table[$0.key] == nil }) { return nil }
        let words = table.kinds.map { "'\($0)'" }
        let listed = words.dropLast().joined(separator: ", ") + " or " + words[words.count - 1]
        sink.add(fields.span, "\(owner) wants one of \(listed)")
        return nil
    }

    /// The nodes of a list.
    mutating func list(_ entry: YamlNode.Entry) -> [YamlNode]? {
        if case .sequence(let nodes) = entry.value.value { return nodes }
        let hint = entry.value.isNull ? "take it out, or write []" : "begin each entry with '- '"
        sink.add(entry.value.span, "'\(entry.key)' wants a list, not \(entry.value.kindWord)", hint: hint)
        return nil
    }

    /// The entries of a mapping whose keys are names that the user chose.
    mutating func named(_ entry: YamlNode.Entry, _ what: String) -> [YamlNode.Entry]? {
        if case .mapping(let entries) = entry.value.value { return entries }
        let message = "'\(entry.key)' wants a mapping from names to \(what), not \(entry.value.kindWord)"
        sink.add(entry.value.isNull ? entry.keySpan : entry.value.span, message)
        return nil
    }

    /// Reports a name that is none.
    mutating func checkName(_ name: String, _ what: String, _ span: Span) {
        guard !NameText.isValid(name) else { return }
        let hint = NameText.repaired(name).map { "'\($0)' would be right" } ?? ""
        sink.add(span, "'\(name)' is no name for a \(what): \(NameText.rule)", hint: hint)
    }
}
