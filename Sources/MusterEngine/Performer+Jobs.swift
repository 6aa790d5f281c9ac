import MusterCore
import MusterDrivers

/// What acts need, put together on the conductor's thread.
extension Performer {
    /// An act with everything it needs, so that it can leave the conductor's thread.
    struct Job: Sendable {
        enum Work: Sendable {
            case create(server: Command?)
            case run(Command)
            /// It was begun by another conductor: only its end is waited for.
            case attach
            case put([FileContent])
            case fill(TemplateFilling)
            case play(Play)
            case ready([ReadyCondition], commands: [Int: Command])
            /// What is done to the node as a whole, and how it is known that it is up after it.
            case perform(Capability, [Part], NodeCommander.Readying)
            case destroy
        }
        /// A part of what puts a node's system on it.
        enum Part: Sendable {
            case put([FileContent])
            case fill(TemplateFilling)
            case play(Play)
            case start
            case run(Command)
        }
        let work: Work
        /// Of an attempt of a test: what it has said of itself.
        let findings: FindingsReader?
        /// Of a test on several nodes: its place among the others.
        let seat: TeamDesk.Seat?
        let node: NodeHandle
        let operation: OperationID
        let key: Key
    }

    func makeJob(
        _ act: Act,
        with director: borrowing Director,
        for tenure: Tenure
    ) throws(StepError) -> Job {
        guard let node = act.node.flatMap({ director.node($0) }) else {
            throw Self.nodeIsGone
        }
        guard let own = director.spec(act.step.plan), let creator = director.spec(node.createdBy) else {
            throw StepError(.lost, "the request it belongs to is not there any more")
        }
        let spec = act.spec.action.usesCreatorsRequest ? creator : own
        let builder = builder(for: node, spec, run: act.step.plan, with: director)
        var handle = handle(for: node, tenure)
        handle.machine = creator.groups.first { $0.name == node.name.group }?.machine
        let team = team(of: act, own, with: director)
        let work: Job.Work = act.isInDoubt ? .attach : try work(for: act, builder, team)
        return Job(
            work: work,
            findings: findings(of: act, builder, at: handle, begins: work),
            seat: team.map { seat($0, of: act, own, handle) },
            node: act.isInDoubt ? place(of: act, handle, creator) : handle,
            operation: operation(of: act),
            key: Key(step: act.step, number: act.number)
        )
    }

    /// What reads what a test has said of itself; nil of all but attempts.
    ///
    /// - Parameter work: what is begun with it; nil where it was begun by another conductor.
    private func findings(
        of act: Act,
        _ builder: CommandBuilder,
        at node: NodeHandle,
        begins work: Job.Work?
    ) -> FindingsReader? {
        guard act.spec.runsTest, builder.spec.suites.indices.contains(Int(act.spec.a)) else { return nil }
        let suite = builder.spec.suites[Int(act.spec.a)]
        let test = suite.tests[Int(act.spec.b)]
        var command: Command?
        if case .run(let begun)? = work { command = begun }
        // Its secrets may not be there any more: then nothing can be told from them either.
        command = command ?? (try? builder.test(Int(act.spec.b), in: suite, attempt: Int(act.spec.c), restarts: 0))
        return FindingsReader(
            drivers.of(node),
            node,
            operations: earlierStarts(of: act, at: builder) + [operation(of: act)],
            frame: test.frame,
            timeout: test.timeout,
            secrets: (command.map { Array($0.secrets.values) + Array($0.masked) }) ?? []
        )
    }

    /// The tries of an act that came to an end on its node: one that a secret was missing for never began.
    private func earlierStarts(of act: Act, at builder: CommandBuilder) -> [OperationID] {
        (1..<max(1, act.number)).map { number in
            OperationID(state: settings.stateName, step: act.step, attempt: Int(number))
        }.filter { OperationRecord.exit(of: $0, in: builder.directory) != nil }
    }

    /// The same of an act that was begun by a conductor that is gone.
    func findings(
        of act: Act,
        at node: NodeRow,
        with director: borrowing Director,
        for tenure: Tenure
    ) -> FindingsReader? {
        guard act.spec.runsTest, let spec = director.spec(act.step.plan) else { return nil }
        let builder = builder(for: node, spec, run: act.step.plan, with: director)
        return findings(of: act, builder, at: handle(for: node, tenure), begins: nil)
    }

    private func builder(
        for node: NodeRow,
        _ spec: RunSpec,
        run: PlanID,
        with director: borrowing Director
    ) -> CommandBuilder {
        let lab = node.lab
        let known = copy director
        return CommandBuilder(
            run: RunName(run),
            spec: spec,
            node: node,
            directory: settings.state.node(node),
            isRemote: !drivers.sharesFiles(node.driver),
            archive: FileArchive(settings.state),
            surroundings: settings.surroundings,
            find: { known.node(lab: lab, $0) }
        )
    }

