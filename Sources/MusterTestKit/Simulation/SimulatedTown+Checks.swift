import MusterCore
import MusterEngine
import MusterStore

/// What must hold in a town, told from what is stored alone.
extension SimulatedTown {
    /// What the stored events have told of a node so far.
    struct Heard {
        /// How many of its states.
        var states = 0
        var state = "ISUP"
        /// When its timer was set last.
        var armedAt = Timestamp(rawValue: 0)
        var isGivenUp = false
        /// The place on the ladder of the command under way, and when it got there.
        var rung: (place: Int, at: Timestamp)?
        var hasFailed = false
    }

    /// The tries of a reboot in their order, and how long each may take.
    private static let ladder: [(text: String, within: Duration)] = [
        ("reboot: soft, attempt 1", .seconds(10)), ("reboot: soft, attempt 2", .seconds(10)),
        ("reboot: power-cycle, attempt 1", .seconds(20)),
    ]

    private static func timeouts(of lab: String) -> [String: Duration] {
        lab == "shop"
            ? ["SHUTDOWN": .seconds(90), "BOOTING": .seconds(60), "PANIC": .seconds(5)]
            : ["BOOTING": .seconds(45), "PANIC": .seconds(7)]
    }

    static func modes(of lab: String) -> ModeSet {
        var mode = ModeSpec(name: "M")
        mode.transitions = [
            StateTransition(from: "*", to: "SHUTDOWN"), StateTransition(from: "SHUTDOWN", to: "BOOTING"),
            StateTransition(from: "BOOTING", to: "ISUP"), StateTransition(from: "*", to: "PANIC"),
        ]
        mode.rules.timeouts = timeouts(of: lab).sorted { $0.key < $1.key }.map {
            StateTimeout(state: $0.key, after: $0.value, action: .reboot([]))
        }
        mode.rules.triggers = [StateTriggers(state: "ISUP", actions: ["RESET"])]
        mode.rules.ready = ["ISUP"]
        mode.rules.failed = ["PANIC"]
        var set = ModeSet()
        set.modes = [mode]
        set.unaskedShutdown = .repair
        set.commands = [
            CommandSpec(
                name: "reboot",
                expect: ["SHUTDOWN"],
                rungs: [
                    RungSpec(.soft, within: .seconds(10), attempts: 2), RungSpec(.powerCycle, within: .seconds(20)),
                ]
            )
        ]
        return set
    }

    // MARK: After each turn

    func checkTurn() throws {
        for event in try store.events(after: position, plan: nil, limit: .max) {
            position = event.position
            guard let node = event.node else { continue }
            check(event, of: machines[Int(node.rawValue) - 1])
            for place in waiters.indices { waiters[place].take(event) }
        }
        if let core { try checkRows(of: core, "after a turn") }
        checkWaiting()
    }

    func checkRows(of core: ConductorCore, _ when: String) throws {
        for machine in machines {
            let (known, stored) = (core.director.nodeState(machine.id), try store.nodeState(of: machine.id))
            verdict.expect(known == stored, "node \(machine.id.rawValue) is stored otherwise \(when)")
            verdict.expect(
                stored?.state == machine.heard.state || when == "after a start",
                "node \(machine.id.rawValue) is not in the state that was told last"
            )
        }
    }

    private func check(_ event: EventRow, of machine: Machine) {
        let (name, detail) = ("node \(machine.id.rawValue)", event.detail ?? "")
        switch event.kind {
        case .nodeState:
            guard let change = StateChange(detail) else { return verdict.violated("\(name): '\(detail)' is no change") }
            verdict.expect(
                machine.heard.states < machine.log.count && machine.log[machine.heard.states] == change.state,
                "\(name): report \(machine.heard.states) came as \(change.state), or twice"
            )
            verdict.expect(change.formerState == machine.heard.state, "\(name) was not in \(change.formerState)")
            machine.heard.states += 1
            machine.heard.state = change.state
            machine.heard.armedAt = event.at
        case .nodeTimeout where detail.hasPrefix("M/"):
            outcome.timeouts += 1
            let after = Self.timeouts(of: machine.lab)[machine.heard.state]
            verdict.expect(
                detail.hasPrefix("M/\(machine.heard.state):"),
                "\(name): a timer that was replaced: \(detail)"
            )
            verdict.expect(
                after.map { machine.heard.armedAt + $0 <= event.at } == true,
                "\(name): too early, or without a timeout: \(detail)"
            )
            machine.heard.armedAt = event.at
        case .nodeGivenUp:
            outcome.givenUp += 1
            verdict.expect(!machine.heard.isGivenUp, "\(name) was given up twice")
            machine.heard.isGivenUp = true
            machine.heard.rung = nil
        case .nodeTrigger where detail == "RESET": machine.heard.isGivenUp = false
        case .nodeCommand: checkCommand(detail, at: event.at, machine)
        default: break
        }
    }

