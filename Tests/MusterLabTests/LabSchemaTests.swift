import Foundation
import Testing

@testable import MusterLab

/// The schema, the reference and the parser name the same keys with the same values.
@Suite struct LabSchemaTests {
    let schema: LabSchema

    init() throws { schema = try LabSchema() }

    // MARK: - Structure

    /// Every difference between the schema and the parser's tables.
    private func differences(_ schema: LabSchema, _ tables: [LabTable]) -> [String] {
        var found: [String] = []
        for table in tables {
            let definition = schema.definition(table.name)
            let properties = schema.properties(table.name)
            for key in table.keys {
                guard let property = properties[key.name] as? [String: Any] else {
                    found.append("the schema lacks \(table.name).\(key.name)")
                    continue
                }
                if !agrees(property, key) {
                    found.append("\(table.name).\(key.name) takes something else in the schema")
                }
            }
            for name in properties.keys where table[name] == nil {
                found.append("the parser lacks \(table.name).\(name)")
            }
            let required = Set(definition["required"] as? [String] ?? [])
            if required != Set(table.keys.filter(\.isRequired).map(\.name)) {
                found.append("required of \(table.name)")
            }
            let kinds = (definition["oneOf"] as? [[String: [String]]] ?? []).compactMap { $0["required"]?.first }
            if kinds != table.kinds { found.append("kinds of \(table.name)") }
            if definition["additionalProperties"] as? Bool != false { found.append("\(table.name) takes any key") }
        }
        return found
    }

    /// Whether a property of the schema says what the parser's table says.
    private func agrees(_ property: [String: Any], _ key: LabKey) -> Bool {
        let alternatives = property["anyOf"] as? [[String: Any]] ?? [property]
        let items = property["items"] as? [String: Any]
        func refers(_ name: String, _ schema: [String: Any]?) -> Bool {
            schema?["$ref"] as? String == "#/$defs/\(name)"
        }
        func words(_ schema: [String: Any]?) -> [String]? {
            (schema?["anyOf"] as? [[String: Any]])?.lazy.compactMap { $0["enum"] as? [String] }.first
        }
        func isWithin(_ low: Double, _ high: Double, _ schema: [String: Any]) -> Bool {
            (schema["minimum"] as? NSNumber)?.doubleValue == low
                && (schema["maximum"] as? NSNumber)?.doubleValue == high
        }
        switch key.value {
        case .text:
            return refers("text", property) || refers("name", property) || alternatives.contains { $0["type"] != nil }
                || property["type"] != nil
        case .integer(let range):
            if key.name == "muster" { return (property["const"] as? NSNumber)?.intValue == range.lowerBound }
            return isWithin(Double(range.lowerBound), Double(range.upperBound), alternatives[0])
        case .number(let range): return isWithin(range.lowerBound, range.upperBound, alternatives[0])
        case .duration: return refers("duration", property)
        case .size: return refers("size", property)
        case .choice(let expected): return words(property) == expected
        case .choices(let expected): return words(items) == expected
        case .texts: return refers("text", items)
        case .table(let name): return alternatives.contains { refers(name, $0) }
        case .list(let name): return refers(name, items)
        case .named(let name): return refers(name, property["additionalProperties"] as? [String: Any])
        case .variables: return property["additionalProperties"] is [String: Any]
        case .needs: return refers("needs", property)
        case .files: return refers("files", property)
        case .hosts: return refers("hosts", property)
        case .http: return alternatives.contains { refers("http", $0) }
        case .program:
            return alternatives.contains { refers("text", $0) }
                && alternatives.contains { refers("text", $0["items"] as? [String: Any]) }
        case .anything: return property["type"] as? String == "object" && property["properties"] == nil
        case .octal: return alternatives.contains { $0["pattern"] != nil }
        case .globs: return refers("patterns", property) || alternatives.contains { $0["type"] as? String == "array" }
        case .equalities: return refers("when", property)
        }
    }

    @Test func schemaAndParserNameTheSameKeys() {
        #expect(differences(schema, LabKeys.all) == [])
        // What is not a table of the parser only helps others.
        let helpers: Set = [
            "needs", "files", "hosts", "when", "patterns", "duration", "size", "text", "name", "groupName",
            "interpolated",
        ]
        #expect(Set(schema.definitions.keys) == helpers.union(LabKeys.all.map(\.name)))
    }

