import Testing

@testable import MusterCore

@Suite struct ModeTableTests {
    private let table = ModeTable(.sample)

    @Test func everyPairIsLegalOnlyByItsRowOrByAnySource() throws {
        for mode in ModeSet.sample.modes {
            let id = try #require(table.mode(mode.name))
            for from in table.states {
                for to in table.states {
                    let isThere = mode.transitions.contains { ($0.from == from || $0.from == "*") && $0.to == to }
                    let (a, b) = (try #require(table.state(from)), try #require(table.state(to)))
                    #expect(table.isLegal(id, from: a, to: b) == isThere, "\(mode.name) \(from) \(to)")
                }
            }
        }
    }

    @Test func theMatrixHasAnySourceExpandedOverTheStatesOfTheMode() {
        let toOff = table.matrix.filter { $0.mode == "M" && $0.to == "OFF" }.map(\.from)
        #expect(toOff == ["UP", "DOWN", "BOOT", "BAD", "OFF"])
        #expect(table.matrix.count { $0.mode == "N" } == 3)
    }

    @Test func whatAModeSaysComesBeforeWhatHoldsInAll() throws {
        var set = ModeSet.sample
        set.defaults.timeouts = [
            StateTimeout(state: "BOOT", after: .seconds(1)), StateTimeout(state: "DOWN", after: .seconds(1)),
        ]
        set.modes[1].rules.timeouts = [StateTimeout(state: "DOWN", after: nil)]
        set.modes[1].rules.ready = ["DONE"]
        let table = ModeTable(set)
        let (m, n) = (try #require(table.mode("M")), try #require(table.mode("N")))
        func state(_ name: String) throws -> StateID { try #require(table.state(name)) }
        #expect(table.timeout(m, try state("BOOT"))?.after == .seconds(60))
        #expect(table.timeout(n, try state("BOOT"))?.after == .seconds(1))
        #expect(table.timeout(n, try state("DOWN")) == nil)
        let (up, done) = (try state("UP"), try state("DONE"))
        #expect(table.isReady(m, up) && !table.isReady(m, done))
        #expect(table.isReady(n, done) && !table.isReady(n, up))
    }

    @Test func aMoveLandsWhereTheTableSays() throws {
        var set = ModeSet.sample
        set.moves.append(ModeMove(mode: "M", state: "BAD", toMode: "N", toState: "DOWN"))
        let table = ModeTable(set)
        let (m, n) = (try #require(table.mode("M")), try #require(table.mode("N")))
        let (bad, down) = (try #require(table.state("BAD")), try #require(table.state("DOWN")))
        #expect(table.landing(m, bad, in: n) == down)
        #expect(table.landing(n, down, in: m) == nil)
        #expect(table.isMovePoint(m, down) && !table.isMovePoint(n, down))
    }

    @Test func anExtensionReplacesOnlyWhatItNames() {
        var own = ModeSet()
        var mode = ModeSpec(name: "M")
        mode.transitions = [StateTransition(from: "BOOT", to: "DOWN")]
        mode.rules.timeouts = [StateTimeout(state: "BOOT", after: .seconds(9), action: .notify)]
        own.modes = [mode]
        own.commands = [CommandSpec(name: "poweroff", rungs: [RungSpec(.hard)])]
        own.repairs = 7
        let set = ModeSet.sample.overridden(by: own)
        let base = ModeSet.sample
        #expect(set.modes[0].transitions.filter { $0.from == "BOOT" } == mode.transitions)
        #expect(
            set.modes[0].transitions.filter { $0.from != "BOOT" }
                == base.modes[0].transitions.filter { $0.from != "BOOT" }
        )
        #expect(Set(set.modes[0].rules.timeouts.map(\.after)) == [.seconds(9), .seconds(600)])
        #expect(set.modes[1] == base.modes[1] && set.moves == base.moves && set.defaults == base.defaults)
        #expect(set.commands.map(\.name) == ["reboot", "poweroff"] && set.commands[1].rungs.count == 1)
        #expect(set.repairs == 7)
    }
}

@Suite struct DueQueueTests {
    @Test func equalDeadlinesComeInTheOrderInWhichTheyWereSetAndWhatIsReplacedNever() {
        for seed in Seeds.first(200) {
            var chance = Chance(seed: seed)
            var queue = DueQueue<Int>()
            var model: [(key: Int, at: Int64, order: Int)] = []
            for order in 0..<200 {
                let key = Int.random(in: 0..<20, using: &chance)
                model.removeAll { $0.key == key }
                if Int.random(in: 0..<4, using: &chance) == 0 {
                    queue.clear(key)
                } else {
                    let at = Int64.random(in: 0..<6, using: &chance)
                    queue.set(key, at: Timestamp(rawValue: at))
                    model.append((key, at, order))
                }
                if Int.random(in: 0..<10, using: &chance) == 0 {
                    model.sort { ($0.at, $0.order) < ($1.at, $1.order) }
                    #expect(queue.nextDue()?.rawValue == model.first?.at)
                    let due = queue.takeDue(at: Timestamp(rawValue: 3))
                    let expected = model.first.flatMap { $0.at <= 3 ? $0 : nil }
                    #expect(due?.key == expected?.key)
                    if expected != nil { model.removeFirst() }
                }
            }
            #expect(queue.count == model.count)
        }
    }

    @Test func whatIsReplacedTakesNoRoom() {
        var queue = DueQueue<Int>()
        for at in 0..<100_000 { queue.set(at % 10, at: Timestamp(rawValue: Int64(at))) }
        #expect(queue.entryCount <= 100)
    }
}
