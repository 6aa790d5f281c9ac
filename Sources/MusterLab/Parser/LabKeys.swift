internal import MusterCore

/// What a key of a lab file takes. `docs/formats/lab.schema.json` says the same, and a test compares them.
package enum LabValue: Hashable, Sendable {
    /// One value; numbers and `true` are text too.
    case text
    case integer(ClosedRange<Int>)
    case number(ClosedRange<Double>)
    /// With units; `example` is what a message shows.
    case duration(example: String, mayBeZero: Bool)
    /// Bytes, with units.
    case size(example: String)
    case choice([String])
    case choices([String])
    case texts
    /// A mapping with the keys of the table of that name.
    case table(String)
    /// A list of such mappings.
    case list(String)
    /// A mapping from names to such mappings.
    case named(String)
    /// A mapping from names to text.
    case variables
    case needs
    case files
    /// A list of hosts, each a text or a mapping of the table `host`.
    case hosts
    /// A program and its arguments: a list, or a text.
    case program
    /// A mapping with any keys and values.
    case anything
    case http
    case octal
    case globs
    case equalities
}

package struct LabKey: Hashable, Sendable {
    package var name: String
    package var value: LabValue
    package var isRequired = false

    package init(_ name: String, _ value: LabValue, isRequired: Bool = false) {
        self.name = name
        self.value = value
        self.isRequired = isRequired
    }
}

/// The keys of one kind of mapping.
package struct LabTable: Hashable, Sendable {
    package var name: String
    package var keys: [LabKey]
    /// Of these exactly one is given.
    package var kinds: [String] = []
    /// Keys that the design has and this version does not.
    package var later: [String] = []

    package subscript(name: String) -> LabKey? { keys.first { $0.name == name } }
}

