/// A mode's place in its table. Numbers of one table mean nothing in another.
package struct ModeID: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }
}

/// A state's place in its table: states of the same name in several modes are one.
package struct StateID: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }
}

/// Modes with their states, transitions, timeouts and triggers, made for asking: every question is answered in constant
/// time, whatever the size of the table.
package struct ModeTable: Sendable {
    package let source: ModeSet
    private let modeNames: [String]
    private let stateNames: [String]
    private let modeIDs: [String: ModeID]
    private let stateIDs: [String: StateID]
    /// (mode, from, to), with `anySource` for `*`.
    private var transitions: Set<UInt64> = []
    private var events: [EventKey: EventTarget] = [:]
    /// (mode, state) to a place in `rules`.
    private var places: [UInt32: Int32] = [:]
    private var placeRules: [PlaceRules] = []
    private var modeRules: [Rules] = []
    private var moveTargets: [UInt64: [StateID]] = [:]
    private var movePoints: Set<UInt32> = []
    private let commandPlaces: [String: Int]
    package let netbootMode: ModeID?
    private let forcedModes: Set<ModeID>

    /// As many states and as many modes as a table may have.
    package static let namesMax = 20_000
    private static let anySource: UInt16 = .max

    private struct EventKey: Hashable {
        let place: UInt32
        let event: String
    }

    package struct EventTarget: Hashable, Sendable {
        package var state: StateID
        package var goal: StateID?
        package var isVerb: Bool
    }

    package struct Timeout: Hashable, Sendable {
        package var after: Duration
        package var action: TimeoutAction
    }

    /// What holds of a state in a mode.
    struct PlaceRules: Sendable {
        var timeout: Timeout?
        var triggers: [String]?
        var leaves: Set<StateID>?
        var isReady = false
        var isFailed = false
        var mayReboot = false
    }

    /// What holds in a mode as a whole.
    struct Rules: Sendable {
        var invalid: InvalidPolicy
        var coerced: StateID?
        var triggersOnReentry: Bool
        var known: Set<StateID>
        var isDrivenByEvents: Bool
    }

    /// - Precondition: at most `namesMax` modes and states; who reads tables keeps to that.
    package init(_ set: ModeSet) {
        source = set
        var names = Interner()
        modeNames = set.modes.map(\.name)
        modeIDs = Dictionary(
            modeNames.enumerated().map { ($1, ModeID(rawValue: UInt16($0))) },
            uniquingKeysWith: { first, _ in first }
        )
        for state in set.allStates { names.add(state) }
        precondition(modeNames.count <= Self.namesMax && names.names.count <= Self.namesMax, "a table of such a size")
        stateNames = names.names
        stateIDs = names.ids
        commandPlaces = Dictionary(
            set.commands.enumerated().map { ($1.name.lowercased(), $0) },
            uniquingKeysWith: { _, last in last }
        )
        netbootMode = set.netbootMode.flatMap { [modeIDs] in modeIDs[$0] }
        forcedModes = Set(set.forcedModes.compactMap { [modeIDs] in modeIDs[$0] })
        for (index, mode) in set.modes.enumerated() { add(mode, at: ModeID(rawValue: UInt16(index))) }
        for move in set.moves {
            guard let from = modeIDs[move.mode], let to = modeIDs[move.toMode], let state = stateIDs[move.state],
                let landing = stateIDs[move.toState]
            else { continue }
            movePoints.insert(Self.key(from, state))
            let key = UInt64(Self.key(from, state)) << 16 | UInt64(to.rawValue)
            if moveTargets[key]?.contains(landing) != true { moveTargets[key, default: []].append(landing) }
        }
    }

    private mutating func add(_ mode: ModeSpec, at id: ModeID) {
        for transition in mode.transitions {
            let source = transition.from == StateTransition.any ? Self.anySource : stateIDs[transition.from]?.rawValue
            guard let source, let to = stateIDs[transition.to] else { continue }
            transitions.insert(Self.key(id, source, to))
        }
        for event in mode.events {
            guard let from = stateIDs[event.from], let to = stateIDs[event.to] else { continue }
            events[EventKey(place: Self.key(id, from), event: event.event)] = EventTarget(
                state: to,
                goal: event.goal.flatMap { stateIDs[$0] },
                isVerb: event.isVerb
            )
            transitions.insert(Self.key(id, from.rawValue, to))
        }
        let known = Set(mode.knownStates.compactMap { stateIDs[$0] })
        let common = rules(source.defaults, mode.rules)
        modeRules.append(
            Rules(
                invalid: mode.rules.invalid ?? source.defaults.invalid ?? .acceptAndReport,
                coerced: (mode.rules.invalid ?? source.defaults.invalid)?.coercedState.flatMap { stateIDs[$0] },
                triggersOnReentry: mode.rules.triggersOnReentry ?? source.defaults.triggersOnReentry ?? false,
                known: known,
                isDrivenByEvents: !mode.events.isEmpty && mode.transitions.isEmpty
            )
        )
        for (state, rules) in common {
            places[Self.key(id, state)] = Int32(placeRules.count)
            placeRules.append(rules)
        }
    }

    /// The rules of each state that either says something about; what a mode says comes before what holds in all.
    private func rules(_ all: ModeRules, _ own: ModeRules) -> [StateID: PlaceRules] {
        var result: [StateID: PlaceRules] = [:]
        func change(_ state: String, _ body: (inout PlaceRules) -> Void) {
            if let id = stateIDs[state] { body(&result[id, default: PlaceRules()]) }
        }
        for rules in [all, own] {
            for timeout in rules.timeouts {
                change(timeout.state) { place in
                    place.timeout = timeout.after.map { Timeout(after: $0, action: timeout.action) }
                }
            }
            for triggers in rules.triggers { change(triggers.state) { $0.triggers = triggers.actions } }
            for sticky in rules.sticky {
                change(sticky.state) { $0.leaves = Set(sticky.leaves.compactMap { stateIDs[$0] }) }
            }
        }
        for state in own.ready ?? all.ready ?? [] { change(state) { $0.isReady = true } }
        for state in own.failed ?? all.failed ?? [] { change(state) { $0.isFailed = true } }
        for state in own.rebootFrom ?? all.rebootFrom ?? [] { change(state) { $0.mayReboot = true } }
        return result
    }

    private static func key(_ mode: ModeID, _ state: StateID) -> UInt32 {
        UInt32(mode.rawValue) << 16 | UInt32(state.rawValue)
    }
    private static func key(_ mode: ModeID, _ from: UInt16, _ to: StateID) -> UInt64 {
        UInt64(mode.rawValue) << 32 | UInt64(from) << 16 | UInt64(to.rawValue)
    }

    // MARK: Names

    package func mode(_ name: String) -> ModeID? { modeIDs[name] }
    package func state(_ name: String) -> StateID? { stateIDs[name] }
    package func name(of mode: ModeID) -> String { modeNames[Int(mode.rawValue)] }
    package func name(of state: StateID) -> String { stateNames[Int(state.rawValue)] }
    package var modes: [String] { modeNames }
    package var states: [String] { stateNames }

    // MARK: Transitions

    /// Whether the table has this transition, or one from any state.
    package func isLegal(_ mode: ModeID, from: StateID, to: StateID) -> Bool {
        transitions.contains(Self.key(mode, from.rawValue, to))
            || transitions.contains(Self.key(mode, Self.anySource, to))
    }

    /// What an event makes of a state; nil where it is not legal there.
    package func target(_ mode: ModeID, _ state: StateID, event: String) -> EventTarget? {
        events[EventKey(place: Self.key(mode, state), event: event)]
    }

    /// The events that are legal in a state, in the order of the table.
    package func events(_ mode: ModeID, _ state: StateID) -> [String] {
        source.modes[Int(mode.rawValue)].events.filter { $0.from == name(of: state) }.map(\.event)
    }

    /// The events that people may ask for in a state.
    package func verbs(_ mode: ModeID, _ state: StateID) -> [String] {
        source.modes[Int(mode.rawValue)].events.filter { $0.from == name(of: state) && $0.isVerb }.map(\.event)
    }

    /// What is to be done in a state; nil for states in which nothing is.
    package func work(_ mode: ModeID, _ state: StateID) -> StateWork? {
        source.modes[Int(mode.rawValue)].work?.first { $0.state == name(of: state) }
    }

    /// The states that may follow a state, in the order of the table.
    package func followers(_ mode: ModeID, _ state: StateID) -> [String] {
        let from = name(of: state)
        var seen: Set<String> = []
        return source.modes[Int(mode.rawValue)].transitions.filter {
            ($0.from == from || $0.from == StateTransition.any) && seen.insert($0.to).inserted
        }.map(\.to)
    }

    package func knows(_ mode: ModeID, _ state: StateID) -> Bool { modeRules[Int(mode.rawValue)].known.contains(state) }

    /// Each legal (mode, from, to), `*` expanded over the mode's states, in the order of the table.
    package var matrix: [(mode: String, from: String, to: String)] {
        var result: [(String, String, String)] = []
        for mode in source.modes {
            guard let id = modeIDs[mode.name] else { continue }
            let known = mode.knownStates.compactMap { stateIDs[$0] }
            for from in known {
                for to in known where isLegal(id, from: from, to: to) {
                    result.append((mode.name, name(of: from), name(of: to)))
                }
            }
        }
        return result
    }

    // MARK: Moves between modes

    /// Whether some other mode can be taken up in this state.
    package func isMovePoint(_ mode: ModeID, _ state: StateID) -> Bool { movePoints.contains(Self.key(mode, state)) }

    /// The state a node is in when it goes to another mode: its own where that is one of several; nil where it may not
    /// go.
    package func landing(_ mode: ModeID, _ state: StateID, in other: ModeID) -> StateID? {
        let targets = moveTargets[UInt64(Self.key(mode, state)) << 16 | UInt64(other.rawValue)]
        return targets?.contains(state) == true ? state : targets?.first
    }

    package func isForced(_ mode: ModeID) -> Bool { forcedModes.contains(mode) }

    // MARK: Rules

    private func rules(_ mode: ModeID, _ state: StateID) -> PlaceRules? {
        places[Self.key(mode, state)].map { placeRules[Int($0)] }
    }

    package func timeout(_ mode: ModeID, _ state: StateID) -> Timeout? { rules(mode, state)?.timeout }
    /// What the table has a node do there: the list of the mode, or else that of all modes.
    package func triggers(_ mode: ModeID, _ state: StateID) -> [String] { rules(mode, state)?.triggers ?? [] }
    /// Where a node may go from a state that holds it; nil when the state holds nobody.
    package func leaves(_ mode: ModeID, _ state: StateID) -> Set<StateID>? { rules(mode, state)?.leaves }
    package func isReady(_ mode: ModeID, _ state: StateID) -> Bool { rules(mode, state)?.isReady ?? false }
    package func isFailed(_ mode: ModeID, _ state: StateID) -> Bool { rules(mode, state)?.isFailed ?? false }
    package func mayReboot(_ mode: ModeID, _ state: StateID) -> Bool { rules(mode, state)?.mayReboot ?? false }
    package func invalidPolicy(_ mode: ModeID) -> InvalidPolicy { modeRules[Int(mode.rawValue)].invalid }
    func coercedState(_ mode: ModeID) -> StateID? { modeRules[Int(mode.rawValue)].coerced }
    package func triggersOnReentry(_ mode: ModeID) -> Bool { modeRules[Int(mode.rawValue)].triggersOnReentry }
    package func isDrivenByEvents(_ mode: ModeID) -> Bool { modeRules[Int(mode.rawValue)].isDrivenByEvents }

    // MARK: Commands

    /// A command by its name, in whichever case.
    package func command(_ name: String) -> CommandSpec? {
        commandPlaces[name.lowercased()].map { source.commands[$0] }
    }

    package var repairs: Int { source.repairs ?? ModeSet.repairsDefault }
    package var unaskedShutdown: UnaskedShutdown { source.unaskedShutdown ?? .leave }
}