    /// Takes each key away from one side and the other, renames it, changes its type: each must be noticed.
    @Test func everyChangeOfAKeyOnOneSideIsNoticed() {
        for (index, table) in LabKeys.all.enumerated() {
            for (position, key) in table.keys.enumerated() {
                let name = "\(table.name).\(key.name)"
                func change(_ change: (inout [String: Any]) -> Void) -> LabSchema {
                    schema.with(table.name) { definition in
                        var properties = definition["properties"] as? [String: Any] ?? [:]
                        change(&properties)
                        definition["properties"] = properties
                    }
                }
                #expect(differences(change { $0[key.name] = nil }, LabKeys.all) != [], "\(name) gone from the schema")
                let renamed = change {
                    $0[key.name + "x"] = $0[key.name]
                    $0[key.name] = nil
                }
                #expect(differences(renamed, LabKeys.all).count == 2, "\(name) renamed in the schema")
                let retyped = change { $0[key.name] = ["not": [String: Any]()] }
                #expect(differences(retyped, LabKeys.all) != [], "\(name) of another type in the schema")

                var tables = LabKeys.all
                tables[index].keys.remove(at: position)
                #expect(differences(schema, tables) != [], "\(name) gone from the parser")
                tables = LabKeys.all
                tables[index].keys[position].isRequired.toggle()
                #expect(differences(schema, tables) != [], "\(name) required on one side")
            }
            let open = schema.with(table.name) { $0["additionalProperties"] = true }
            #expect(differences(open, LabKeys.all) != [])
        }
    }

    // MARK: - Behaviour

    /// A mapping of each table that is right and has only what it must have.
    private static let smallest: [String: [String: String]] = [
        "lab": ["lab": "a", "groups": "{g: {provision: [process: ]}}"], "group": ["provision": "[process: ]"],
        "need": [:], "step": ["run": "x"], "process": [:],
        "plugin": ["command": "muster-driver"], "file": ["text": "x", "to": "x"], "retry": ["times": "1"],
        "quarantine": ["for": "1m"],
        "condition": ["tcp": "80"], "http": ["port": "80"],
        "suite": ["where": "g", "discover": "{list: [{name: a, run: b}]}"], "discover": ["files": "tests/*.sh"],
        "fmf": [:], "role": [:], "test": ["name": "a", "run": "b"], "results": [:], "sink": ["webhook": "'http://h'"],
        "qemu": ["kernel": "app.conf"], "addresses": ["cidr": "10.77.0.0/24"], "netns": [:],
        "pool": ["inventory": "hosts.ini"], "host": ["host": "a"], "ssh": ["hosts": "[a]"],
        "podman": ["image": "a"], "template": ["from": "app.conf", "to": "x"], "script": ["file": "setup.sh"],
        "ansible": ["playbook": "app.conf"],
    ]