/// Every key of a lab file: the one list that the parser, the schema and the reference are held against.
package enum LabKeys {
    package static let countMax = 100_000
    package static let rerunsMax = 100
    package static let sparesMax = 1_000
    package static let stopAfterMax = 1_000_000
    package static let retriesMax = 1_000
    package static let failedSetupsMax = 1_000_000
    package static let parallelMax = 10_000
    package static let portMax = 65_535
    package static let processorsMax = 1_024
    package static let priorityMax = 1_000_000_000

    package static let lab = LabTable(
        name: "lab",
        keys: [
            LabKey("muster", .integer(1...1)),
            LabKey("lab", .text, isRequired: true),
            LabKey("keep", .choice(words(Keep.self))),
            LabKey("lifetime", .duration(example: "2h", mayBeZero: false)),
            LabKey("parallel", .integer(1...parallelMax)),
            LabKey("modes", .text),
            LabKey("notify", .list("sink")),
            LabKey("vars", .variables),
            LabKey("pools", .named("pool")),
            LabKey("addresses", .table("addresses")),
            LabKey("groups", .named("group"), isRequired: true),
            LabKey("tests", .named("suite")),
            LabKey("results", .table("results")),
        ]
    )

    package static let group = LabTable(
        name: "group",
        keys: [
            LabKey("count", .integer(1...countMax)),
            LabKey("needs", .needs),
            LabKey("provision", .list("step")),
            LabKey("ready", .list("condition")),
            LabKey("on-failure", .choice(words(FailurePolicy.self))),
            LabKey("max-failed-setups", .integer(0...failedSetupsMax)),
            LabKey("quarantine", .table("quarantine")),
            LabKey("mode", .text),
            LabKey("failure-action", .choice(words(FailureAction.self))),
            LabKey("timeout", .duration(example: "2m", mayBeZero: false)),
            LabKey("retry", .table("retry")),
        ]
    )

    package static let need = LabTable(name: "need", keys: [LabKey("ready", .integer(1...countMax))])

    package static let step = LabTable(
        name: "step",
        keys: [
            LabKey("process", .table("process")),
            LabKey("netns", .table("netns")),
            LabKey("podman", .table("podman")),
            LabKey("qemu", .table("qemu")),
            LabKey("ssh", .table("ssh")),
            LabKey("plugin", .table("plugin")),
            LabKey("run", .text),
            LabKey("files", .files),
            LabKey("template", .table("template")),
            LabKey("script", .table("script")),
            LabKey("ansible", .table("ansible")),
            LabKey("name", .text),
            LabKey("timeout", .duration(example: "2m", mayBeZero: false)),
            LabKey("retry", .table("retry")),
            LabKey("undo", .text),
            LabKey("when", .equalities),
            LabKey("on-failure", .choice(words(FailurePolicy.self))),
        ],
        kinds: creators + ["run", "files", "template", "script", "ansible"],
        later: ["pool"]
    )

    /// The kinds of a step that creates the node.
    package static let creators = ["process", "netns", "podman", "qemu", "ssh", "plugin"]

    package static let process = LabTable(name: "process", keys: [LabKey("run", .text)])

    package static let netns = LabTable(name: "netns", keys: [LabKey("run", .text)])

    package static let addresses = LabTable(
        name: "addresses",
        keys: [LabKey("cidr", .text, isRequired: true), LabKey("reserved", .texts)]
    )

    package static let ssh = LabTable(
        name: "ssh",
        keys: [LabKey("pool", .text), LabKey("hosts", .hosts), LabKey("run", .text)],
        kinds: ["pool", "hosts"]
    )

    package static let pool = LabTable(
        name: "pool",
        keys: [
            LabKey("hosts", .hosts),
            LabKey("inventory", .text),
            LabKey("group", .text),
            LabKey("config", .text),
            LabKey("user", .text),
            LabKey("port", .integer(1...portMax)),
            LabKey("identity", .text),
            LabKey("known-hosts", .text),
            LabKey("options", .texts),
            LabKey("root", .text),
            LabKey("connect-timeout", .duration(example: "10s", mayBeZero: false)),
        ]
    )

    package static let host = LabTable(
        name: "host",
        keys: [
            LabKey("host", .text, isRequired: true),
            LabKey("name", .text),
            LabKey("user", .text),
            LabKey("port", .integer(1...portMax)),
            LabKey("identity", .text),
            LabKey("root", .text),
        ]
    )

    package static let plugin = LabTable(
        name: "plugin",
        keys: [
            LabKey("command", .program, isRequired: true),
            LabKey("options", .anything),
            LabKey("timeout", .duration(example: "5m", mayBeZero: false)),
            LabKey("run", .text),
        ]
    )

    package static let cpus = 0.01...1024
    package static let pidsMax = 4_194_304
    package static let rights = ["usual", "all"]
    package static let health = ["await", "ignore"]

    package static let podman = LabTable(
        name: "podman",
        keys: [
            LabKey("image", .text, isRequired: true),
            LabKey("run", .text),
            LabKey("command", .texts),
            LabKey("env", .variables),
            LabKey("volumes", .texts),
            LabKey("ports", .texts),
            LabKey("network", .text),
            LabKey("user", .text),
            LabKey("memory", .size(example: "512MiB")),
            LabKey("cpus", .number(cpus)),
            LabKey("pids", .integer(1...pidsMax)),
            LabKey("rights", .choice(rights)),
            LabKey("pull", .choice(words(ContainerMachine.Pull.self))),
            LabKey("health", .choice(health)),
        ]
    )

    package static let qemu = LabTable(
        name: "qemu",
        keys: [
            LabKey("image", .text),
            LabKey("kernel", .text),
            LabKey("initrd", .text),
            LabKey("append", .text),
            LabKey("memory", .size(example: "512MiB")),
            LabKey("cpus", .integer(1...processorsMax)),
            LabKey("accelerator", .choice(words(VirtualMachine.Accelerator.self))),
            LabKey("cloud-init", .text),
            LabKey("user", .text),
            LabKey("identity", .text),
            LabKey("ports", .texts),
            LabKey("boot-timeout", .duration(example: "5m", mayBeZero: false)),
            LabKey("run", .text),
        ]
    )

    package static let file = LabTable(
        name: "file",
        keys: [
            LabKey("from", .text),
            LabKey("text", .text),
            LabKey("to", .text, isRequired: true),
            LabKey("mode", .octal),
        ],
        kinds: ["from", "text"]
    )

    package static let template = LabTable(
        name: "template",
        keys: [
            LabKey("from", .text, isRequired: true),
            LabKey("to", .text, isRequired: true),
            LabKey("mode", .octal),
        ]
    )

    package static let script = LabTable(
        name: "script",
        keys: [
            LabKey("file", .text, isRequired: true),
            LabKey("arguments", .texts),
            LabKey("env", .variables),
        ]
    )

    package static let ansible = LabTable(
        name: "ansible",
        keys: [
            LabKey("playbook", .text, isRequired: true),
            LabKey("vars", .variables),
            LabKey("tags", .texts),
        ]
    )

    package static let retry = LabTable(
        name: "retry",
        keys: [
            LabKey("times", .integer(0...retriesMax), isRequired: true),
            LabKey("every", .duration(example: "2s", mayBeZero: true)),
            LabKey("backoff", .number(1...100)),
        ]
    )

    package static let quarantine = LabTable(
        name: "quarantine",
        keys: [
            LabKey("after", .integer(1...Defaults.replacementsMax)),
            LabKey("for", .duration(example: "10m", mayBeZero: false), isRequired: true),
        ]
    )

    package static let condition = LabTable(
        name: "condition",
        keys: [
            LabKey("tcp", .integer(1...portMax)),
            LabKey("http", .http),
            LabKey("run", .text),
            LabKey("file", .text),
            LabKey("state", .text),
            LabKey("within", .duration(example: "30s", mayBeZero: false)),
        ],
        kinds: ["tcp", "http", "run", "file", "state"]
    )

    package static let http = LabTable(
        name: "http",
        keys: [LabKey("port", .integer(1...portMax), isRequired: true), LabKey("path", .text)]
    )

    package static let suite = LabTable(
        name: "suite",
        keys: [
            LabKey("where", .globs, isRequired: true),
            LabKey("needs", .needs),
            LabKey("discover", .table("discover"), isRequired: true),
            LabKey("reruns", .integer(0...rerunsMax)),
            LabKey("rerun-on", .choice(words(SuitePolicy.RerunPlace.self))),
            LabKey("rerun-when", .choices(rerunWords)),
            LabKey("renew-after", .choices(renewWords)),
            LabKey("stop-after", .integer(1...stopAfterMax)),
            LabKey("spares", .integer(0...sparesMax)),
            LabKey("timeout", .duration(example: "5m", mayBeZero: false)),
            LabKey("order", .choice(words(SuiteSpec.Order.self))),
            LabKey("destructive", .globs),
            LabKey("roles", .named("role")),
            LabKey("before", .text),
            LabKey("after", .text),
            LabKey("flaky", .choice(["fail", "pass"])),
        ]
    )

    /// Outcomes of which a test runs again, and those after which a node is made anew.
    static let rerunWords = [Outcome.fail, .error].map(\.rawValue)
    static let renewWords = [Outcome.pass, .fail, .warn, .error].map(\.rawValue)

    package static let discover = LabTable(
        name: "discover",
        keys: [LabKey("files", .globs), LabKey("list", .list("test")), LabKey("fmf", .table("fmf"))],
        kinds: ["files", "list", "fmf"]
    )

    package static let fmf = LabTable(
        name: "fmf",
        keys: [
            LabKey("path", .text),
            LabKey("filter", .globs),
            LabKey("names", .globs),
            LabKey("exclude", .globs),
            LabKey("context", .globs),
            LabKey("plan", .text),
        ]
    )

    package static let test = LabTable(
        name: "test",
        keys: [
            LabKey("name", .text, isRequired: true),
            LabKey("run", .text, isRequired: true),
            LabKey("timeout", .duration(example: "5m", mayBeZero: false)),
            LabKey("priority", .integer(-priorityMax...priorityMax)),
            LabKey("tags", .texts),
            LabKey("roles", .named("role")),
        ]
    )

    /// What the nodes of a role do: the test's command, or nothing but to be there for the others.
    static let runs = ["test", "nothing"]

    package static let role = LabTable(
        name: "role",
        keys: [
            LabKey("count", .integer(1...TestSpec.membersMax)), LabKey("on", .text), LabKey("runs", .choice(runs)),
        ]
    )

    package static let sink = LabTable(
        name: "sink",
        keys: [
            LabKey("command", .texts),
            LabKey("webhook", .text),
            LabKey("gap", .duration(example: "15s", mayBeZero: false)),
        ],
        kinds: ["command", "webhook"]
    )

    package static let results = LabTable(
        name: "results",
        keys: [LabKey("write", .choices(words(ResultFormat.self))), LabKey("directory", .text)]
    )

    package static let all = [
        lab, sink, pool, host, addresses, group, need, step, process, netns, podman, qemu, ssh, plugin, file, template,
        script, ansible, retry, quarantine,
        condition, http, suite, discover, fmf, test, role, results,
    ]

    private static func words<Choice: CaseIterable & RawRepresentable>(_: Choice.Type) -> [String]
    where Choice.RawValue == String {
        Choice.allCases.map(\.rawValue)
    }
}
