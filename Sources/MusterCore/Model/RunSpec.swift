/// What a run is to do, as its user asked: the lab's groups and suites with every value resolved that can be.
///
/// It is written once, with the plan, as JSON; a resumed run uses it and not the lab file. Groups stand in an order in
/// which each comes after all it needs. It holds templates, not steps: a lab of 100,000 nodes is as small as one of
/// ten.
package struct RunSpec: Hashable, Sendable, Codable {
    package var verb: Verb
    package var lab: String
    /// The lab file as the user named it, for messages.
    package var labFile: String
    /// Absolute path of the folder of the lab file: what `./` in it means.
    package var labDirectory: String
    package var groups: [GroupSpec]
    package var suites: [SuiteSpec]
    package var keep: Keep
    /// How many steps may run at once; 1 is serial.
    package var parallel: Int
    /// Absolute path of the folder that gets `<run>/` and `latest`; nil when nothing is written.
    package var resultsDirectory: String?
    package var resultFormats: [ResultFormat]
    /// Formats that are written under a further name; nil for none.
    package var resultFiles: [ResultFile]?
    /// Files of the lab that this run uses, with the hash under which a copy is kept.
    package var files: [LabFile]
    /// The trees of fmf that machines elsewhere need, by their absolute paths, each as an archive; nil for none.
    package var trees: [LabFile]?
    /// Where the libraries are that its tests import; nil for none.
    package var libraries: [LibrarySet]?
    /// A command for `exec`, and the nodes it runs on.
    package var exec: ExecSpec?
    /// What is done to nodes as a whole by `reboot`, `power` and `provision`.
    package var order: NodeOrder?
    /// What a `down` takes down; empty means everything.
    package var downGroups: [String]
    /// How a `down` goes about it; nil: what something depends on does not go, and no error is passed over.
    package var downOptions: DownOptions?
    /// What an `up` takes away of what is there, because the lab has changed; nil for nothing.
    package var changes: RunChanges?
    /// Whether flaky tests count as failure (exit 6).
    package var flakyFails: Bool
    /// The mode table of its nodes; nil leaves the lab's as it is.
    package var modes: ModeSet?
    /// Where notifications of its nodes go; nil leaves it as it is.
    package var notify: [NoticeSink]?
    /// How long after it was asked for its lab is to be gone, whatever happens; nil when it may stay.
    package var lifetime: Duration?
    /// When that is: set when the run begins.
    package var expiresAt: Timestamp?
    /// What a plan of a program's actions is decided with; nil for everything else.
    package var program: ProgramSpec?

    package init(verb: Verb, lab: String, labFile: String = "lab.yaml", labDirectory: String) {
        self.verb = verb
        self.lab = lab
        self.labFile = labFile
        self.labDirectory = labDirectory
        groups = []
        suites = []
        keep = verb == .test ? .never : .always
        parallel = RunSpec.parallelDefault
        resultsDirectory = nil
        resultFormats = ResultFormat.standard
        files = []
        exec = nil
        downGroups = []
        flakyFails = false
    }

    package static let parallelDefault = 64
}

/// What kind of run it is: the command that asked for it, or a plan of steps that a program has built.
package enum Verb: String, Hashable, Sendable, Codable, CaseIterable {
    case up, test, down, exec, plan, reboot, power, provision
}

package enum ResultFormat: String, Hashable, Sendable, Codable, CaseIterable {
    case jsonl, junit, tap, html
    /// The shape of tmt's `results.yaml`.
    case tmt
    /// The JSON lines of ATEX: six columns.
    case atex
    /// The same in a file of gzip.
    case atexGzip = "atex-gzip"

    /// What is written where nothing else is asked for; the others are for those who have programs that read them.
    package static let standard: [ResultFormat] = [.jsonl, .junit, .tap, .html]
}

