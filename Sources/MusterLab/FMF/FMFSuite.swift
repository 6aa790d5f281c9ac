package import MusterCore

/// Tests of a tree as a suite runs them: what each is run with, and what of the tree cannot be honoured.
package struct FMFSuite: Sendable {
    /// What a node of a tree stands for.
    package enum Kind: String, Hashable, Sendable { case test, plan, story, other }

    /// Absolute path of the tree's root.
    package let root: String
    package private(set) var tests: [TestSpec] = []
    /// What sets a machine up for the tests, and shell commands that clean up after them, in their order.
    package private(set) var prepare: [FMFPlan.Phase] = []
    package private(set) var finish: [FMFPlan.Phase] = []
    /// What the plan wants its results to be written as.
    package private(set) var reports: [ResultFile] = []
    /// Whether the plan ends with the first test that fails.
    package private(set) var stopsAtFirst = false
    /// Of a plan for several machines that play different parts: these, in the plan's order.
    package private(set) var roles: [FMFPlan.Role] = []
    /// The roles whose machines run a test, by its name; all of them run one that is not here. The others are there for
    /// it: it finds them by its topology.
    package private(set) var rolesOfTests: [String: Set<String>] = [:]

    /// The role that each machine has, in the plan's order, over and over; nil where none is set up for one alone.
    package private(set) var nodeRoles: [String]?

    /// The machines that a test has at once; nil for one machine, whichever.
    func roles(of test: String) -> [TestRole]? {
        guard !roles.isEmpty else { return nil }
        let wanted = rolesOfTests[test]
        // Who runs it comes first: its output is the attempt's.
        let all = roles.map { role in
            TestRole(name: role.name, count: role.count, isIdle: !(wanted?.contains(role.name) ?? true))
        }
        return all.filter { $0.isIdle != true } + all.filter { $0.isIdle == true }
    }
    /// What is asked for and not done, with how many ask for it: `tty (12)`.
    package var ignored: [String] { tally.lines }

    private let tree: FMFTree
    private var tally = FMFTally()

    package static func kind(of node: FMFNode) -> Kind {
        if node["test"] != nil { return .test }
        if node["execute"] != nil || node["discover"] != nil { return .plan }
        return node["story"] != nil ? .story : .other
    }

    /// Keys that change how a test is run, and are not honoured.
    private static let unknownKeys = ["restart-with-reboot"]

    /// - Parameters:
    ///   - path: the root of a tree, or a folder below it.
    ///   - context: what its rules are decided by. With a plan they are looked at in any case, as tmt does, and a
    ///     plan's own context holds besides for the tests.
    ///   - selection: which nodes; those that are no tests, are not enabled or are done by hand are left out. Of a
    ///     plan's tests these are left.
    ///   - plan: the name of a plan that chooses tests, and says what is done before and after them.
    /// - Throws: what of the tree, the plan or a chosen test cannot be understood, each with its place.
    package init(
        at path: String,
        context: FMFContext? = nil,
        _ selection: FMFSelection,
        excluding excluded: FMFSelection? = nil,
        plan name: String? = nil
    ) throws(FMFError) {
        guard let name else {
            try self.init(try FMFTree(at: path, context: context), selection, excluding: excluded)
            return
        }
        var tree = try FMFTree(at: path, context: context ?? FMFContext([:]))
        let plan = try FMFPlan(name, in: tree)
        if plan.hasOwnContext { tree = try FMFTree(at: path, context: plan.context) }
        try self.init(tree, selection, excluding: excluded, plan: plan)
    }

    package init(
        _ tree: FMFTree,
        _ selection: FMFSelection,
        excluding excluded: FMFSelection? = nil,
        plan: FMFPlan? = nil
    ) throws(FMFError) {
        self.tree = tree
        root = tree.root
        var diagnostics: [Diagnostic] = []
        if let plan {
            prepare = plan.prepare
            finish = plan.finish
            reports = plan.reports
            if (prepare + finish).contains(where: { $0.machines != nil }) { nodeRoles = plan.guestRoles }
            stopsAtFirst = plan.stopsAtFirst
            roles = plan.roles
            tally = plan.tally
        }
        var names: [String: Int] = [:]
        for section in plan?.sections ?? [FMFPlan.Section()] {
            for node in try section.nodes(of: tree) where Self.kind(of: node) == .test {
                guard try selection.includes(node) else { continue }
                if let excluded, try excluded.includes(node) { continue }
                do throws(FMFError) {
                    guard try isRun(node) else { continue }
                    var test = try test(node, plan?.environment ?? [:], usual: section.duration)
                    // A plan may run a test several times, and results know tests by their names.
                    test.name = section.prefix + test.name
                    let count = names[test.name, default: 0] + 1
                    names[test.name] = count
                    if count > 1 { test.name += " (\(count))" }
                    rolesOfTests[test.name] = section.roles
                    tests.append(test)
                } catch {
                    diagnostics += error.diagnostics
                }
            }
        }
        guard diagnostics.isEmpty else { throw FMFError(diagnostics) }
    }

    // MARK: Tests

    private func isRun(_ node: FMFNode) throws(FMFError) -> Bool {
        let subject = FMFSubject(node, of: tree)
        if try subject.flag("manual") == true { return false }
        return try subject.flag("enabled") ?? true
    }

    private mutating func test(
        _ node: FMFNode,
        _ environment: [String: String],
        usual duration: Duration
    ) throws(FMFError) -> TestSpec {
        let subject = FMFSubject(node, of: tree)
        guard case .string(let text)? = node["test"], !text.isEmpty else {
            // YAML makes `test: true` a truth and `test: 1` a number; fmf fails over them much later.
            throw subject.wrong("test", "is a shell command: put quotes around it")
        }
        for key in Self.unknownKeys {
            switch node[key] {
            case nil, .null?, .bool(false)?: continue
            case .list(let items)? where items.isEmpty: continue
            default: tally.note(key)
            }
        }
        var test = TestSpec(name: node.name, command: .run(Template(text)))
        test.timeout = try subject.length("duration") ?? duration
        test.tags = try subject.texts("tag")
        test.priority = Int64(subject.number("extra-priority") ?? 0)
        var frame = TestFrame(tree: tree.root, directory: try directory(node, subject))
        // What a plan says counts, as in tmt.
        frame.environment = try subject.variables("environment").merging(environment) { $1 }
        frame.framework = try subject.choice("framework", TestFrame.Framework.self) ?? .shell
        frame.result = try subject.choice("result", TestFrame.ResultRule.self) ?? .respect
        frame.restartCodes = try codes(subject)
        if let most = subject.number("restart-max-count") { frame.restartsMax = min(max(Int(most), 0), 10) }
        frame.metadata = try FMFExport.json(node, of: tree)
        let packages = PackageNeeds(
            require: try subject.packages("require", &tally),
            recommend: try subject.packages("recommend", &tally)
        )
        if !packages.isEmpty { frame.packages = packages }
        let libraries = try subject.libraries("require") + subject.libraries("recommend")
        if !libraries.isEmpty { frame.libraries = libraries }
        if try subject.flag("tty") == true { frame.hasTerminal = true }
        try readChecks(subject, &frame)
        test.frame = frame
        return test
    }

    /// `path` counts from the root of the tree; without it the test runs beside the file that speaks of it last.
    private func directory(_ node: FMFNode, _ subject: FMFSubject) throws(FMFError) -> String {
        guard let path = node["path"] else { return node.workingDirectory ?? "" }
        guard case .string(let text) = path else { throw subject.wrong("path", "is a folder of the tree") }
        let parts = text.split(separator: "/").filter { $0 != "." }
        guard !parts.contains("..") else { throw subject.wrong("path", "leads out of the tree") }
        return parts.joined(separator: "/")
    }

    /// Checks that are not known are noted.
    private mutating func readChecks(_ subject: FMFSubject, _ frame: inout TestFrame) throws(FMFError) {
        guard let value = subject["check"] else { return }
        let items: [FMFValue] = if case .list(let items) = value { items } else { [value] }
        for item in items {
            var part = FMFSubject(FMFMap(), named: "check of \(subject.name)", of: tree, at: .none)
            if let map = item.map {
                let place = map.entries.first?.place ?? .none
                part = FMFSubject(map, named: part.name, of: tree, at: place)
            }
            guard let how = item.string ?? part["how"]?.string else {
                throw subject.wrong(
                    "check",
                    "is the name of a check such as dmesg, a mapping with 'how', or a list of them"
                )
            }
            guard try part.flag("enabled") ?? true else { continue }
            guard let check = TestFrame.Check(rawValue: how) else {
                tally.note("check: \(how)")
                continue
            }
            for key in ["failure-pattern", "ignore-pattern"] where part[key] != nil {
                tally.note("check: \(how): \(key)")
            }
            frame[check] = try part.choice("result", TestFrame.CheckRule.self) ?? .respect
        }
    }

    private func codes(_ subject: FMFSubject) throws(FMFError) -> [Int] {
        switch subject["restart-on-exit-code"] {
        case nil: return []
        case .int(let code)?: return [code]
        case .list(let items)?:
            return items.compactMap { if case .int(let code) = $0 { code } else { nil } }
        default: throw subject.wrong("restart-on-exit-code", "is an exit code, or a list of them")
        }
    }
}