    /// How it is known that a node is up: as when it was made.
    func readying(_ node: NodeRow, with director: borrowing Director) -> NodeCommander.Readying {
        let none = NodeCommander.Readying(conditions: [], commands: [:])
        guard let spec = director.spec(node.createdBy),
            let group = spec.groups.first(where: { $0.name == node.name.group })
        else { return none }
        let builder = builder(for: node, spec, run: node.createdBy, with: director)
        return (try? NodeCommander.Readying(conditions: group.ready, commands: commands(group.ready, builder))) ?? none
    }

    /// A node is deployed by the steps that its group is provisioned with.
    private func parts(of capability: Capability, _ builder: CommandBuilder) throws(StepError) -> [Job.Part] {
        guard capability == .deploy, let group = group(of: builder) else { return [.start] }
        var parts: [Job.Part] = []
        for step in group.steps {
            switch step.kind {
            case .process, .machine: parts.append(.start)
            case .files(let files): parts.append(.put(try builder.files(files)))
            case .run(let template):
                parts.append(.run(try builder.shell(template, timeout: step.timeout, leftovers: .keep)))
            case .template(let template): parts.append(.fill(try builder.filling(template)))
            case .script(let script): parts.append(.run(try builder.script(script, timeout: step.timeout)))
            case .ansible(let play): parts.append(.play(try builder.play(play, timeout: step.timeout)))
            }
        }
        return parts
    }

    private func readying(
        after capability: Capability,
        _ builder: CommandBuilder
    ) throws(StepError) -> NodeCommander.Readying {
        switch capability {
        case .deploy, .adopt, .unrescue:
            let conditions = group(of: builder)?.ready ?? []
            return NodeCommander.Readying(conditions: conditions, commands: try commands(conditions, builder))
        case .verify, .inspect, .clean, .tearDown, .rescue, .service:
            return NodeCommander.Readying(conditions: [], commands: [:])
        }
    }

    private func group(of builder: CommandBuilder) -> GroupSpec? {
        builder.spec.groups.first { $0.name == builder.node.name.group }
    }

    private func commands(
        _ conditions: [ReadyCondition],
        _ builder: CommandBuilder
    ) throws(StepError) -> [Int: Command] {
        var commands: [Int: Command] = [:]
        for (index, condition) in conditions.enumerated() {
            guard case .run(let template) = condition.probe else { continue }
            commands[index] = try builder.shell(template, timeout: condition.within, leftovers: .end)
        }
        return commands
    }

    private func work(for act: Act, _ builder: CommandBuilder, _ team: TestTeam?) throws(StepError) -> Job.Work {
        let a = Int(act.spec.a)
        let spec = builder.spec
        switch act.spec.action {
        case .provision:
            let step = spec.groups[a].steps[Int(act.spec.b)]
            switch step.kind {
            case .process(let template), .machine(_, let template):
                guard let template else { return .create(server: nil) }
                return .create(server: try builder.shell(template, timeout: nil, leftovers: .keep))
            case .run(let template):
                return .run(try builder.shell(template, timeout: step.timeout, leftovers: .keep))
            case .files(let files): return .put(try builder.files(files))
            case .template(let template): return .fill(try builder.filling(template))
            case .script(let script): return .run(try builder.script(script, timeout: step.timeout))
            case .ansible(let play): return .play(try builder.play(play, timeout: step.timeout))
            }
        case .ready:
            let conditions = spec.groups[a].ready
            return .ready(conditions, commands: try commands(conditions, builder))
        case .undo:
            let step = spec.groups[a].steps[Int(act.spec.b)]
            guard let undo = step.undo else { throw StepError(.unresolved, "there is nothing to undo") }
            return .run(try builder.shell(undo, timeout: step.timeout, leftovers: .end))
        case .destroy: return .destroy
        case .before, .after:
            let suite = spec.suites[a]
            guard let template = act.spec.action == .before ? suite.before : suite.after else {
                throw StepError(.unresolved, "there is nothing to run")
            }
            return .run(
                try builder.shell(template, timeout: Defaults.stepTimeout, leftovers: .keep, suite: suite)
            )
        case .attempt, .member:
            let suite = spec.suites[a]
            let restarts = earlierStarts(of: act, at: builder).count
            return .run(
                try builder.test(
                    Int(act.spec.b),
                    in: suite,
                    attempt: Int(act.spec.c),
                    restarts: restarts,
                    team: team
                )
            )
        case .exec:
            guard let exec = spec.exec else { throw StepError(.unresolved, "there is nothing to run") }
            return .run(try builder.exec(exec))
        case .capability:
            guard let capability = Capability(number: act.spec.b) else {
                throw StepError(.unresolved, "there is nothing to do")
            }
            return .perform(capability, try parts(of: capability, builder), try readying(after: capability, builder))
        case .barrier, .noop, .call, .finalize, .revert, .command, .pause:
            throw StepError(.unresolved, "such a step is not performed")
        }
    }
}

extension ActionKind {
    /// Whether the lab as it was when the node was made says what to do, and not the lab of the present run.
    var usesCreatorsRequest: Bool {
        switch self {
        case .provision, .ready, .undo, .destroy, .capability: true
        case .barrier, .noop, .before, .after, .attempt, .member, .exec, .call, .finalize, .revert, .command, .pause:
            false
        }
    }
}