    /// Each try of a command follows the one before, when its time is over or it could not be sent, also after crashes.
    private func checkCommand(_ detail: String, at now: Timestamp, _ machine: Machine) {
        let name = "node \(machine.id.rawValue)"
        if detail.hasPrefix("reboot: obeyed") {
            machine.heard.rung = nil
        } else if detail.contains(" failed: ") {
            machine.heard.hasFailed = true
        } else if let place = Self.ladder.firstIndex(where: { $0.text == detail }) {
            outcome.commands += 1
            if let before = machine.heard.rung {
                verdict.expect(place == before.place + 1, "\(name): '\(detail)' after try \(before.place + 1)")
                verdict.expect(
                    machine.heard.hasFailed || before.at + Self.ladder[before.place].within <= now,
                    "\(name): '\(detail)' before the time of the try before was over"
                )
            } else {
                verdict.expect(place == 0, "\(name): '\(detail)' comes first")
                verdict.expect(!machine.heard.isGivenUp, "\(name) was given up, and is sent '\(detail)'")
            }
            machine.heard.rung = (place, now)
            machine.heard.hasFailed = false
        }
    }

    // MARK: Those who wait

    private func checkWaiting() {
        guard let desk else { return }
        for waiter in waiters {
            let standing = waiter.ticket.flatMap { desk.standing(of: $0.id) }
            verdict.expect(
                (standing == nil) == waiter.isOver,
                "a wait for \(waiter.states) is over too early or too late"
            )
            if let standing {
                verdict.expect(standing.standings == waiter.standings, "a wait for \(waiter.states) stands otherwise")
            }
        }
    }

    /// The answers of the waits that are over, whenever they began.
    func checkAnswers() async {
        guard verdict.violation == nil else { return }
        for waiter in waiters {
            guard waiter.isOver, let ticket = waiter.ticket else { continue }
            var answer: StateWait?
            for await update in ticket.updates { if case .over(let wait, _) = update { answer = wait } }
            outcome.answers += 1
            verdict.expect(answer?.standings == waiter.standings, "the answer to \(waiter.states) is another")
        }
    }

    // MARK: At rest

    /// Nothing happens any more: a node in a state that may not last was given up.
    func checkStanding() throws {
        for machine in machines {
            guard let row = try store.nodeState(of: machine.id) else { continue }
            let name = "node \(machine.id.rawValue)"
            verdict.expect(row.deadline == nil && row.command == nil, "\(name) has a timer, and nobody looks at it")
            let mayLast = Self.timeouts(of: machine.lab)[row.state] == nil
            verdict.expect(mayLast || row.flags.contains(.givenUp), "\(name) stands still in \(row.state) for ever")
        }
    }

    /// Every node is up, all that it said was taken, and nothing is under way or remembered of what went wrong.
    func checkRest() throws {
        try checkTurn()
        for machine in machines {
            let row = try store.nodeState(of: machine.id)
            let name = "node \(machine.id.rawValue)"
            verdict.expect(row?.state == "ISUP" && machine.heard.states == machine.log.count, "\(name) is not up")
            verdict.expect(row?.flags == [] && row?.command == nil, "\(name) is up, and something is left of before")
            verdict.expect(row?.deadline == nil && row?.timeouts == 0 && row?.repairs == 0, "\(name) has a timer left")
        }
    }
}

extension SimulatedTown.Waiter {
    /// Whether nothing can change the answer any more.
    var isOver: Bool {
        let pending = standings.count { $0.isPending }
        let finished = standings.count { $0 == .finished }
        if quorum == .all { return pending == 0 }
        let needed = quorum.needed(of: nodes.count)
        return finished >= needed || finished + pending < needed
    }

    /// What a stored event makes of it.
    mutating func take(_ event: EventRow) {
        guard event.position > begin, !isOver, let place = event.node.flatMap({ nodes.firstIndex(of: $0) }),
            case .pending(let seen) = standings[place]
        else { return }
        if event.kind == .nodeGivenUp { standings[place] = .failed(event.detail ?? "") }
        guard event.kind == .nodeState, let state = event.detail.flatMap({ StateChange($0) })?.state else { return }
        if state == states[seen] {
            standings[place] = seen + 1 == states.count ? .finished : .pending(seen: seen + 1)
        } else if state == "PANIC" {
            standings[place] = .failed("it is PANIC")
        }
    }
}