    /// A lab with this mapping where one of its table belongs.
    private func lab(_ table: String, _ mapping: [String: String]) -> String {
        let text = "{" + mapping.map { "\($0): \($1)" }.sorted().joined(separator: ", ") + "}"
        func group(_ text: String) -> String { "{lab: a, groups: {g: \(text), h: {provision: [process: ]}}}" }
        func suite(_ text: String) -> String {
            "{lab: a, groups: {g: {provision: [process: ]}, h: {}}, tests: {t: \(text)}}"
        }
        return switch table {
        case "lab": text
        case "sink": "{lab: a, groups: {g: {}}, notify: [\(text)]}"
        case "addresses": "{lab: a, groups: {g: {}}, addresses: \(text)}"
        case "netns": group("{provision: [netns: \(text)]}")
        case "qemu": group("{provision: [qemu: \(text)]}")
        case "pool": "{lab: a, groups: {g: {}}, pools: {p: \(text)}}"
        case "host": "{lab: a, groups: {g: {}}, pools: {p: {hosts: [\(text)]}}}"
        case "ssh": "{lab: a, pools: {p: {hosts: [a]}}, groups: {g: {provision: [ssh: \(text)]}}}"
        case "podman": group("{provision: [podman: \(text)]}")
        case "group": group(text)
        case "need": group("{needs: {h: \(text)}}")
        case "step":
            group(
                LabKeys.creators.allSatisfy { mapping[$0] == nil }
                    ? "{provision: [process: , \(text)]}" : "{provision: [\(text)]}"
            )
        case "plugin": group("{provision: [plugin: \(text)]}")
        case "process": group("{provision: [process: \(text)]}")
        case "file": group("{provision: [process: , {files: [\(text)]}]}")
        case "template", "script", "ansible": group("{provision: [process: , {\(table): \(text)}]}")
        case "retry", "quarantine": group("{\(table): \(text)}")
        case "condition": group("{provision: [process: ], ready: [\(text)]}")
        case "http": group("{provision: [process: ], ready: [{http: \(text)}]}")
        case "suite": suite(text)
        case "discover": suite("{where: g, discover: \(text)}")
        case "fmf": suite("{where: g, discover: {fmf: \(text)}}")
        case "test": suite("{where: g, discover: {list: [\(text)]}}")
        case "role": suite("{where: g, discover: {list: [{name: a, run: b}]}, roles: {r: \(text)}}")
        case "results": "{lab: a, groups: {g: {}}, results: \(text)}"
        default: ""
        }
    }

