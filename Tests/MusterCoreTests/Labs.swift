import MusterCore
import MusterTestKit
import Testing

// Short ways to write the requests that tests hand to a Director.

/// A group whose nodes are made by one `process` step, followed by `runs` commands.
func group(
    _ name: String,
    _ count: Int = 1,
    needs: [Need] = [],
    runs: Int = 0,
    ready: Bool = false,
    undo: Bool = false,
    onFailure: FailurePolicy = .fail,
    retry: RetryPolicy = .none
) -> GroupSpec {
    var group = GroupSpec(name: name, count: count)
    group.needs = needs
    group.onFailure = onFailure
    group.steps = [ProvisionStep(.process(run: Template("./server")))]
    for number in 0..<runs { group.steps.append(ProvisionStep(.run(Template("./setup-\(number)")))) }
    for i in group.steps.indices {
        group.steps[i].retry = retry
        if undo { group.steps[i].undo = Template("./undo-\(i)") }
    }
    if ready { group.ready = [ReadyCondition(.tcp(port: 80))] }
    return group
}

/// A group without machines.
func gate(_ name: String, needs: [Need]) -> GroupSpec {
    var group = GroupSpec(name: name)
    group.needs = needs
    return group
}

func needs(_ groups: String...) -> [Need] { groups.map { Need(group: $0) } }

/// Tests whose names begin with `bang` are destructive.
func suite(
    _ name: String,
    on group: String,
    _ tests: [String],
    reruns: Int = 0,
    needs: [Need] = [],
    before: Bool = false,
    after: Bool = false
) -> SuiteSpec {
    var suite = SuiteSpec(name: name, group: group)
    suite.tests = tests.map { test in
        var spec = TestSpec(name: test, command: .file("tests/\(test).sh"))
        spec.destructive = test.hasPrefix("bang")
        return spec
    }
    suite.reruns = reruns
    suite.needs = needs
    if before { suite.before = Template("./before") }
    if after { suite.after = Template("./after") }
    return suite
}

func run(
    _ verb: Verb,
    _ groups: [GroupSpec] = [],
    _ suites: [SuiteSpec] = [],
    keep: Keep? = nil,
    parallel: Int = 64
) -> RunSpec {
    var spec = RunSpec(verb: verb, lab: "lab", labDirectory: "/lab")
    spec.groups = groups
    spec.suites = suites
    spec.parallel = parallel
    if let keep { spec.keep = keep }
    return spec
}

func down(_ groups: String...) -> RunSpec {
    var spec = run(.down)
    spec.downGroups = groups
    return spec
}

func exec(_ nodes: String...) -> RunSpec {
    var spec = run(.exec)
    spec.exec = ExecSpec(nodes: nodes.compactMap { NodeName($0) }, arguments: ["true"], timeout: .seconds(60))
    return spec
}

extension DirectorHarness {
    /// Asks for a run that is not refused.
    mutating func begin(_ spec: RunSpec, sourceLocation: SourceLocation = #_sourceLocation) throws -> PlanID {
        let id = submit(spec)
        return try #require(id, sourceLocation: sourceLocation)
    }

    /// Fails the test when the Director did something that no Director may do.
    func expectSound(_ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(violations == [], comment, sourceLocation: sourceLocation)
    }
}

/// A test on several nodes at once: `server:1 client:2@ext` are its roles.
func team(_ name: String, _ roles: String, destructive: Bool = false) -> TestSpec {
    var test = TestSpec(name: name, command: .file("tests/\(name).sh"))
    test.destructive = destructive
    test.roles = roles.split(separator: " ").map { role in
        let parts = role.split(separator: "@").map(String.init)
        let words = parts[0].split(separator: ":").map(String.init)
        return TestRole(name: words[0], count: Int(words.last ?? "") ?? 1, on: parts.count > 1 ? parts[1] : nil)
    }
    return test
}
