/// Modes as their author wrote them: by name, in the order of the file. `ModeTable` is the same made ready for use.
package struct ModeSet: Hashable, Sendable, Codable {
    /// What holds in every mode that says nothing else.
    package var defaults = ModeRules()
    package var modes: [ModeSpec] = []
    package var moves: [ModeMove] = []
    package var commands: [CommandSpec] = []
    /// Triggers of single nodes that the table brings; they stay, unlike those that are given to a node later.
    package var nodeTriggers: [NodeTriggers] = []
    /// The mode in which a node is while its network boot asks what to boot.
    package var netbootMode: String?
    /// Modes that a node takes up at boot even where nothing says that it may.
    package var forcedModes: [String] = []
    /// How often a timeout may have a node rebooted before it is given up; nil stands for `repairsDefault`.
    package var repairs: Int?
    /// What becomes of a node that goes down without having been asked to; nil stands for `leave`.
    package var unaskedShutdown: UnaskedShutdown?

    package init() {}

    package static let repairsDefault = 3

    package subscript(mode name: String) -> ModeSpec? { modes.first { $0.name == name } }
}

/// Rules that a mode may have of its own, and all modes together. nil: not said.
package struct ModeRules: Hashable, Sendable, Codable {
    package var invalid: InvalidPolicy?
    /// Whether triggers run again when a node reports the state that it is in.
    package var triggersOnReentry: Bool?
    package var ready: [String]?
    package var failed: [String]?
    /// States from which a node may be rebooted without force.
    package var rebootFrom: [String]?
    package var timeouts: [StateTimeout] = []
    package var triggers: [StateTriggers] = []
    package var sticky: [StickyState] = []

    package init() {}
}

/// One mode: its states, and what leads from one to the other.
package struct ModeSpec: Hashable, Sendable, Codable {
    package var name: String
    package var rules = ModeRules()
    /// States that no transition names.
    package var states: [String] = []
    package var transitions: [StateTransition] = []
    /// What an event makes of a state, for modes that are driven by events instead of reported states.
    package var events: [EventTransition] = []
    /// States in which nothing is under way.
    package var stable: [String] = []
    /// States that end with the event `fail` when who worked in them is lost.
    package var stuck: [String] = []
    /// What is to be done in a state into which a verb leads.
    package var work: [StateWork]?

    package init(name: String) { self.name = name }

    /// Every state that a transition names or that is declared, in order of appearance.
    package var knownStates: [String] {
        var seen: Set<String> = []
        var known: [String] = []
        func note(_ state: String) {
            if state != StateTransition.any, seen.insert(state).inserted { known.append(state) }
        }
        for state in states { note(state) }
        for transition in transitions {
            note(transition.from)
            note(transition.to)
        }
        for event in events {
            note(event.from)
            note(event.to)
        }
        return known
    }
}

package struct StateTransition: Hashable, Sendable, Codable {
    /// The source that stands for every state of the mode.
    package static let any = "*"

    package var from: String
    package var to: String
    package var label: String

    package init(from: String, to: String, label: String = "") {
        self.from = from
        self.to = to
        self.label = label
    }
}

package struct EventTransition: Hashable, Sendable, Codable {
    package var from: String
    package var event: String
    package var to: String
    /// The stable state that is aimed at from then on; nil: none any more.
    package var goal: String?
    /// Whether a person may ask for it, as against what work reports.
    package var isVerb: Bool

    package init(from: String, event: String, to: String, goal: String? = nil, isVerb: Bool = false) {
        self.from = from
        self.event = event
        self.to = to
        self.goal = goal
        self.isVerb = isVerb
    }
}

/// What a driver does to a node in a state, and the event that says that it is done.
package struct StateWork: Hashable, Sendable, Codable {
    package var state: String
    package var capabilities: [Capability]
    /// nil stands for `done`.
    package var then: String?

    package static let done = "done"
    /// The event of a state whose work has failed.
    package static let failed = "fail"

    package var successEvent: String { then ?? Self.done }

    package init(state: String, _ capabilities: [Capability], then: String? = nil) {
        self.state = state
        self.capabilities = capabilities
        self.then = then
    }
}

/// Where a node may go from one mode to another, and the state it is in then.
package struct ModeMove: Hashable, Sendable, Codable {
    package var mode: String
    package var state: String
    package var toMode: String
    package var toState: String
    package var label: String

    package init(mode: String, state: String, toMode: String, toState: String, label: String = "") {
        self.mode = mode
        self.state = state
        self.toMode = toMode
        self.toState = toState
        self.label = label
    }
}

/// What happens to a transition that the table does not have.
package enum InvalidPolicy: Hashable, Sendable, Codable {
    case acceptAndReport
    case reject
    /// The node is in this state instead.
    case coerce(String)
}

package struct StateTimeout: Hashable, Sendable, Codable {
    package var state: String
    /// nil: there is none, also where all modes have one.
    package var after: Duration?
    package var action: TimeoutAction

    package init(state: String, after: Duration?, action: TimeoutAction = .notify) {
        self.state = state
        self.after = after
        self.action = action
    }
}

package enum TimeoutAction: Hashable, Sendable, Codable {
    case notify
    /// The n-th time in a row by the n-th of these ways, or the last; empty: by the command `reboot` of the table.
    case reboot([Rung])
    case state(String)
    /// Sends the command that the node was last sent once more.
    case retryCommand
}

