import MusterCore

/// Draws small labs and what people ask of them.
struct SimulatedUsers {
    private(set) var labs: [String: [GroupSpec]] = [:]
    private(set) var names: [String]
    private let chance: SimulatedChance
    private var lastToken = 0

    init(chance: SimulatedChance) {
        self.chance = chance
        names = Array(["shop", "bank"].prefix(chance.from(1, to: 2)))
        for name in names { labs[name] = drawGroups() }
    }

    mutating func nextToken() -> String {
        lastToken += 1
        return "t\(lastToken)"
    }

    mutating func drawRun(avoiding inUse: Set<String>, nodes: (String) -> [NodeRow]) -> RunSpec {
        let lab = chance.pick(names.filter { !inUse.contains($0) }) ?? names[chance.below(names.count)]
        // Its file was changed since.
        if chance.oneIn(12) { labs[lab] = drawGroups() }
        let groups = labs[lab] ?? []
        let verb: Verb =
            switch chance.below(20) {
            case 0..<10: .test
            case 10..<14: .up
            case 14..<17: .down
            default: .exec
            }
        var spec = RunSpec(verb: verb, lab: lab, labDirectory: "/lab")
        spec.parallel = chance.oneIn(2) ? chance.from(1, to: 4) : 64
        switch verb {
        case .up:
            // Groups need only groups before them.
            spec.groups = Array(groups.prefix(chance.from(1, to: groups.count)))
            spec.keep = chance.oneIn(3) ? .onFailure : .always
        case .test:
            spec.groups = groups
            for index in 0..<chance.from(1, to: 2) { spec.suites.append(drawSuite(index, groups)) }
            spec.keep = [.never, .never, .onFailure, .always][chance.below(4)]
            spec.flakyFails = chance.oneIn(6)
        case .down:
            if chance.oneIn(3) { spec.downGroups = groups.filter { _ in chance.oneIn(2) }.map(\.name) }
        case .exec:
            var names = nodes(lab).filter { $0.state == .ready || chance.oneIn(8) }.map(\.name)
            var seen: Set<NodeName> = []
            names = Array(names.filter { seen.insert($0).inserted }.prefix(chance.from(1, to: 3)))
            if names.isEmpty { names = [NodeName(group: "db", index: 0)] }
            spec.exec = ExecSpec(nodes: names, arguments: ["true"], timeout: .seconds(60))
        case .plan, .reboot, .power, .provision: break
        }
        return spec
    }

    /// A graph of steps that do nothing, as a program would build it.
    mutating func drawPlan() -> PlanSubmission {
        var steps: [PlanSubmission.Step] = []
        for index in 0..<chance.from(1, to: 10) {
            let needs = (0..<index).filter { _ in chance.oneIn(4) }.map { StepIndex($0) }
            var spec = StepSpec(chance.oneIn(8) ? .barrier : .noop)
            if !needs.isEmpty, chance.oneIn(6) { spec.threshold = Int32(chance.from(1, to: needs.count)) }
            steps.append(PlanSubmission.Step(spec, needs: needs))
        }
        var spec = RunSpec(verb: .plan, lab: "program", labDirectory: "/lab")
        spec.parallel = chance.from(1, to: 4)
        return PlanSubmission(token: nextToken(), spec: spec, steps: steps)
    }

    // MARK: Labs

    private func drawGroups() -> [GroupSpec] {
        var groups: [GroupSpec] = []
        for name in ["db", "app", "web", "edge"].prefix(chance.from(1, to: 4)) {
            groups.append(drawGroup(name, after: groups))
        }
        return groups
    }

    private func drawGroup(_ name: String, after groups: [GroupSpec]) -> GroupSpec {
        var group = GroupSpec(name: name)
        for needed in groups where chance.oneIn(2) {
            let wantsSome = needed.hasNodes && chance.oneIn(3)
            group.needs.append(Need(group: needed.name, ready: wantsSome ? chance.from(1, to: needed.count) : nil))
        }
        if chance.oneIn(10) { return group }
        group.count = chance.from(1, to: 3)
        group.onFailure = FailurePolicy.allCases[chance.below(FailurePolicy.allCases.count)]
        group.steps = [ProvisionStep(.process(run: Template("./server")))]
        for number in 0..<chance.below(3) {
            group.steps.append(
                ProvisionStep(
                    chance.oneIn(4)
                        ? .files([FileSpec(source: .text(Template("text")), to: "file-\(number)")])
                        : .run(Template("./setup-\(number)"))
                )
            )
        }
        for index in group.steps.indices {
            if chance.oneIn(2) { group.steps[index].undo = Template("./undo-\(index)") }
            if chance.oneIn(6) { group.steps[index].onFailure = FailurePolicy.allCases[chance.below(4)] }
            group.steps[index].retry = RetryPolicy(times: chance.below(3), every: .seconds(1), backoff: 2)
        }
        if chance.oneIn(2) { group.ready = [ReadyCondition(.tcp(port: 80))] }
        return group
    }

    private func drawSuite(_ index: Int, _ groups: [GroupSpec]) -> SuiteSpec {
        var suite = SuiteSpec(name: ["api", "gui"][index], group: groups[chance.below(groups.count)].name)
        for name in ["a", "b", "c", "d"].prefix(chance.from(1, to: 4)) {
            var test = TestSpec(name: name, command: .file("tests/\(name).sh"))
            test.destructive = chance.oneIn(7)
            test.priority = Int64(chance.below(3))
            suite.tests.append(test)
        }
        suite.reruns = chance.below(3)
        for group in groups where group.name != suite.group && chance.oneIn(4) {
            suite.needs.append(Need(group: group.name))
        }
        if chance.oneIn(3) { suite.before = Template("./before") }
        if chance.oneIn(3) { suite.after = Template("./after") }
        return suite
    }
}
