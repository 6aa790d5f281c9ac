import Foundation
internal import MusterCore

/// Emulab's four tables: `state_transitions`, `mode_transitions`, `state_timeouts`, `state_triggers`, each a `.tsv`
/// file.
///
/// What Emulab's daemon has in its code instead of its tables is put in where the modes are there: the network boot's
/// mode, the modes with another policy, the state that holds nodes, the way in which a node is woken.
package enum EmulabTables {
    static let names = ["state_transitions", "mode_transitions", "state_timeouts", "state_triggers"]
    /// The mode under which the timeouts of commands stand.
    private static let commandMode = "TBCOMMAND"

    package static func load(folder: String) throws(LabError) -> ModeSource {
        var files: [String: [UInt8]] = [:]
        for name in names {
            let path = folder + "/" + name + ".tsv"
            guard FileManager.default.fileExists(atPath: path) else {
                let hint = "a folder of Emulab's tables has \(names.map { $0 + ".tsv" }.joined(separator: ", "))"
                throw LabError([Diagnostic(file: path, message: "there is no such file", hint: hint)])
            }
            files[name] = try ModesParser.read(path)
        }
        return try read(files, folder: folder)
    }

    /// - Parameter files: the bytes of each table, by its name.
    package static func read(_ files: [String: [UInt8]], folder: String) throws(LabError) -> ModeSource {
        var draft = Draft()
        func table(_ name: String, _ required: [String]) throws(LabError) -> TSVTable {
            try TSVTable(files[name] ?? [], file: folder + "/" + name + ".tsv", required: required)
        }
        let transitions = try table("state_transitions", ["op_mode", "state1", "state2"])
        for row in transitions.rows { draft.addTransition(row, transitions) }
        let moves = try table("mode_transitions", ["op_mode1", "state1", "op_mode2", "state2"])
        for row in moves.rows { draft.addMove(row, moves) }
        let timeouts = try table("state_timeouts", ["op_mode", "state", "timeout"])
        for row in timeouts.rows { draft.addTimeout(row, timeouts) }
        let triggers = try table("state_triggers", ["node_id", "op_mode", "state"])
        for row in triggers.rows { draft.addTrigger(row, triggers) }
        guard draft.problems.isEmpty else { throw LabError(draft.problems) }
        let set = draft.finished()
        return ModeSource(set: set, own: set, file: folder, places: draft.places)
    }

    /// The set as far as it is read.
    private struct Draft {
        var set = ModeSet()
        var index: [String: Int] = [:]
        var places: [ModeSubject: ModePlace] = [:]
        var problems: [Diagnostic] = []

        private mutating func mode(_ name: String) -> Int {
            if let place = index[name] { return place }
            index[name] = set.modes.count
            set.modes.append(ModeSpec(name: name))
            return set.modes.count - 1
        }

        /// Whether every name of a row is one.
        private mutating func check(_ names: [String], _ row: TSVTable.Row, _ table: TSVTable) -> Bool {
            for name in names where name != StateTransition.any && !ModesReader.isName(name) {
                problems.append(
                    table.diagnostic(row, "'\(name)' is no name for a state or mode: \(ModesReader.nameRule)")
                )
                return false
            }
            return true
        }

        mutating func addTransition(_ row: TSVTable.Row, _ table: TSVTable) {
            guard check([row["op_mode"], row["state1"], row["state2"]], row, table) else { return }
            let transition = StateTransition(from: row["state1"], to: row["state2"], label: row["label"])
            let subject = ModeSubject.transition(mode: row["op_mode"], from: transition.from, to: transition.to)
            guard places[subject] == nil else { return }
            places[subject] = table.place(of: row)
            let mode = mode(row["op_mode"])
            if places[.mode(row["op_mode"])] == nil { places[.mode(row["op_mode"])] = table.place(of: row) }
            set.modes[mode].transitions.append(transition)
        }

        mutating func addMove(_ row: TSVTable.Row, _ table: TSVTable) {
            let move = ModeMove(
                mode: row["op_mode1"],
                state: row["state1"],
                toMode: row["op_mode2"],
                toState: row["state2"],
                label: row["label"]
            )
            guard check([move.mode, move.state, move.toMode, move.toState], row, table) else { return }
            let subject = ModeSubject.move(
                mode: move.mode,
                state: move.state,
                toMode: move.toMode,
                toState: move.toState
            )
            guard places[subject] == nil else { return }
            places[subject] = table.place(of: row)
            _ = mode(move.mode)
            set.moves.append(move)
        }

        mutating func addTimeout(_ row: TSVTable.Row, _ table: TSVTable) {
            guard check([row["op_mode"], row["state"]], row, table) else { return }
            guard let seconds = Int(row["timeout"]), (0...315_360_000).contains(seconds) else {
                problems.append(table.diagnostic(row, "a timeout is a number of seconds, not '\(row["timeout"])'"))
                return
            }
            if row["op_mode"] == commandMode { return addCommand(row["state"], seconds, row, table) }
            let action: TimeoutAction
            switch row["action"] {
            case "", "NOTIFY": action = .notify
            case "REBOOT": action = .reboot([])
            case "CMDRETRY": action = .retryCommand
            case let text where text.hasPrefix("STATE:") && check([String(text.dropFirst(6))], row, table):
                action = .state(String(text.dropFirst(6)))
            default:
                let message = "'\(row["action"])' is no action: NOTIFY, REBOOT, CMDRETRY or STATE:<state>"
                problems.append(table.diagnostic(row, message))
                return
            }
            let timeout = StateTimeout(
                state: row["state"],
                after: seconds == 0 ? nil : .seconds(seconds),
                action: seconds == 0 ? .notify : action
            )
            let subject = ModeSubject.timeout(mode: row["op_mode"], state: row["state"])
            guard places[subject] == nil else { return }
            places[subject] = table.place(of: row)
            let mode = mode(row["op_mode"])
            set.modes[mode].rules.timeouts.append(timeout)
        }

        private mutating func addCommand(_ name: String, _ seconds: Int, _ row: TSVTable.Row, _ table: TSVTable) {
            places[.command(name)] = table.place(of: row)
            let within: Duration? = seconds == 0 ? nil : .seconds(seconds)
            switch name {
            case "POWEROFF":
                let rung = RungSpec(.powerOff, within: within)
                set.commands.append(CommandSpec(name: name, expect: ["POWEROFF"], rungs: [rung], leavesDown: true))
            case "POWERON":
                set.commands.append(
                    CommandSpec(name: name, expect: ["SHUTDOWN"], rungs: [RungSpec(.powerOn, within: within)])
                )
            case "POWERCYCLE":
                let rung = RungSpec(.powerCycle, within: within)
                set.commands.append(CommandSpec(name: name, expect: ["SHUTDOWN"], rungs: [rung]))
            default:
                let rung = RungSpec(.soft, within: within, attempts: 4)
                set.commands.append(CommandSpec(name: name, expect: ["SHUTDOWN"], rungs: [rung]))
            }
        }

        mutating func addTrigger(_ row: TSVTable.Row, _ table: TSVTable) {
            guard check([row["op_mode"], row["state"]], row, table) else { return }
            let actions = row["trigger"].split { $0 == "," || $0 == " " }.map(String.init)
            let triggers = StateTriggers(state: row["state"], actions: actions)
            let mode = row["op_mode"] == StateTransition.any ? nil : row["op_mode"]
            guard row["node_id"] == StateTransition.any else {
                set.nodeTriggers.append(NodeTriggers(node: row["node_id"], mode: mode, triggers: triggers))
                places[.nodeTrigger(node: row["node_id"], mode: mode, state: row["state"])] = table.place(of: row)
                return
            }
            places[.trigger(mode: mode, state: row["state"])] = table.place(of: row)
            if let mode {
                let place = self.mode(mode)
                set.modes[place].rules.triggers.append(triggers)
            } else {
                set.defaults.triggers.append(triggers)
            }
        }

        /// In the order in which a file has it, and with what stands in the daemon's code.
        mutating func finished() -> ModeSet {
            for place in set.modes.indices {
                set.modes[place].transitions = inOrder(set.modes[place].transitions, by: \.from)
            }
            var moves: [ModeMove] = []
            for mode in set.modes {
                let states = inOrder(set.moves.filter { $0.mode == mode.name }, by: \.state)
                var seen: Set<String> = []
                for state in states.map(\.state) where seen.insert(state).inserted {
                    moves += inOrder(states.filter { $0.state == state }, by: \.toMode)
                }
            }
            set.moves = moves
            let known = Set(set.modes.flatMap(\.knownStates))
            func those(_ states: [String]) -> [String] { states.filter(known.contains) }
            set.defaults.invalid = .acceptAndReport
            set.defaults.triggersOnReentry = true
            set.defaults.ready = those(["ISUP"])
            set.defaults.failed = those(["TBFAILED", "RELOADFAILED"])
            set.defaults.rebootFrom = those(["ISUP", "TBFAILED"])
            set.repairs = 3
            set.unaskedShutdown = .repair
            if index["PXEKERNEL"] != nil { set.netbootMode = "PXEKERNEL" }
            if index["RELOAD"] != nil { set.forcedModes = ["RELOAD"] }
            for name in ["SECUREBOOT", "SECURELOAD"] {
                guard let place = index[name], set.modes[place].knownStates.contains("SECVIOLATION") else { continue }
                set.modes[place].rules.invalid = .coerce("SECVIOLATION")
                let leaves = ["SHUTDOWN", "POWEROFF", "GPXEBOOTING"]
                set.modes[place].rules.sticky = [StickyState(state: "SECVIOLATION", leaves: leaves)]
            }
            if let place = index["PXEKERNEL"],
                let timeout = set.modes[place].rules.timeouts.firstIndex(where: { $0.state == "PXEWAKEUP" })
            {
                set.modes[place].rules.timeouts[timeout].action = .reboot([.wake, .wake, .powerCycle])
            }
            return set
        }

        private func inOrder<Item>(_ items: [Item], by key: (Item) -> String) -> [Item] {
            var order: [String: Int] = [:]
            for item in items where order[key(item)] == nil { order[key(item)] = order.count }
            return items.enumerated().sorted {
                (order[key($0.element)] ?? 0, $0.offset) < (order[key($1.element)] ?? 0, $1.offset)
            }.map(\.element)
        }
    }
}