/// A group of nodes of one kind.
package struct GroupSpec: Hashable, Sendable, Codable {
    package var name: String
    package var count: Int
    package var needs: [Need]
    /// In the order of the file: creating kinds first, configuring kinds after. A group without steps is a barrier.
    package var steps: [ProvisionStep]
    package var ready: [ReadyCondition]
    package var onFailure: FailurePolicy
    /// The mode in which its nodes begin; nil for the first of the table.
    package var mode: String?
    /// What it means for a run when one of its nodes cannot be rebooted; nil stands for `fatal`.
    package var failureAction: FailureAction?
    /// How many setups of its nodes may fail in all, replacements counted, before the group has failed; nil for any
    /// number.
    package var failedSetupsMax: Int?
    /// When a place of it is left alone for a while; nil for never.
    package var quarantine: Quarantine?
    /// Nodes besides `count` that a run of tests keeps ready to stand in for others; nil for none.
    package var spares: Int?
    /// Further places, behind those of the spares, that get a node only when tests wait for more than there are; nil
    /// for none.
    package var standby: Int?
    /// Where the group is declared, for messages: `lab.yaml:12`.
    package var place: String

    package init(name: String, count: Int = 1) {
        self.name = name
        self.count = count
        needs = []
        steps = []
        ready = []
        onFailure = .fail
        place = ""
    }

    /// What its creating step asks of its driver; nil for nodes of the `process` driver, and where there are none.
    package var machine: Machine? {
        for step in steps { if case .machine(let machine, _) = step.kind { return machine } }
        return nil
    }

    /// Whether the group has machines: some creating step. Otherwise it only orders other groups.
    package var hasNodes: Bool { steps.contains { $0.kind.creates } }

    /// How many nodes a run has of it at once at most, with spares.
    package var places: Int { hasNodes ? count + (spares ?? 0) + (standby ?? 0) : 0 }

    /// Whether a place is for a node that only stands in for others.
    package func isSpare(_ slot: Int) -> Bool { slot >= count && !isStandby(slot) }

    /// Whether a place is one that a run leaves empty at first.
    package func isStandby(_ slot: Int) -> Bool { slot >= count + (spares ?? 0) }
}

/// When a place in a group gets no further node for a while: it may be a bad host that fails all that is made there.
package struct Quarantine: Hashable, Sendable, Codable {
    /// After so many nodes of the place whose setup has failed, or that were lost.
    package var after: Int
    package var length: Duration

    package init(after: Int, length: Duration) {
        self.after = after
        self.length = length
    }
}

/// One group needs another.
package struct Need: Hashable, Sendable, Codable {
    package var group: String
    /// How many of its nodes must be ready; nil means all that were not skipped.
    package var ready: Int?
    package init(group: String, ready: Int? = nil) {
        self.group = group
        self.ready = ready
    }
}

/// One entry of `provision`: exactly one kind, and modifiers.
package struct ProvisionStep: Hashable, Sendable, Codable {
    package enum Kind: Hashable, Sendable, Codable {
        /// Creates a node of the `process` driver; without a command it is a node without a server.
        case process(run: Template?)
        /// Creates a node of another driver, with or without a server.
        case machine(Machine, run: Template?)
        /// A shell command on the node.
        case run(Template)
        /// Files of the lab, or given text, copied into the node's folder.
        case files([FileSpec])
        /// A file of the lab in which values are filled in.
        case template(TemplateFile)
        /// A file of the lab, run on the node without a shell.
        case script(ScriptCall)
        /// A playbook of the lab, played on the node.
        case ansible(AnsiblePlay)

        package var creates: Bool {
            switch self {
            case .process, .machine: true
            case .run, .files, .template, .script, .ansible: false
            }
        }
        package var word: String {
            switch self {
            case .process: "process"
            case .machine(let machine, _): machine.driver
            case .run: "run"
            case .files: "files"
            case .template: "template"
            case .script: "script"
            case .ansible: "ansible"
            }
        }
    }

    package var kind: Kind
    /// As the user named it; otherwise nil.
    package var name: String?
    package var timeout: Duration
    package var retry: RetryPolicy
    package var undo: Template?
    /// Overrides the group's, for this step.
    package var onFailure: FailurePolicy?

    package init(_ kind: Kind) {
        self.kind = kind
        name = nil
        timeout = Defaults.stepTimeout
        retry = .none
        undo = nil
        onFailure = nil
    }

    /// What people see: its name, or its kind and the beginning of its command.
    package var title: String {
        if let name { return name }
        switch kind {
        case .process(nil): return "process"
        case .machine(let machine, run: nil): return machine.title
        case .process(.some(let command)), .machine(_, run: .some(let command)), .run(let command):
            let line = command.source.split(separator: "\n", maxSplits: 1).first.map(String.init) ?? ""
            let short = line.count > 60 ? line.prefix(59) + "…" : line[...]
            return "\(kind.word): \(short)"
        case .files(let files): return "files: \(files.map(\.to).joined(separator: ", "))"
        case .template(let template): return "template: \(template.to)"
        case .script(let script): return "script: \(script.file)"
        case .ansible(let play): return "ansible: \(play.playbook)"
        }
    }
}