    /// Values that are right for a key, and values that are wrong.
    private func samples(_ table: String, _ key: LabKey) -> (right: [String], wrong: [String]) {
        let special: [String: [String]] = [
            "suite.where": ["g", "[g]"], "group.provision": ["[]", "[{process: {}}, {run: x}]"],
            "file.from": ["app.conf"],
            "template.from": ["app.conf"], "script.file": ["setup.sh"], "ansible.playbook": ["app.conf"],
            "http.path": ["/x"],
            "discover.files": ["tests/*.sh", "[tests/*]"],
            "role.count": ["1"], "role.on": ["g"], "role.runs": ["test"], "fmf.context": ["[a=b]", "a=b", "[]"],
            "suite.destructive": ["a", "[a, '?']", "[]"], "lab.muster": ["1"],
            "need.ready": ["1"],
            "lab.modes": ["linux"], "sink.command": ["[a]", "[a, 'b c', 1]"],
            "sink.webhook": ["http://h:80/x", "https://h/x"],
            "group.mode": ["CONTAINER"], "condition.state": ["ISUP"],
            "pool.inventory": ["hosts.ini"], "pool.group": ["x"], "pool.config": ["ssh.conf"],
            "pool.options": ["[]", "[ProxyJump=gate]"], "ssh.pool": ["p"],
            "addresses.cidr": ["10.0.0.0/8"], "addresses.reserved": ["[]", "[10.77.0.9]"],
            "podman.cpus": ["0.5", "4"], "podman.volumes": ["[]", "[a:/b, '/a:/b:ro']"],
            "podman.ports": ["[]", "['80:80', '127.0.0.1:80:80/udp']"],
            "qemu.image": ["app.conf"], "qemu.kernel": ["app.conf"], "qemu.initrd": ["app.conf"],
            "qemu.cloud-init": ["app.conf"], "qemu.ports": ["[]", "['8080:80']"],
        ]
        let right: [String]
        var wrong: [String]
        switch key.value {
        case .text:
            right = ["x"]
            wrong = ["[]", "{}", "[x]", "{x: x}", "", "''"]
            if key.name == "text" { wrong.removeLast() }
        case .integer(let range):
            right = ["\(range.lowerBound)", "\(range.upperBound)"]
            wrong = ["x", "[]", "{}", "", "1.5", "'1'", "\(range.lowerBound - 1)", "\(range.upperBound + 1)", "true"]
        case .number(let range):
            right = ["\(Int(range.lowerBound))", "1.5"]
            wrong = ["x", "[]", "", "\(Int(range.lowerBound) - 1)", "\(Int(range.upperBound) + 1)", "'2'"]
        case .duration(_, let mayBeZero):
            right = ["5s", "1h30m", "'250ms'"] + (mayBeZero ? ["0s"] : [])
            wrong = ["5", "x", "[]", "{}", "", "5m1h", "1.5h", "5 s"]
        case .size:
            right = ["1B", "512MiB", "'2GiB'"]
            wrong = ["512", "x", "[]", "{}", "", "1.5GiB", "5 MiB", "5MB", "0B"]
        case .choice(let words):
            right = words
            wrong = ["x", "[]", "{}", "", "1", "\(words[0])x"]
        case .choices(let words):
            right = ["[]", "[\(words.joined(separator: ", "))]"]
            wrong = ["x", "{}", "[x]", "[[]]"]
        case .texts:
            right = ["[]", "[a, b]", "[1]"]
            wrong = ["x", "{}", "[[]]", "['']"]
        case .table(let name):
            right = ["{" + Self.smallest[name, default: [:]].map { "\($0): \($1)" }.joined(separator: ", ") + "}"]
            wrong = ["x", "[]", "1", "{zzzzzz: 1}"]
        case .list(let name):
            right = ["[{" + Self.smallest[name, default: [:]].map { "\($0): \($1)" }.joined(separator: ", ") + "}]"]
            wrong = ["x", "{}", "1", "", "[x]", "[[]]", "[{zzzzzz: 1}]"]
        case .named(let name):
            right = ["{g: {" + Self.smallest[name, default: [:]].map { "\($0): \($1)" }.joined(separator: ", ") + "}}"]
            wrong = ["x", "[]", "1", "", "{g: x}", "{G: {}}", "{g: {zzzzzz: 1}}"]
        case .variables:
            right = ["{}", "{a: 1, b: x, c: true, d_e: 'y'}"]
            wrong = ["x", "[]", "{a: [1]}", "{a: {}}", "{1a: x}", "{a.b: x}"]
        case .needs:
            right = ["[]", "[h]", "{h: }", "{h: {}}"]
            wrong = ["h", "1", "[[h]]", "{h: 1}", "{h: {zzzzzz: 1}}"]
        case .files:
            right = ["{x: app.conf}", "[{from: app.conf, to: x}]"]
            wrong = ["x", "1", "{}", "[]", "[x]", "{x: [a]}"]
        case .hosts:
            right = ["[a]", "[root@b:2222, {host: c}]"]
            wrong = ["x", "1", "{}", "[]", "[[]]", "[{host: c, zzzzzz: 1}]", "['']"]
        case .program:
            right = ["x", "x y", "[x, 'a b']", "./app.conf", "/bin/x"]
            wrong = ["[]", "{}", "", "''", "[[]]", "['']"]
        case .anything:
            right = ["{}", "{a: 1, b: [x, {c: true}], d: }"]
            wrong = ["x", "[]", "1"]
        case .http:
            right = ["80", "':80/x'", "80/x", "{port: 80}"]
            wrong = ["x", "0", "70000", "[]", "{}", "'http://x/'", ""]
        case .octal:
            right = ["0644", "'755'", "0o600", "\"0600\""]
            wrong = ["x", "[]", "{}", "'999'", "'7'", "rw-r--r--"]
        case .globs:
            right = ["[a]"]
            wrong = ["{}", "[[]]", "", "['']"]
        case .equalities:
            right = ["{}", "[]", "[{env.HOME: /u/ana}]", "{env.HOME: x}"]
            wrong = ["x", "1", "[x]", "[[]]", "{env.HOME: [x]}"]
        }
        return (special["\(table).\(key.name)"] ?? right, wrong)
    }

