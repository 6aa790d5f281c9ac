import MusterCore
import MusterStore

extension StoreConformance {
    /// A conductor that only writes: it numbers its events and remembers its epoch.
    struct Writer {
        let store: any Store
        var term: Term
        /// The position of the newest event, as far as nobody else writes.
        var lastEvent: Int64
        /// Events of the term so far.
        var written: Int64 = 0
        var now = Timestamp(rawValue: 1_700_000_000_000_000)

        init(_ store: any Store, host: String = "host") throws {
            self.store = store
            term = Term(conductor: .sole, epoch: try store.register(host: host, pid: 4711, now: now))
            lastEvent = try store.position()
        }

        /// One of several.
        init(joining store: any Store, host: String = "host", lease: Duration = .seconds(5)) throws {
            self.store = store
            term = try store.join(host: host, pid: 4711, lease: lease)
            lastEvent = try store.position()
        }

        var epoch: Epoch { term.epoch }

        /// - Parameter asIs: otherwise plans that are not there get a request.
        mutating func commit(asIs: Bool = false, _ fill: (inout Turn) -> Void) throws(StoreError) {
            now = now + .milliseconds(1)
            var turn = Turn(now: now, term: term)
            fill(&turn)
            for plan in turn.plans where !asIs && turn.newSpecs[plan.id] == nil {
                if try store.plan(plan.id) == nil { turn.newSpecs[plan.id] = Sample.spec(lab: plan.lab) }
            }
            let newest = try store.commit(turn)
            lastEvent = newest ?? lastEvent
            written += Int64(turn.events.count)
        }

        /// Events of these kinds, one after the other.
        func events(_ kinds: [EventRow.Kind], plan: PlanID? = nil) -> [EventRow] {
            kinds.enumerated().map { place, kind in
                EventRow(
                    position: lastEvent + 1 + Int64(place),
                    epoch: epoch,
                    number: written + 1 + Int64(place),
                    at: now,
                    kind: kind,
                    plan: plan
                )
            }
        }
    }
}

extension StoreConformance {
    /// Rows to write, with every column told from its default.
    enum Sample {
        static let text = "Grüße, 世界 — 'quoted' \"double\" \\ \t 🧪\nsecond line\u{0}after a zero"
        static let at = Timestamp(rawValue: 1_700_000_000_123_456)

        static func plan(
            _ number: Int64,
            lab: String = "shop",
            state: PlanState = .running,
            request: String? = nil
        ) -> PlanRow {
            var row = PlanRow(
                id: PlanID(number),
                request: request ?? "request-\(number)",
                verb: .test,
                lab: lab,
                host: "host",
                epoch: 1,
                createdAt: at
            )
            row.state = state
            return row
        }

        static func spec(lab: String = "shop") -> RunSpec {
            var spec = RunSpec(verb: .test, lab: lab, labFile: "läb.yaml", labDirectory: "/a b/c")
            var group = GroupSpec(name: "db", count: 3)
            group.needs = [Need(group: "base", ready: 2)]
            var step = ProvisionStep(.process(run: Template(segments: [.literal(text), .secret("token")])))
            step.timeout = .milliseconds(1_500)
            step.retry = RetryPolicy(times: 3, every: .milliseconds(250), backoff: 1.5)
            step.undo = Template(segments: [.node(NodeName(group: "db", index: 1), field: "address")])
            step.onFailure = .replace
            group.steps = [
                step, ProvisionStep(.run(Template("true"))),
                ProvisionStep(.files([FileSpec(source: .text(Template("a")), to: "b", mode: 0o600)])),
            ]
            group.ready = [ReadyCondition(.http(port: 80, path: "/x"), within: .seconds(3))]
            spec.groups = [group]
            var suite = SuiteSpec(name: "api", group: "db")
            suite.tests = [TestSpec(name: "tests/ä", command: .file("tests/ä.sh"))]
            suite.before = Template("echo")
            spec.suites = [suite]
            spec.files = [LabFile(path: "tests/ä.sh", hash: "00ff")]
            spec.exec = ExecSpec(nodes: [NodeName(group: "db", index: 0)], arguments: ["a", ""], timeout: .seconds(1))
            spec.resultsDirectory = "/r"
            spec.downGroups = ["db"]
            return spec
        }

        static func step(
            _ plan: Int64,
            _ index: StepIndex,
            needs: [StepIndex] = [],
            state: StepState = .pending
        ) -> StepRow {
            StepRow(plan: PlanID(plan), index: index, isNew: true, spec: StepSpec(.noop), needs: needs, state: state)
        }

        static func node(
            _ number: Int64,
            createdBy plan: Int64 = 1,
            state: NodeState = .ready,
            lab: String = "shop"
        ) -> NodeRow {
            NodeRow(
                id: NodeID(number),
                lab: lab,
                name: NodeName(group: "db", index: Int(number)),
                driver: "process",
                state: state,
                createdBy: PlanID(plan),
                heldBy: nil,
                since: at
            )
        }

        static func attempt(
            _ plan: Int64,
            step: StepIndex,
            test: String,
            number: Int = 1,
            outcome: Outcome = .pass,
            milliseconds: Int64 = 10,
            at end: Int64 = 1_000_000
        ) -> AttemptRow {
            AttemptRow(
                plan: PlanID(plan),
                step: step,
                suite: "api",
                test: test,
                number: number,
                outcome: outcome,
                startedAt: Timestamp(rawValue: end - milliseconds * 1_000),
                endedAt: Timestamp(rawValue: end)
            )
        }
    }
}