/// One file that a `files` step puts into a node's folder.
package struct FileSpec: Hashable, Sendable, Codable {
    package enum Source: Hashable, Sendable, Codable {
        /// Path relative to the lab's folder.
        case lab(String)
        case text(Template)
    }
    package var source: Source
    /// Path relative to the node's folder; never leads out of it.
    package var to: String
    /// POSIX permission bits.
    package var mode: UInt16

    package init(source: Source, to: String, mode: UInt16 = 0o644) {
        self.source = source
        self.to = to
        self.mode = mode
    }
}

/// A condition that holds before a node counts as ready.
package struct ReadyCondition: Hashable, Sendable, Codable {
    package enum Probe: Hashable, Sendable, Codable {
        /// Something accepts connections on this port of the node.
        case tcp(port: Int)
        /// One GET is answered with 2xx or 3xx.
        case http(port: Int, path: String)
        /// A command on the node exits with 0.
        case run(Template)
        /// A file is there; relative to the node's folder.
        case file(String)
        /// The node is in this state of its mode, as it or its driver says.
        case state(String)
    }
    package var probe: Probe
    package var within: Duration

    package init(_ probe: Probe, within: Duration = Defaults.readyWithin) {
        self.probe = probe
        self.within = within
    }

    package var title: String {
        switch probe {
        case .tcp(let port): "tcp: \(port)"
        case .http(let port, let path): "http: \(port)\(path)"
        case .run(let command): "run: \(command.source)"
        case .file(let path): "file: \(path)"
        case .state(let state): "state: \(state)"
        }
    }
}

/// How often, and after which delays, a failed step is tried again.
package struct RetryPolicy: Hashable, Sendable, Codable {
    /// Retries after the first try.
    package var times: Int
    package var every: Duration
    /// Each delay is this many times the one before.
    package var backoff: Double

    package init(times: Int, every: Duration = .seconds(1), backoff: Double = 1) {
        self.times = times
        self.every = every
        self.backoff = backoff
    }

    package static let none = RetryPolicy(times: 0)
    package static let delayMax: Duration = .seconds(300)

    /// The delay before retry `n` (from 0): `every × backoff^n`, at most five minutes, ±10 % by `chance` (0 ..< 1).
    package func delay(beforeRetry n: Int, chance: Double) -> Duration {
        var factor = 1.0
        for _ in 0..<min(n, 64) where factor < 1e9 { factor *= backoff }
        let limit = Double(RetryPolicy.delayMax.microseconds)
        let base = min(Double(every.microseconds) * factor, limit)
        return .microseconds(Int64(min(base * (0.9 + 0.2 * chance), limit)))
    }
}

