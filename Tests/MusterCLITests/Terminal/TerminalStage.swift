import MusterCore

@testable import MusterCLI

/// A run decided by the real Director, on scripted machines and virtual time: rows and events are what a store would
/// hold.
struct TerminalStage {
    /// What each act takes and comes to, by its label as people see it (`app/2:2 run: ./setup.sh`) and its try.
    typealias Script = (_ label: String, _ number: Int32) -> (Duration, ActOutcome)

    static let begin = Timestamp(rawValue: 1_800_000_000_000_000)

    private(set) var progress: RunProgress
    private(set) var log: LineLog
    /// Every line that the log gave, heartbeats too.
    private(set) var lines: [String] = []
    private(set) var now = Self.begin
    private(set) var plan = PlanID(0)
    let spec: RunSpec
    private var director: Director
    private let script: Script
    private var pending: [(at: Timestamp, act: Act, outcome: ActOutcome)] = []
    private var losses: [(at: Timestamp, name: NodeName, reason: String)] = []
    private var plans: [PlanID: PlanRow] = [:]
    private var steps: [StepRow] = []
    private var nodes: [NodeID: NodeRow] = [:]
    private var attempts: [AttemptRow] = []

    init(_ spec: RunSpec, after earlier: TerminalStage? = nil, style: TerminalStyle = .plain, script: @escaping Script)
    {
        self.spec = spec
        self.script = script
        progress = RunProgress(spec: spec)
        log = LineLog(style: style)
        director = earlier?.director ?? Director(Snapshot(), host: "here", seed: 7)
        nodes = earlier?.nodes ?? [:]
        now = earlier?.now ?? Self.begin
        turn { director, turn in
            let request = Request.submit(token: "t\(turn.now.rawValue)", spec: spec)
            director.handle(.requested(RequestRow(id: 1, request: request)), into: &turn)
        }
    }

    mutating func lose(_ name: NodeName, after length: Duration, reason: String) {
        losses.append((Self.begin + length, name, reason))
    }

    mutating func ask(_ request: Request) {
        turn { director, turn in director.handle(.requested(RequestRow(id: 1, request: request)), into: &turn) }
    }

    /// Lets everything happen that happens until so long after the beginning.
    mutating func run(until length: Duration) {
        let end = Self.begin + length
        while let next = nextTime(), next <= end { happen(at: next) }
        now = max(now, end)
        progress.now = now
    }

    /// Lets everything happen; at most a day's worth.
    mutating func runToEnd() {
        while let next = nextTime(), next < Self.begin + .seconds(86_400) { happen(at: next) }
    }

    private mutating func nextTime() -> Timestamp? {
        let heartbeat = pending.isEmpty ? nil : log.heartbeatDue
        let times = pending.map(\.at) + losses.map(\.at) + [director.nextDue(), heartbeat].compactMap { $0 }
        return times.min()
    }

    private mutating func happen(at time: Timestamp) {
        now = max(now, time)
        if let beat = log.heartbeat(now: now) { lines.append(beat) }
        let due = pending.filter { $0.at <= now }
        pending.removeAll { $0.at <= now }
        let lost = losses.filter { $0.at <= now }
        losses.removeAll { $0.at <= now }
        guard !due.isEmpty || !lost.isEmpty || director.nextDue().map({ $0 <= now }) == true else { return }
        let lab = spec.lab
        turn { director, turn in
            for entry in due { director.handle(.actEnded(entry.act, entry.outcome), into: &turn) }
            for entry in lost {
                guard let node = director.node(lab: lab, entry.name) else { continue }
                director.handle(.nodeLost(node.id, reason: entry.reason), into: &turn)
            }
            director.handle(.woke, into: &turn)
        }
    }

    private mutating func turn(_ body: (inout Director, inout Turn) -> Void) {
        var turn = Turn(now: now, epoch: 1)
        body(&director, &turn)
        director.close(&turn)
        for row in turn.plans {
            plans[row.id] = row
            if turn.newSpecs[row.id] == spec { plan = row.id }
        }
        for row in turn.steps where row.plan == plan {
            if row.isNew { steps.append(row) } else { steps[Int(row.index)].change(to: row) }
        }
        for row in turn.nodes { nodes[row.id] = row }
        attempts += turn.attempts.filter { $0.plan == plan }
        for directive in turn.directives { take(directive) }
        guard let row = plans[plan] else { return }
        progress.update(
            plan: row,
            steps: steps,
            nodes: nodes.values.sorted { $0.id < $1.id },
            attempts: attempts,
            now: now
        )
        lines += log.lines(for: turn.events, progress: progress, now: now)
    }