extension InvalidPolicy {
    package var coercedState: String? { if case .coerce(let state) = self { state } else { nil } }
}

extension ModeSet {
    /// Every state that is named anywhere, in order of appearance; those of transitions first.
    package var allStates: [String] {
        var states = modes.flatMap(\.knownStates)
        for rules in modes.map(\.rules) + [defaults] {
            states += (rules.ready ?? []) + (rules.failed ?? []) + (rules.rebootFrom ?? [])
            states += [rules.invalid?.coercedState].compactMap { $0 }
            for timeout in rules.timeouts {
                states.append(timeout.state)
                if case .state(let state) = timeout.action { states.append(state) }
            }
            states += rules.triggers.map(\.state)
            for sticky in rules.sticky { states += [sticky.state] + sticky.leaves }
        }
        states += modes.flatMap { $0.events.compactMap(\.goal) + $0.stable + $0.stuck + ($0.work ?? []).map(\.state) }
        states += moves.flatMap { [$0.state, $0.toState] }
        states += nodeTriggers.map(\.triggers.state)
        for command in commands { states += command.expect + command.rungs.flatMap { $0.from + $0.expect } }
        var seen: Set<String> = []
        return states.filter { $0 != StateTransition.any && seen.insert($0).inserted }
    }
}

/// Numbers for names, in the order in which they come.
private struct Interner {
    var names: [String] = []
    var ids: [String: StateID] = [:]

    mutating func add(_ name: String) {
        guard ids[name] == nil else { return }
        ids[name] = StateID(rawValue: UInt16(truncatingIfNeeded: names.count))
        names.append(name)
    }
}