/// A suite of tests over the nodes of one group.
package struct SuiteSpec: Hashable, Sendable, Codable {
    package enum Order: String, Hashable, Sendable, Codable, CaseIterable {
        case asListed = "as-listed"
        case longestFirst = "longest-first"
        /// As listed, but tests that want the same snapshot follow one another on a node.
        case sameSnapshot = "same-snapshot"
        case priority
    }
    package var name: String
    /// The group whose nodes run the tests; the first where there are several.
    package var group: String
    /// Further groups whose nodes run them as well; nil for none.
    package var alsoOn: [String]?
    /// Where tests run again, and what ends or renews a node; nil for what held before there was a choice.
    package var policy: SuitePolicy?
    /// The role that each of its nodes has for as long as it is there: in turn, over and over, whatever
    /// group a role names. nil where any node plays any role.
    package var nodeRoles: [String]?
    /// Groups that must be ready besides.
    package var needs: [Need]
    package var tests: [TestSpec]
    package var reruns: Int
    package var order: Order
    package var before: Template?
    package var after: Template?
    package var timeout: Duration

    package init(name: String, group: String) {
        self.name = name
        self.group = group
        alsoOn = nil
        policy = nil
        nodeRoles = nil
        needs = []
        tests = []
        reruns = 0
        order = .asListed
        before = nil
        after = nil
        timeout = Defaults.testTimeout
    }

    /// All groups whose nodes run the tests, each once.
    package var groups: [String] { [group] + (alsoOn ?? []) }

    /// Its policy, or the one that holds where none is given.
    package var rules: SuitePolicy { policy ?? SuitePolicy() }
}

package struct TestSpec: Hashable, Sendable, Codable {
    package enum Command: Hashable, Sendable, Codable {
        /// A file of the lab, started directly; path relative to the lab's folder.
        case file(String)
        /// A shell command.
        case run(Template)
    }
    package var name: String
    package var command: Command
    package var timeout: Duration
    /// Higher goes first. For `longest-first` the planner puts the last duration in milliseconds here.
    package var priority: Int64
    package var tags: [String]
    package var destructive: Bool
    /// Of a test of an fmf tree.
    package var frame: TestFrame?
    /// Who takes part, where it runs on several nodes at once; nil for one node without a role.
    package var roles: [TestRole]?

    package init(name: String, command: Command) {
        self.name = name
        self.command = command
        timeout = Defaults.testTimeout
        priority = 0
        tags = []
        destructive = false
    }
}

/// A file of the lab that a run uses.
package struct LabFile: Hashable, Sendable, Codable {
    /// Relative to the lab's folder; of a tree, absolute.
    package var path: String
    /// SHA-256, lower-case hexadecimal: the name of the kept copy.
    package var hash: String
    package init(path: String, hash: String) {
        self.path = path
        self.hash = hash
    }
}

/// A command that `exec` runs on nodes.
package struct ExecSpec: Hashable, Sendable, Codable {
    package var nodes: [NodeName]
    package var arguments: [String]
    package var timeout: Duration
    package init(nodes: [NodeName], arguments: [String], timeout: Duration) {
        self.nodes = nodes
        self.arguments = arguments
        self.timeout = timeout
    }
}

/// What holds where the lab file is silent. `muster plan --timeouts` shows each with its key.
package enum Defaults {
    package static let stepTimeout: Duration = .seconds(600)
    package static let testTimeout: Duration = .seconds(1800)
    package static let readyWithin: Duration = .seconds(60)
    /// Between TERM and KILL.
    package static let grace: Duration = .seconds(5)
    /// Attempts that may be lost to infrastructure, for each test.
    package static let infraAttemptsMax = 3
    /// How often a test may go away and be started again, in each attempt.
    package static let restartsMax = 100
    /// Most bytes that are kept of what a test says on its control descriptor.
    package static let controlLimit: Int64 = 1 << 30
    /// Times a node may be replaced because its provisioning failed, for each node.
    package static let replacementsMax = 3
    package static let nodesMax = 1_000
}
