internal import MusterCore

/// Every key of a file of modes.
enum ModesKeys {
    static let repairsMax = 1_000
    static let attemptsMax = 1_000

    static let top = LabTable(
        name: "modes file",
        keys: [
            LabKey("muster-modes", .integer(1...1)),
            LabKey("extends", .choice(ModePresets.names)),
            LabKey("netboot-mode", .text),
            LabKey("forced-modes", .texts),
            LabKey("repairs", .integer(0...repairsMax)),
            LabKey("unasked-shutdown", .choice(UnaskedShutdown.allCases.map(\.rawValue))),
            LabKey("defaults", .table("rules")),
            LabKey("modes", .named("mode")),
            LabKey("commands", .named("command")),
            LabKey("nodes", .named("node")),
        ]
    )

    static let rules = LabTable(name: "rules", keys: ruleKeys)

    private static let ruleKeys = [
        LabKey("invalid", .choice(invalidWords)),
        LabKey("triggers-on-reentry", .choice(["true", "false"])),
        LabKey("ready", .texts),
        LabKey("failed", .texts),
        LabKey("reboot-from", .texts),
        LabKey("timeouts", .named("timeout")),
        LabKey("triggers", .variables),
        LabKey("sticky", .variables),
    ]

    static let mode = LabTable(
        name: "mode",
        keys: ruleKeys + [
            LabKey("states", .texts),
            LabKey("transitions", .variables),
            LabKey("events", .variables),
            LabKey("stable", .texts),
            LabKey("stuck", .texts),
            LabKey("work", .variables),
            LabKey("moves", .variables),
        ]
    )

    static let invalidWords = ["accept-and-report", "reject"]
    static let coerce = LabTable(name: "invalid", keys: [LabKey("coerce", .text, isRequired: true)])

    static let timeout = LabTable(
        name: "timeout",
        keys: [
            LabKey("after", .duration(example: "2m", mayBeZero: false), isRequired: true),
            LabKey("do", .choice(timeoutWords)),
            LabKey("state", .text),
            LabKey("by", .choices(Rung.allCases.map(\.rawValue))),
        ],
        kinds: ["do", "state"]
    )
    static let timeoutWords = ["notify", "reboot", "retry-command"]

    static let event = LabTable(
        name: "event",
        keys: [
            LabKey("to", .text, isRequired: true),
            LabKey("goal", .text),
            LabKey("verb", .choice(["true", "false"])),
        ]
    )

    static let work = LabTable(
        name: "work",
        keys: [
            LabKey("do", .choices(Capability.allCases.map(\.rawValue)), isRequired: true),
            LabKey("then", .text),
        ]
    )

    static let landing = LabTable(
        name: "move",
        keys: [LabKey("state", .text, isRequired: true), LabKey("label", .text)]
    )

    static let command = LabTable(
        name: "command",
        keys: [
            LabKey("expect", .texts),
            LabKey("leaves-down", .choice(["true", "false"])),
            LabKey("rungs", .list("rung"), isRequired: true),
        ]
    )

    /// Each rung is a mapping with one key, its way, and these below it.
    static let rung = LabTable(
        name: "rung",
        keys: [
            LabKey("within", .duration(example: "30s", mayBeZero: false)),
            LabKey("attempts", .integer(1...attemptsMax)),
            LabKey("from", .texts),
            LabKey("expect", .texts),
        ]
    )

    static let node = LabTable(name: "node", keys: [LabKey("triggers", .variables, isRequired: true)])
}
