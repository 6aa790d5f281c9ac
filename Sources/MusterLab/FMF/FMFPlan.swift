package import MusterCore

/// What is done on a machine before the tests of a plan, or after them.
package enum FMFStep: Hashable, Sendable {
    /// A shell command that needs nothing besides.
    case script(String)
    case packages(PackageNeeds)
}

/// A plan of a tree: which tests, with what, and what is done before and after them.
package struct FMFPlan: Sendable {
    /// Machines of a plan that play the same part.
    package struct Role: Hashable, Sendable {
        package var name: String
        package var count: Int
    }

    /// A part of `prepare` or `finish`.
    package struct Phase: Hashable, Sendable {
        package var step: FMFStep
        /// The machines on which it is done, by their places in the plan; nil for all.
        package var machines: Set<Int>?
    }

    package let name: String
    /// Of its tests and its own commands.
    package private(set) var environment: [String: String] = [:]
    /// By which the rules of its tests and its parts are decided: what it was read with, and what it says besides.
    package private(set) var context: FMFContext
    private(set) var hasOwnContext = false
    /// Where its tests come from.
    private(set) var sections: [Section] = []
    package private(set) var prepare: [Phase] = []
    package private(set) var finish: [Phase] = []
    /// What its results are to be written as.
    package internal(set) var reports: [ResultFile] = []
    /// Whether it ends with the first test that fails.
    package private(set) var stopsAtFirst = false
    /// Of its machines, when it asks for several.
    package private(set) var roles: [Role] = []
    var tally = FMFTally()

    let subject: FMFSubject
    /// Its machines in their order: one without a name where the plan names none.
    private var guests: [(name: String, role: String?)] = []
    /// The role of each machine, in the order of the plan; empty for a plan with one machine.
    package var guestRoles: [String] { roles.isEmpty ? [] : guests.map { $0.role ?? $0.name } }

    private static let unknownKeys = ["login", "gate", "cleanup"]
    /// What `execute` says that is honoured, or says nothing.
    private static let executeKeys = ["how", "name", "summary", "order", "script", "duration", "exit-first"]

    /// - Throws: what of the plan cannot be understood, with its place; also when it is not enabled.
    package init(_ name: String, in tree: FMFTree) throws(FMFError) {
        guard let node = tree.node(name), FMFSuite.kind(of: node) == .plan else {
            let plans = tree.selected.filter { FMFSuite.kind(of: $0) == .plan }.prefix(12).map(\.name)
            let hint = plans.isEmpty ? "the tree has no plans" : "the plans are \(plans.joined(separator: ", "))"
            throw FMFError([Diagnostic(file: tree.root, message: "there is no plan '\(name)'", hint: hint)])
        }
        self.name = name
        subject = FMFSubject(node, of: tree)
        context = tree.context ?? FMFContext([:])
        guard try subject.flag("enabled") ?? true else {
            let hint = "'muster fmf why' says which rule of 'adjust' does that in this context"
            throw subject.wrong("enabled", "is false: such a plan is not run", hint: hint)
        }
        if subject["import"] != nil {
            throw subject.wrong(
                "import",
                "takes a plan from elsewhere, and nothing is fetched: name a plan of the tree"
            )
        }
        for key in Self.unknownKeys where subject[key] != nil { tally.note("\(key) of the plan") }
        environment = try subject.files("environment-file").merging(try subject.variables("environment")) { $1 }
        try readContext()
        try readGuests()
        try readExecute()
        try readDiscover()
        prepare = try phases("prepare")
        finish = try phases("finish")
        try readReports()
    }

    // MARK: Where it holds

    /// What the plan says of a dimension holds when nobody else has said something of it.
    private mutating func readContext() throws(FMFError) {
        guard let value = subject["context"] else { return }
        guard let map = value.map else { throw subject.wrong("context", "is a mapping of dimensions to values") }
        var dimensions: [String: [String]] = [:]
        for entry in map.entries {
            let items: [FMFValue] = if case .list(let items) = entry.value { items } else { [entry.value] }
            guard case .string(let name) = entry.key else {
                throw subject.wrong("context", "is a mapping of dimensions to values")
            }
            dimensions[name] = items.compactMap(FMFSubject.text)
        }
        let before = context
        context = context.adding(dimensions)
        hasOwnContext = context.dimensions.count > before.dimensions.count
    }

    private mutating func readGuests() throws(FMFError) {
        let parts = try subject.parts("provision")
        for (index, part) in parts.enumerated() {
            let known: Set<FMFKey> = [.string("name"), .string("role"), .string("where")]
            if part.data.entries.contains(where: { !known.contains($0.key) }) { tally.note("provision of the plan") }
            let name = part["name"]?.string ?? "default-\(index)"
            guard parts.count > 1 else {
                guests.append((name, part["role"]?.string))
                continue
            }
            let role = part["role"]?.string ?? name
            // It becomes a part of variables' names.
            guard role.utf8.first.map({ $0 < 0x80 && Character(Unicode.Scalar($0)).isLetter }) == true,
                role.utf8.allSatisfy({ byte in
                    byte < 0x80
                        && (Character(Unicode.Scalar(byte)).isLetter || Character(Unicode.Scalar(byte)).isNumber
                            || "._-".utf8.contains(byte))
                })
            else {
                throw part.wrong("role", "is '\(role)': a role is letters, digits, '.', '_' and '-', a letter first")
            }
            guests.append((name, role))
            if let known = roles.firstIndex(where: { $0.name == role }) {
                roles[known].count += 1
            } else {
                roles.append(Role(name: role, count: 1))
            }
        }
        if guests.isEmpty { guests.append(("default-0", nil)) }
    }

    /// The machines that `where` of a part names, by their roles or their own names; nil for all.
    private func machines(of part: FMFSubject) throws(FMFError) -> Set<Int>? {
        let names = try part.lines("where", wants: "a role or the name of a machine")
        guard !names.isEmpty else { return nil }
        var found: Set<Int> = []
        for name in names {
            let byRole = guests.indices.filter { guests[$0].role == name }
            let named = byRole.isEmpty ? guests.indices.filter { guests[$0].name == name } : byRole
            guard !named.isEmpty else {
                let known =
                    roles.isEmpty ? guests.flatMap { [$0.role, $0.name].compactMap(\.self) } : roles.map(\.name)
                let hint = "\(roles.isEmpty ? "its only machine is" : "its roles are") \(known.joined(separator: ", "))"
                throw part.wrong("where", "names '\(name)', which no machine of the plan is or plays", hint: hint)
            }
            found.formUnion(named)
        }
        return found.count == guests.count ? nil : found
    }

    /// The roles of the machines that `where` of a section names; nil for all.
    private mutating func roles(of part: FMFSubject) throws(FMFError) -> Set<String>? {
        guard let machines = try machines(of: part) else { return nil }
        let found = Set(machines.compactMap { guests[$0].role })
        let all = guests.indices.filter { guests[$0].role.map(found.contains) ?? false }
        // Members of a role are all alike to a test.
        if machines.count < all.count { tally.note("discover: where: one machine of several in a role") }
        return found
    }

    /// Whether a part holds: it is enabled, and one of its rules is true. What cannot be decided is not.
    mutating func isMeant(_ part: FMFSubject, _ key: String) throws(FMFError) -> Bool {
        guard try part.flag("enabled") ?? true else { return false }
        let rules = try part.lines("when", wants: "a rule")
        guard !rules.isEmpty else { return true }
        var isUnknown = false
        for rule in rules {
            do throws(FMFRule.Invalid) {
                // Python's words for a truth, which YAML has made of the rule.
                let rule = ["True", "False"].contains(rule) ? rule.lowercased() : rule
                switch try FMFRule(rule).decide(context) {
                case .matches: return true
                case .doesNotMatch: break
                case .cannotDecide: isUnknown = true
                }
            } catch {
                throw part.wrong("when", "is no rule: \(error.reason)", hint: error.hint)
            }
        }
        if isUnknown { tally.note("\(key): when, for want of a context") }
        return false
    }

    // MARK: Its tests

    private mutating func readExecute() throws(FMFError) {
        for part in try subject.parts("execute") {
            let how = part["how"]?.string ?? "tmt"
            guard how == "tmt" else {
                throw part.wrong("how", "is '\(how)': tests are executed by 'tmt' alone", hint: "choose another plan")
            }
            for entry in part.data.entries {
                guard case .string(let key) = entry.key, !Self.executeKeys.contains(key) else { continue }
                tally.note("execute: \(key)")
            }
            if try part.flag("exit-first") == true { stopsAtFirst = true }
            let scripts = try part.lines("script", wants: "a shell command")
            guard !scripts.isEmpty else { continue }
            let asked = try subject.parts("discover").filter { $0.data.entries.contains { $0.key != .string("how") } }
            guard asked.isEmpty else {
                let hint = "move the scripts to 'discover' as 'how: shell' with 'tests', or take 'discover' out"
                throw part.wrong(
                    "script",
                    "is there beside 'discover', and only one of them names the tests",
                    hint: hint
                )
            }
            var section = Section(duration: Section.scriptDuration)
            for (index, script) in scripts.enumerated() {
                var data = FMFMap()
                data.set(.string("test"), .string(script), at: part.place)
                if let length = part["duration"] { data.set(.string("duration"), length, at: part.place) }
                section.add("/script-\(index < 10 ? "0" : "")\(index)", data)
            }
            sections.append(section)
        }
    }

    private mutating func readDiscover() throws(FMFError) {
        guard sections.isEmpty else { return }
        let parts = try subject.parts("discover")
        let order = parts.indices.sorted {
            (parts[$0].number("order") ?? 50, $0) < (parts[$1].number("order") ?? 50, $1)
        }
        var names: Set<String> = []
        for index in order {
            let part = parts[index]
            let given = part["name"]?.string
            let name = given ?? "default-\(index)"
            guard names.insert(name).inserted else {
                let hint = "each section has a name of its own, which its tests begin with"
                throw part.wrong("name", "is '\(name)', as that of another section", hint: hint)
            }
            guard try isMeant(part, "discover") else { continue }
            var section = try Section(part, &tally)
            if parts.count > 1 || given != nil { section.prefix = "/" + name }
            section.roles = try roles(of: part)
            sections.append(section)
        }
        if parts.isEmpty { sections = [Section()] }
    }

    // MARK: Before and after them

    private mutating func phases(_ key: String) throws(FMFError) -> [Phase] {
        var found: [(order: Double, phase: Phase)] = []
        for part in try subject.parts(key) {
            let how = part["how"]?.string ?? "shell"
            guard try isMeant(part, key) else { continue }
            let machines = try machines(of: part)
            let order = part.number("order") ?? 50
            switch (key, how) {
            case (_, "shell"):
                let scripts = try part.lines("script", wants: "a shell command")
                guard !scripts.isEmpty else {
                    throw part.wrong("script", "is missing: it is a shell command, or a list of them")
                }
                for script in scripts {
                    found.append((order, Phase(step: .script(command(script)), machines: machines)))
                }
            case ("prepare", "install"):
                let packages = try part.packages("package", &tally)
                for key in ["copr", "directory", "exclude"] where part[key] != nil {
                    tally.note("prepare: install: \(key)")
                }
                let isLoose = part["missing"]?.string == "skip"
                let needs = isLoose ? PackageNeeds(recommend: packages) : PackageNeeds(require: packages)
                if !needs.isEmpty { found.append((order, Phase(step: .packages(needs), machines: machines))) }
            default: tally.note("\(key): how: \(how)")
            }
        }
        let order = found.indices.sorted { (found[$0].order, $0) < (found[$1].order, $1) }
        return order.map { found[$0].phase }
    }

    /// A script as a command of a step: in the tree, with the plan's variables, by bash where that is.
    private func command(_ script: String) -> String {
        let quoted = Template.shellQuoted
        let root = subject.tree.root
        let variables = environment.merging(["TMT_TREE": root]) { given, _ in given }
        let exports = variables.sorted { $0.key < $1.key }.map { "export \($0.key)=\(quoted($0.value))\n" }.joined()
        let script = quoted(script)
        return "cd -- \(quoted(root)) || exit 2\n\(exports)"
            + "if command -v bash >/dev/null 2>&1; then bash -eo pipefail -c \(script); else sh -e -c \(script); fi"
    }
}