    private mutating func take(_ directive: Directive) {
        switch directive {
        case .watch, .inquire, .survey, .call, .cancelCall, .inquireCall, .plan, .lookUp, .node, .errand: break
        case .perform(let act):
            let (length, outcome) = script(director.run(act.step.plan)?.label(of: act.step.index) ?? "", act.number)
            pending.append((now + length, act, outcome))
        case .interrupt(let act):
            guard let index = pending.firstIndex(where: { $0.act.step == act.step }) else { return }
            let exit = ProcessExit(signal: 15, interrupted: true, startedAt: now, endedAt: now)
            pending[index] = (now + .milliseconds(200), act, .exited(exit))
        }
    }
}

extension StepRow {
    fileprivate mutating func change(to row: StepRow) {
        state = row.state
        tries = row.tries
        resource = row.resource
        error = row.error
        startedAt = row.startedAt
        endedAt = row.endedAt
    }
}

extension ActOutcome {
    static var done: ActOutcome { .succeeded(facts: [:]) }

    static func exit(_ status: Int) -> ActOutcome {
        .exited(ProcessExit(status: status, startedAt: TerminalStage.begin, endedAt: TerminalStage.begin))
    }
}

/// The lab of the screens.
enum TerminalLab {
    static func shop(_ verb: Verb, keep: Keep? = nil) -> RunSpec {
        var spec = RunSpec(verb: verb, lab: "shop", labDirectory: "/lab")
        var db = GroupSpec(name: "db")
        db.steps = [ProvisionStep(.process(run: Template("./fake-db")))]
        db.ready = [ReadyCondition(.tcp(port: 5555), within: .seconds(30))]
        var cache = GroupSpec(name: "cache")
        cache.steps = [ProvisionStep(.process(run: Template("./fake-cache")))]
        var app = GroupSpec(name: "app", count: 3)
        app.needs = [Need(group: "db"), Need(group: "cache")]
        var setup = ProvisionStep(.run(Template("./setup.sh --db ${db.0.address}")))
        setup.timeout = .seconds(120)
        setup.retry = RetryPolicy(times: 1, every: .seconds(2))
        app.steps = [ProvisionStep(.process(run: Template("./app"))), setup]
        app.ready = [ReadyCondition(.http(port: 8080, path: "/healthz"))]
        app.onFailure = .replace
        var web = GroupSpec(name: "web")
        web.needs = [Need(group: "app", ready: 2)]
        web.steps = [ProvisionStep(.process(run: Template("./web")))]
        spec.groups = [db, cache, app, web]
        if let keep { spec.keep = keep }
        return spec
    }

    static func shopTests(keep: Keep? = nil) -> RunSpec {
        var spec = shop(.test, keep: keep)
        var api = SuiteSpec(name: "api", group: "app")
        api.needs = [Need(group: "web")]
        api.reruns = 1
        let names = [
            "auth/ciphers", "login", "logout", "cart/add", "cart/remove", "orders/list", "orders/upgrade-all-of-them",
            "search",
        ]
        api.tests = names.map { TestSpec(name: $0, command: .file("tests/\($0).sh")) }
        api.tests[6].destructive = true
        spec.suites = [api]
        return spec
    }

    /// Coming up: one step fails twice on `app/2`, which is replaced.
    static func comesUp(_ label: String, _ number: Int32) -> (Duration, ActOutcome)? {
        switch label {
        case "db/0:1 process: ./fake-db": (.milliseconds(900), .done)
        case "db/0 readiness": (.milliseconds(10_300), .done)
        case "cache/0:1 process: ./fake-cache": (.milliseconds(3400), .done)
        case "app/0 readiness": (.milliseconds(2100), .done)
        case "app/1 readiness": (.milliseconds(45_000), .done)
        case "web/0:1 process: ./web": (.milliseconds(1200), .done)
        default: label.contains("//") || label.contains("app/2:2") ? nil : (.milliseconds(400), .done)
        }
    }

    static func failingTwice() -> TerminalStage.Script {
        var failures = 0
        return { label, number in
            if let known = comesUp(label, number) { return known }
            failures += 1
            return (.milliseconds(1500), failures <= 2 ? .exit(1) : .done)
        }
    }

    /// Tests: one fails for good, one is flaky, one uses up its node, one is long.
    static func tested(_ label: String, _ number: Int32) -> (Duration, ActOutcome) {
        if label.contains("//") {
            if label.contains("ciphers") { return (.milliseconds(2300), .exit(1)) }
            if label.contains("logout#1") { return (.milliseconds(700), .exit(3)) }
            if label.contains("search") { return (.milliseconds(1), .exit(77)) }
            if label.contains("cart/add") { return (.seconds(52), .exit(0)) }
            return (.milliseconds(1800), .exit(0))
        }
        return (.milliseconds(500), .done)
    }
}
