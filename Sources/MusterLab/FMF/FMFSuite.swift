package import MusterCore

/// Tests of a tree as a suite runs them: what each is run with, and what of the tree cannot be honoured.
package struct FMFSuite: Sendable {
    /// What a node of a tree stands for.
    package enum Kind: String, Hashable, Sendable { case test, plan, story, other }

    package private(set) var tests: [TestSpec] = []
    /// Shell commands of a plan that set a machine up, and that clean up after the tests, in their order.
    package private(set) var prepare: [String] = []
    package private(set) var finish: [String] = []
    /// What is asked for and not done, with how many nodes ask for it: `require: 12 tests`.
    package private(set) var ignored: [String] = []

    private let tree: FMFTree
    private var askers: [String: Int] = [:]

    package static func kind(of node: FMFNode) -> Kind {
        if node["test"] != nil { return .test }
        if node["execute"] != nil || node["discover"] != nil { return .plan }
        return node["story"] != nil ? .story : .other
    }

    /// Keys that change how a test is run, and are not honoured.
    private static let unknownKeys = ["require", "recommend", "tty", "check", "restart-with-reboot"]
    private static let unknownPlanKeys = ["provision", "report", "login", "gate"]

    /// - Parameters:
    ///   - selection: which nodes; those that are no tests, are not enabled or are done by hand are left out.
    ///   - plan: the name of a plan whose environment, preparation and finish hold for the tests.
    /// - Throws: what of a chosen test cannot be understood, each with its place.
    package init(
        _ tree: FMFTree,
        _ selection: FMFSelection,
        excluding excluded: FMFSelection? = nil,
        plan: String? = nil
    ) throws(FMFError) {
        self.tree = tree
        var diagnostics: [Diagnostic] = []
        var environment: [String: String] = [:]
        do throws(FMFError) {
            if let plan { environment = try read(plan: plan) }
        } catch {
            diagnostics += error.diagnostics
        }
        let left = try Set(excluded.map { (chosen) throws(FMFError) in try tree.nodes(chosen) }?.map(\.name) ?? [])
        var orders: [Int: Double] = [:]
        for node in try tree.nodes(selection) where Self.kind(of: node) == .test && !left.contains(node.name) {
            do throws(FMFError) {
                guard try isRun(node) else { continue }
                orders[tests.count] = number(node, "order") ?? 50
                tests.append(try test(node, environment))
            } catch {
                diagnostics += error.diagnostics
            }
        }
        guard diagnostics.isEmpty else { throw FMFError(diagnostics) }
        let order = tests.indices.sorted { (orders[$0] ?? 50, $0) < (orders[$1] ?? 50, $1) }
        tests = order.map { tests[$0] }
        ignored = askers.sorted { $0.key < $1.key }.map { "\($0.key) (\($0.value))" }
    }

    // MARK: Tests

    private func isRun(_ node: FMFNode) throws(FMFError) -> Bool {
        if case .bool(true)? = node["manual"] { return false }
        switch node["enabled"] {
        case .bool(let enabled)?: return enabled
        case nil, .null?: return true
        default: throw wrong("enabled", node, "is true or false")
        }
    }

    private mutating func test(_ node: FMFNode, _ environment: [String: String]) throws(FMFError) -> TestSpec {
        guard case .string(let text)? = node["test"], !text.isEmpty else {
            // YAML makes `test: true` a truth and `test: 1` a number; fmf fails over them much later.
            throw wrong("test", node, "is a shell command: put quotes around it")
        }
        for key in Self.unknownKeys {
            switch node[key] {
            case nil, .null?, .bool(false)?: continue
            case .list(let items)? where items.isEmpty: continue
            default: askers[key, default: 0] += 1
            }
        }
        var test = TestSpec(name: node.name, command: .run(Template(text)))
        test.timeout = try timeout(node)
        test.tags = try texts("tag", node)
        test.priority = Int64(number(node, "extra-priority") ?? 0)
        var frame = TestFrame(tree: tree.root, directory: try directory(node))
        frame.environment = environment.merging(try variables("environment", node["environment"], node)) { $1 }
        frame.framework = try choice("framework", node, TestFrame.Framework.self) ?? .shell
        frame.result = try choice("result", node, TestFrame.ResultRule.self) ?? .respect
        frame.restartCodes = try codes(node)
        if let most = number(node, "restart-max-count") { frame.restartsMax = min(max(Int(most), 0), 10) }
        frame.metadata = try FMFExport.json(node, of: tree)
        test.frame = frame
        return test
    }

    /// `path` counts from the root of the tree; without it the test runs beside the file that speaks of it last.
    private func directory(_ node: FMFNode) throws(FMFError) -> String {
        guard let path = node["path"] else { return node.workingDirectory ?? "" }
        guard case .string(let text) = path else { throw wrong("path", node, "is a folder of the tree") }
        let parts = text.split(separator: "/").filter { $0 != "." }
        guard !parts.contains("..") else { throw wrong("path", node, "leads out of the tree") }
        return parts.joined(separator: "/")
    }

    private func timeout(_ node: FMFNode) throws(FMFError) -> Duration {
        guard let value = node["duration"] else { return .seconds(300) }
        let text: String
        switch value {
        case .string(let given): text = given
        case .int(let seconds): text = "\(seconds)"
        default: throw wrong("duration", node, "is a length of time such as 5m")
        }
        var seconds: Int64 = 0
        for word in text.split(whereSeparator: \.isWhitespace) {
            let digits = word.prefix { $0.isASCII && $0.isNumber }
            let units: [Substring: Int64] = ["": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400]
            guard let number = Int64(digits), number < 100_000_000, let unit = units[word.dropFirst(digits.count)]
            else {
                throw wrong("duration", node, "is a length of time such as 5m, 1h 30m or 90, not '\(text)'")
            }
            seconds += number * unit
        }
        guard seconds > 0 else { throw wrong("duration", node, "is a length of time such as 5m, not '\(text)'") }
        return .seconds(seconds)
    }

    private func codes(_ node: FMFNode) throws(FMFError) -> [Int] {
        switch node["restart-on-exit-code"] {
        case nil, .null?: return []
        case .int(let code)?: return [code]
        case .list(let items)?:
            return items.compactMap { if case .int(let code) = $0 { code } else { nil } }
        default: throw wrong("restart-on-exit-code", node, "is an exit code, or a list of them")
        }
    }

    // MARK: Plans

    /// Takes what a plan says, and returns the variables of its tests.
    private mutating func read(plan name: String) throws(FMFError) -> [String: String] {
        guard let plan = tree.node(name), Self.kind(of: plan) == .plan else {
            let plans = tree.selected.filter { Self.kind(of: $0) == .plan }.prefix(12).map(\.name)
            let hint = plans.isEmpty ? "the tree has no plans" : "the plans are \(plans.joined(separator: ", "))"
            throw FMFError([Diagnostic(file: tree.root, message: "there is no plan '\(name)'", hint: hint)])
        }
        for key in Self.unknownPlanKeys where plan[key] != nil { askers["\(key) of the plan", default: 0] += 1 }
        let environment = try variables("environment", plan["environment"], plan)
        prepare = try scripts("prepare", plan).map { command($0, environment) }
        finish = try scripts("finish", plan).map { command($0, environment) }
        return environment
    }

    /// A script of a plan as a command of a step: in the tree, with the plan's variables, by bash where that is.
    private func command(_ script: String, _ environment: [String: String]) -> String {
        let quoted = Template.shellQuoted
        let variables = environment.merging(["TMT_TREE": tree.root]) { given, _ in given }
        let exports = variables.sorted { $0.key < $1.key }.map { "export \($0.key)=\(quoted($0.value))\n" }.joined()
        let script = quoted(script)
        return "cd -- \(quoted(tree.root)) || exit 2\n\(exports)"
            + "if command -v bash >/dev/null 2>&1; then bash -eo pipefail -c \(script); else sh -e -c \(script); fi"
    }

    private mutating func scripts(_ key: String, _ plan: FMFNode) throws(FMFError) -> [String] {
        let phases: [FMFValue] =
            switch plan[key] {
            case nil, .null?: []
            case .list(let items)?: items
            case .some(let one): [one]
            }
        var scripts: [String] = []
        for phase in phases {
            guard let map = phase.map else { throw wrong(key, plan, "is a mapping, or a list of mappings") }
            let how = map["how"]?.string ?? "shell"
            guard how == "shell" else {
                askers["\(key): how: \(how)", default: 0] += 1
                continue
            }
            switch map["script"] {
            case .string(let text)?: scripts.append(text)
            case .list(let items)?: scripts += items.compactMap(\.string)
            default: throw wrong(key, plan, "has a 'script' with a shell command, or a list of them")
            }
        }
        return scripts
    }

    // MARK: Values

    private func variables(
        _ key: String,
        _ value: FMFValue?,
        _ node: FMFNode
    ) throws(FMFError) -> [String: String] {
        guard let value else { return [:] }
        if case .null = value { return [:] }
        guard let map = value.map else { throw wrong(key, node, "is a mapping of names to values") }
        var variables: [String: String] = [:]
        for entry in map.entries {
            guard case .string(let name) = entry.key, let text = text(entry.value) else {
                throw wrong(key, node, "has a value that is no text and no number")
            }
            guard Self.isVariable(name) else { throw wrong(key, node, "has '\(name)', which no shell can set") }
            variables[name] = text
        }
        return variables
    }

    private static func isVariable(_ name: String) -> Bool {
        let letters = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        return letters && name.first.map { !$0.isNumber } ?? false
    }

    /// A value as Python prints it, as tmt has it in the environment.
    private func text(_ value: FMFValue) -> String? {
        switch value {
        case .list, .map, .shared, .null: nil
        case .string, .int, .largeInt, .float, .bool, .date: try? FMFText.text(of: value)
        }
    }

    private func texts(_ key: String, _ node: FMFNode) throws(FMFError) -> [String] {
        switch node[key] {
        case nil, .null?: return []
        case .string(let text)?: return text.split { $0 == "," || $0.isWhitespace }.map(String.init)
        case .list(let items)?: return items.compactMap(text)
        case .some(let one): return text(one).map { [$0] } ?? []
        }
    }

    private func number(_ node: FMFNode, _ key: String) -> Double? {
        switch node[key] {
        case .int(let number)?: Double(number)
        case .float(let number)?: number
        default: nil
        }
    }

    private func choice<Choice: CaseIterable & RawRepresentable>(
        _ key: String,
        _ node: FMFNode,
        _: Choice.Type
    ) throws(FMFError) -> Choice? where Choice.RawValue == String {
        guard let value = node[key] else { return nil }
        guard let choice = value.string.flatMap(Choice.init) else {
            throw wrong(key, node, "is one of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return choice
    }

    private func wrong(_ key: String, _ node: FMFNode, _ message: String) -> FMFError {
        let place = tree.location(of: key, in: node)
        return FMFError([
            Diagnostic(
                file: "\(tree.root)/\(place?.file ?? "")",
                line: place?.line ?? 0,
                column: place?.column ?? 0,
                message: "'\(key)' of \(node.name) \(message)"
            )
        ])
    }
}