package struct StateTriggers: Hashable, Sendable, Codable {
    package var state: String
    /// Empty: nothing, also where all modes have some.
    package var actions: [String]

    package init(state: String, actions: [String]) {
        self.state = state
        self.actions = actions
    }
}

/// Triggers of one node.
package struct NodeTriggers: Hashable, Sendable, Codable {
    package var node: String
    /// nil: in any mode.
    package var mode: String?
    package var triggers: StateTriggers

    package init(node: String, mode: String?, triggers: StateTriggers) {
        self.node = node
        self.mode = mode
        self.triggers = triggers
    }
}

/// A state that a node leaves only to some others.
package struct StickyState: Hashable, Sendable, Codable {
    package var state: String
    package var leaves: [String]

    package init(state: String, leaves: [String]) {
        self.state = state
        self.leaves = leaves
    }
}

package enum UnaskedShutdown: String, Hashable, Sendable, CaseIterable, Codable {
    /// Somebody did that; no timeout repairs it.
    case leave
    case repair
}

/// How hard a node is hit, from mild to hard.
package enum Rung: String, Hashable, Sendable, CaseIterable, Codable {
    /// Says to a node that waits in its boot loader to go on.
    case wake
    /// Asks the running system to reboot.
    case soft
    /// Forces the running system to reboot.
    case hard
    case powerCycle = "power-cycle"
    case powerOn = "power-on"
    case powerOff = "power-off"
}

/// A command to a node, the rungs it is tried by one after another, and the states that show that it was obeyed.
package struct CommandSpec: Hashable, Sendable, Codable {
    package var name: String
    package var expect: [String]
    package var rungs: [RungSpec]
    /// Whether a node stays down after it: no timeout repairs what a person has taken down so.
    package var leavesDown: Bool

    package init(name: String, expect: [String] = [], rungs: [RungSpec], leavesDown: Bool = false) {
        self.name = name
        self.expect = expect
        self.rungs = rungs
        self.leavesDown = leavesDown
    }
}

package struct RungSpec: Hashable, Sendable, Codable {
    package var rung: Rung
    /// How long an expected state may take until the next try begins; nil: nothing is waited for.
    package var within: Duration?
    package var attempts: Int
    /// The states in which it is of use; empty: all.
    package var from: [String]
    /// Expected instead of what the command expects; empty: that.
    package var expect: [String]

    package init(_ rung: Rung, within: Duration? = nil, attempts: Int = 1, from: [String] = [], expect: [String] = []) {
        self.rung = rung
        self.within = within
        self.attempts = attempts
        self.from = from
        self.expect = expect
    }
}

extension ModeSet {
    /// This set with everything that `other` names in place of its own.
    package func overridden(by other: ModeSet) -> ModeSet {
        var result = self
        result.defaults.override(by: other.defaults)
        for mode in other.modes {
            if let place = result.modes.firstIndex(where: { $0.name == mode.name }) {
                result.modes[place].override(by: mode)
            } else {
                result.modes.append(mode)
            }
        }
        // All moves from one place are named together.
        let places = Set(other.moves.map { [$0.mode, $0.state] })
        result.moves.removeAll { places.contains([$0.mode, $0.state]) }
        result.moves += other.moves
        for command in other.commands {
            result.commands.removeAll { $0.name == command.name }
            result.commands.append(command)
        }
        for trigger in other.nodeTriggers {
            result.nodeTriggers.removeAll {
                $0.node == trigger.node && $0.mode == trigger.mode && $0.triggers.state == trigger.triggers.state
            }
            result.nodeTriggers.append(trigger)
        }
        result.netbootMode = other.netbootMode ?? netbootMode
        if !other.forcedModes.isEmpty { result.forcedModes = other.forcedModes }
        result.repairs = other.repairs ?? repairs
        result.unaskedShutdown = other.unaskedShutdown ?? unaskedShutdown
        return result
    }
}

extension ModeRules {
    fileprivate mutating func override(by other: ModeRules) {
        invalid = other.invalid ?? invalid
        triggersOnReentry = other.triggersOnReentry ?? triggersOnReentry
        ready = other.ready ?? ready
        failed = other.failed ?? failed
        rebootFrom = other.rebootFrom ?? rebootFrom
        timeouts.replace(by: other.timeouts, where: \.state)
        triggers.replace(by: other.triggers, where: \.state)
        sticky.replace(by: other.sticky, where: \.state)
    }
}

extension ModeSpec {
    fileprivate mutating func override(by other: ModeSpec) {
        rules.override(by: other.rules)
        for state in other.states where !states.contains(state) { states.append(state) }
        // All transitions from one state are named together.
        let sources = Set(other.transitions.map(\.from))
        transitions.removeAll { sources.contains($0.from) }
        transitions += other.transitions
        let eventSources = Set(other.events.map(\.from))
        events.removeAll { eventSources.contains($0.from) }
        events += other.events
        if !other.stable.isEmpty { stable = other.stable }
        if !other.stuck.isEmpty { stuck = other.stuck }
        if let others = other.work {
            let states = Set(others.map(\.state))
            work = (work ?? []).filter { !states.contains($0.state) } + others
        }
    }
}

extension Array {
    fileprivate mutating func replace<Key: Hashable>(by others: [Element], where key: KeyPath<Element, Key>) {
        let keys = Set(others.map { $0[keyPath: key] })
        removeAll { keys.contains($0[keyPath: key]) }
        self += others
    }
}