    @Test func everyKeyTakesTheSameValuesOnBothSides() {
        var tried = 0
        for table in LabKeys.all {
            for key in table.keys {
                var mapping = Self.smallest[table.name, default: [:]]
                if table.kinds.contains(key.name) { for kind in table.kinds { mapping[kind] = nil } }
                let (right, wrong) = samples(table.name, key)
                for value in right {
                    // The first test of the list is 'a'; suites other than that keep theirs.
                    let text = lab(table.name, mapping.merging([key.name: value]) { $1 })
                    let complaint = complaints(text)
                    #expect(complaint == "", "\(text)")
                    #expect(YamlNode.json(of: text).map(schema.accepts) == true, "\(text)")
                    // Without the key in the schema it would be refused: nothing else lets it through.
                    let less = schema.with(table.name) { definition in
                        var properties = definition["properties"] as? [String: Any] ?? [:]
                        properties[key.name] = nil
                        definition["properties"] = properties
                    }
                    #expect(YamlNode.json(of: text).map(less.accepts) == false, "\(text)")
                    tried += 1
                }
                for value in wrong {
                    let text = lab(table.name, mapping.merging([key.name: value]) { $1 })
                    #expect(complaints(text) != "", "\(text)")
                    #expect(YamlNode.json(of: text).map(schema.accepts) == false, "\(text)")
                    tried += 1
                }
                let unknown = lab(table.name, Self.smallest[table.name, default: [:]].merging(["zzzzzz": "1"]) { $1 })
                #expect(complaints(unknown).contains("unknown key 'zzzzzz'"), "\(unknown)")
                #expect(YamlNode.json(of: unknown).map(schema.accepts) == false)
            }
            for key in table.keys where key.isRequired {
                var mapping = Self.smallest[table.name, default: [:]]
                mapping[key.name] = nil
                let text = lab(table.name, mapping)
                #expect(complaints(text).contains("lacks the key '\(key.name)'"), "\(text)")
                #expect(YamlNode.json(of: text).map(schema.accepts) == false, "\(text)")
            }
        }
        #expect(tried > 300)
    }

    @Test func keysOfLaterVersionsAreRefusedOnBothSidesAndSaidToBeLater() {
        for table in LabKeys.all {
            for key in table.later {
                let text = lab(table.name, Self.smallest[table.name, default: [:]].merging([key: "1"]) { $1 })
                #expect(complaints(text).contains("'\(key)' is not supported by this version yet"), "\(text)")
                #expect(YamlNode.json(of: text).map(schema.accepts) == false, "\(text)")
            }
        }
    }

    @Test func theSampleIsRightOnBothSides() throws {
        #expect(complaints(sampleLab) == "")
        #expect(YamlNode.json(of: sampleLab).map(schema.accepts) == true)
    }

    @Test func everyExampleIsRightOnBothSides() throws {
        let examples = LabSchema.repository.appending(path: "Examples")
        for folder in try FileManager.default.contentsOfDirectory(at: examples, includingPropertiesForKeys: nil) {
            let file = folder.appending(path: "lab.yaml")
            guard let text = try? String(contentsOf: file, encoding: .utf8) else { continue }
            #expect(throws: Never.self) { try LabParser.load(path: file.path) }
            #expect(YamlNode.json(of: text).map(schema.accepts) == true, "\(file.path)")
        }
    }

    // MARK: - Reference

    @Test func theReferenceNamesEveryKeyAndEveryWord() throws {
        let file = LabSchema.repository.appending(path: "docs/formats/lab.md")
        let page = try String(contentsOf: file, encoding: .utf8)
        let sections = page.components(separatedBy: "\n## ")
        for table in LabKeys.all {
            let section = sections.first { $0.contains("<!-- table: \(table.name) -->") } ?? ""
            let part =
                section.components(separatedBy: "<!-- table: \(table.name) -->").last?
                .components(separatedBy: "<!-- table:").first ?? ""
            let rows = part.split(separator: "\n").filter { $0.hasPrefix("| `") }.compactMap { row in
                row.split(separator: "`").dropFirst().first.map { (key: String($0), row: String(row)) }
            }
            #expect(rows.map(\.key) == table.keys.map(\.name), "the keys of '\(table.name)' in docs/formats/lab.md")
            for key in table.keys {
                guard let row = rows.first(where: { $0.key == key.name })?.row else { continue }
                switch key.value {
                case .choice(let words), .choices(let words):
                    for word in words { #expect(row.contains("`\(word)`"), "\(table.name).\(key.name): \(word)") }
                case .integer(let range) where key.name != "muster":
                    #expect(row.contains("\(range.lowerBound)"), "\(table.name).\(key.name)")
                    #expect(row.contains("\(range.upperBound)"), "\(table.name).\(key.name)")
                default: break
                }
                #expect(row.contains("required") == (key.isRequired || table.kinds.contains(key.name)), "\(row)")
            }
            for key in table.later { #expect(page.contains("`\(key)`"), "\(key)") }
        }
    }
}
