internal import MusterCore

/// The table of Ironic's provision states: what each event makes of each state, as one mode that events drive.
package enum IronicTable {
    package static let mode = "provision"

    package static func load(_ path: String) throws(LabError) -> ModeSource {
        try read(try ModesParser.read(path), file: path)
    }

    package static func read(_ bytes: [UInt8], file: String) throws(LabError) -> ModeSource {
        let required = ["source", "event", "target", "target_provision_state_after"]
        let table = try TSVTable(bytes, file: file, required: required)
        var mode = ModeSpec(name: mode)
        var places: [ModeSubject: ModePlace] = [:]
        var problems: [Diagnostic] = []
        mode.rules.invalid = .reject
        for row in table.rows {
            let (from, event, to) = (row["source"], row["event"], row["target"])
            for name in [from, event, to] where !ModesReader.isName(name) {
                problems.append(table.diagnostic(row, "'\(name)' is no name: \(ModesReader.nameRule)"))
            }
            let subject = ModeSubject.event(mode: mode.name, from: from, event: event)
            if let first = places[subject] {
                problems.append(table.diagnostic(row, "'\(event)' in '\(from)' stands in line \(first.line) already"))
            }
            places[subject] = table.place(of: row)
            if places[.mode(mode.name)] == nil { places[.mode(mode.name)] = table.place(of: row) }
            let goal = row["target_provision_state_after"]
            let isVerb = row["fired_by"].hasPrefix("API ") && !row["fired_by"].contains("fires")
            mode.events.append(
                EventTransition(from: from, event: event, to: to, goal: goal.isEmpty ? nil : goal, isVerb: isVerb)
            )
            for (state, flag) in [(from, "source_stable"), (to, "target_stable")]
            where row[flag] == "True" && !mode.stable.contains(state) {
                mode.stable.append(state)
            }
            if row["stuck_treated_as_fail"] == "True", !mode.stuck.contains(from) { mode.stuck.append(from) }
            // What Ironic looks for again and again is a timeout here; that long by its defaults.
            if event == "fail", row["fired_by"].contains("_timeouts") {
                mode.rules.timeouts.append(StateTimeout(state: from, after: .seconds(1800), action: .state(to)))
            }
        }
        guard problems.isEmpty else { throw LabError(Array(problems.prefix(DiagnosticSink.keptMax))) }
        let states = mode.knownStates
        if states.contains("active") { mode.rules.ready = ["active"] }
        mode.rules.failed = states.filter { $0.hasSuffix(" failed") || $0 == "error" }
        mode.events = grouped(mode.events)
        // Where a machine begins of which nothing is known yet.
        if states.contains(beginning) { mode.states = [beginning] }
        let work = work.filter { states.contains($0.state) }
        mode.work = work.isEmpty ? nil : work
        var set = ModeSet()
        set.modes = [mode]
        return ModeSource(set: set, own: set, file: file, places: places)
    }

    private static let beginning = "enroll"

    /// What Ironic's conductor has its drivers do in each state that it does not leave alone.
    private static let work = [
        StateWork(state: "verifying", [.verify]), StateWork(state: "inspecting", [.inspect]),
        StateWork(state: "cleaning", [.clean]), StateWork(state: "deploying", [.deploy]),
        StateWork(state: "deleting", [.tearDown], then: "clean"), StateWork(state: "adopting", [.adopt]),
        StateWork(state: "rescuing", [.rescue]), StateWork(state: "unrescuing", [.unrescue]),
        StateWork(state: "servicing", [.service]),
    ]

    private static func grouped(_ events: [EventTransition]) -> [EventTransition] {
        var order: [String] = []
        for event in events where !order.contains(event.from) { order.append(event.from) }
        return order.flatMap { from in events.filter { $0.from == from } }
    }
}
