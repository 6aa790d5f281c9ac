import Foundation
import MusterCore
import Testing

@testable import MusterLab

/// Recorded cases over Emulab's own tables.
@Suite(.enabled(if: TestData.isThere, Comment(rawValue: TestData.reason))) struct EmulabReplayTests {
    private let source: ModeSource
    private let table: ModeTable

    init() throws {
        source = try EmulabTables.load(folder: TestData.path("emulab"))
        table = ModeTable(source.set)
    }

    @Test func everyRecordedTraceComesOutTheSame() throws {
        let cases = try TestData.decode([ReplayCase].self, "emulab/scenarios/stated_traces.json")
        #expect(cases.count >= 13)
        for script in cases {
            let result = try ModeReplay.play(script, on: table)
            #expect(result.trace == script.trace, "\(script.name ?? "")")
            #expect(result.final == script.final, "\(script.name ?? "")")
        }
    }

    @Test func everyPairOfStatesIsLegalAsTheTableSays() throws {
        let rows = try TestData.table("emulab/state_transitions.tsv")
        var states: [String: Set<String>] = [:]
        var legal: Set<[String]> = []
        for row in rows {
            let (mode, from, to) = (row["op_mode"] ?? "", row["state1"] ?? "", row["state2"] ?? "")
            states[mode, default: []].formUnion(from == "*" ? [to] : [from, to])
            legal.insert([mode, from, to])
        }
        var (pairs, valid) = (0, 0)
        for (mode, states) in states {
            let id = try #require(table.mode(mode))
            for from in states {
                for to in states {
                    let isLegal = legal.contains([mode, from, to]) || legal.contains([mode, "*", to])
                    let (a, b) = (try #require(table.state(from)), try #require(table.state(to)))
                    #expect(table.isLegal(id, from: a, to: b) == isLegal, "\(mode) \(from) \(to)")
                    pairs += 1
                    valid += isLegal ? 1 : 0
                }
            }
        }
        #expect(pairs == 1140 && valid == 280)
        let matrix = table.matrix.map { [$0.mode, $0.from, $0.to] }
        #expect(matrix.count == 280 && Set(matrix).count == 280)
        #expect(matrix.allSatisfy { legal.contains($0) || legal.contains([$0[0], "*", $0[2]]) })
    }

    @Test func theCheckerFindsWhatIsKnownToBeWrong() throws {
        let known = try TestData.text("emulab/lint_findings.tsv").split(separator: "\n").map(String.init)
        let found = ModeChecker.findings(in: source).map { finding in
            var columns = [finding.code.rawValue, finding.mode, finding.state]
            if finding.code == .ambiguousMove {
                columns.append(finding.details[0])
                columns.append("[" + finding.details.dropFirst().map { "'\($0)'" }.joined(separator: ", ") + "]")
            } else {
                columns += finding.details
            }
            return columns.joined(separator: "\t")
        }
        #expect(known.count == 46 && found.count == 46)
        #expect(found.sorted() == known.sorted())
    }

    @Test func eachFindingHasItsLine() throws {
        for finding in ModeChecker.findings(in: source) {
            #expect(finding.diagnostic.line > 1 && finding.diagnostic.file.hasSuffix(".tsv"), "\(finding)")
            #expect(finding.diagnostic.source?.contains(finding.state) == true, "\(finding)")
        }
        let errors = ModeChecker.findings(in: source).filter { $0.code.severity == .error }
        #expect(errors.count == 26)
    }

    @Test func whatIsWrittenReadsBackTheSameWithTheSameFindings() throws {
        let text = ModesWriter.write(source.set)
        let again = try ModesParser.parse(text: text)
        #expect(again.set == source.set)
        let findings = ModeChecker.findings(in: again)
        #expect(findings.count == 46 && findings.allSatisfy { $0.diagnostic.line > 0 })
    }

    @Test(arguments: ["2003-10-10_statewait_commit", "2004-01-16", "2011-11-10"])
    func olderTablesAreReadToo(name: String) throws {
        struct History: Decodable {
            var tables: [String: [[String: ReplayValue]]]
        }
        func text(_ value: ReplayValue?) -> String? {
            switch value {
            case .text(let text): text
            case .whole(let number): String(number)
            case .number, nil: nil
            case .some(.none): ""
            }
        }
        let history = try TestData.decode(History.self, "emulab/history/\(name).json")
        var files: [String: [UInt8]] = [:]
        let columns = [
            "state_transitions": ["op_mode", "state1", "state2", "label"],
            "mode_transitions": ["op_mode1", "state1", "op_mode2", "state2", "label"],
            "state_timeouts": ["op_mode", "state", "timeout", "action"],
            "state_triggers": ["node_id", "op_mode", "state", "trigger"],
        ]
        for (table, columns) in columns {
            let rows = (history.tables[table] ?? []).map { row in
                columns.map { text(row[$0]) ?? ($0 == "node_id" ? "*" : "") }.joined(separator: "\t")
            }
            files[table] = Array(([columns.joined(separator: "\t")] + rows).joined(separator: "\n").utf8)
        }
        let source = try EmulabTables.read(files, folder: name)
        #expect(source.set.modes.count > 5)
        #expect(try ModesParser.parse(text: ModesWriter.write(source.set)).set == source.set)
    }

    @Test func recordedWaitsEndAsTheyShould() throws {
        struct Case: Decodable {
            var name: String
            var states: [String]
            var nodes: [String]
            var events: [[String]]
            var finished: [String]?
            var failed: [String]?
            var pending: [String]?
        }
        let cases = try TestData.decode([Case].self, "emulab/scenarios/statewait_cases.json")
        #expect(cases.count >= 10)
        var set = source.set
        // The cases have the failure as an event; in these tables it is a state of every mode.
        set.defaults.failed = ["TBFAILED", "PXEFAILED", "RELOADFAILED"]
        let table = ModeTable(set)
        for scenario in cases {
            var ids: [String: NodeID] = [:]
            func id(_ name: String) -> NodeID {
                ids[name, default: NodeID(Int64(ids.count + 1))]
            }
            for name in scenario.nodes + scenario.events.map({ $0[0] }) { ids[name] = id(name) }
            let names = Dictionary(ids.map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
            guard let condition = try? StateCondition(scenario.states.joined(separator: ">")) else {
                #expect(scenario.states.isEmpty, "\(scenario.name)")
                continue
            }
            let wait = try StateWait(
                id: WaitID(1),
                nodes: scenario.nodes.map(id),
                condition: condition,
                after: 0
            )
            var waits = StateWaits()
            var updates: [StateWaits.Update] = []
            try waits.register(wait, isReady: { _ in false }, into: &updates)
            for (index, event) in scenario.events.enumerated() {
                let kind = NodeHappening.Kind.stateChanged(mode: "NORMALv2", from: "SHUTDOWN", to: event[1])
                let happening = NodeHappening(node: id(event[0]), at: Timestamp(rawValue: 0), kind: kind)
                waits.observe(happening, at: Int64(index + 1), table: table, into: &updates)
            }
            var answer = waits[WaitID(1)]
            for case .over(let wait, _) in updates { answer = wait }
            func shown(_ nodes: [NodeID]?) -> [String] { (nodes ?? []).compactMap { names[$0] } }
            #expect(shown(answer?.finished) == scenario.finished ?? [], "\(scenario.name)")
            #expect(shown(answer?.failed) == scenario.failed ?? [], "\(scenario.name)")
            #expect(shown(answer?.pending) == scenario.pending ?? [], "\(scenario.name)")
        }
    }
}

/// The cases of the reboot gate. Those that are told in words are played out.
@Suite(.enabled(if: TestData.isThere, Comment(rawValue: TestData.reason))) struct EmulabRebootTests {
    private let table: ModeTable

    init() throws { table = ModeTable(try EmulabTables.load(folder: TestData.path("emulab")).set) }

    private struct Case: Decodable {
        var name: String
        /// States of nodes by their names.
        var states: [String: String]
        var force: Bool
        var allowed: [String]
        var rejected: [String]

        enum Keys: String, CodingKey { case name, nodes, force, allowed, rejected }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Keys.self)
            name = try container.decode(String.self, forKey: .name)
            states = (try? container.decode([String: String].self, forKey: .nodes)) ?? [:]
            force = (try? container.decode(Bool.self, forKey: .force)) ?? false
            allowed = (try? container.decode([String].self, forKey: .allowed)) ?? []
            rejected = (try? container.decode([String].self, forKey: .rejected)) ?? []
        }
    }

    @Test func theGateLetsThroughWhatItShould() throws {
        let cases = try TestData.decode([Case].self, "emulab/scenarios/reboot_gate_cases.json")
        #expect(cases.count >= 8)
        for scenario in cases where !scenario.states.isEmpty {
            let names = scenario.states.keys.sorted()
            var request = RebootRequest(nodes: names.indices.map { NodeID(Int64($0)) }, command: "REBOOT")
            request.isForced = scenario.force
            let answers = RebootGate.decide(request, table: table) { node in
                let state = scenario.states[names[Int(node.rawValue)]] ?? ""
                return NodeStateRow(node: node, mode: "NORMALv2", state: state, since: Timestamp(rawValue: 0))
            }
            let accepted = answers.filter { if case .accepted = $0.verdict { true } else { false } }
            #expect(accepted.map { names[Int($0.node.rawValue)] } == scenario.allowed.sorted(), "\(scenario.name)")
            #expect(answers.count - accepted.count == scenario.rejected.count, "\(scenario.name)")
        }
    }

    private func play(
        _ state: String,
        mode: String = "NORMALv2",
        _ steps: [(Int64, NodeInput)],
        until end: Int64
    )
        -> [(Int64, NodeHappening.Kind)]
    {
        var machines = NodeMachines(table)
        var sink = NodeSink()
        let start = Timestamp(rawValue: 0)
        machines.add(NodeStateRow(node: NodeID(1), mode: mode, state: state, since: start), now: start, into: &sink)
        var steps = steps[...]
        var now = start
        while true {
            let next = [machines.nextDue(), steps.first.map { start + .seconds($0.0) }].compactMap { $0 }.min()
            guard let next, next <= start + .seconds(end) else { break }
            now = next
            if let step = steps.first, start + .seconds(step.0) <= now {
                steps = steps.dropFirst()
                machines.handle(step.1, of: NodeID(1), now: now, into: &sink)
            } else {
                machines.advance(to: now, into: &sink)
            }
        }
        return sink.happenings.map { (($0.at - start).milliseconds / 1000, $0.kind) }
    }

    private func sent(_ happenings: [(Int64, NodeHappening.Kind)]) -> [Int64] {
        happenings.compactMap { if case .commandSent = $0.1 { $0.0 } else { nil } }
    }

    private func gaveUp(_ happenings: [(Int64, NodeHappening.Kind)]) -> [Int64] {
        happenings.compactMap { if case .gaveUp = $0.1 { $0.0 } else { nil } }
    }

    @Test func aCommandThatIsObeyedIsNotSentAgain() {
        let all = play("ISUP", [(0, .commanded("REBOOT", by: .person)), (20, .reported("SHUTDOWN"))], until: 1_000)
        #expect(sent(all) == [0] && gaveUp(all).isEmpty)
    }

    @Test func anotherStateLeavesTheCommandUnderWay() {
        let all = play("ISUP", [(0, .commanded("REBOOT", by: .person)), (20, .reported("ISUP"))], until: 100)
        #expect(sent(all) == [0, 75])
        #expect(all.contains { $0.1 == .commandUnexpected("REBOOT", state: "ISUP") })
    }

    @Test func aCommandIsSentFourTimesAndThenTheNodeIsGivenUpOnce() {
        let all = play("ISUP", [(0, .commanded("REBOOT", by: .person))], until: 100_000)
        #expect(sent(all) == [0, 75, 150, 225] && gaveUp(all) == [300])
    }

    @Test func aNodeThatWaitsIsWokenTwiceAndThenItsPowerIsCycled() {
        let all = play("PXEWAKEUP", mode: "PXEKERNEL", [], until: 60)
        let rungs = all.compactMap { if case .commandSent(_, let rung, _) = $0.1 { rung } else { nil } }
        #expect(rungs == [.wake, .wake, .powerCycle] && sent(all) == [20, 40, 60])
    }
}

@Suite(.enabled(if: TestData.isThere, Comment(rawValue: TestData.reason))) struct IronicReplayTests {
    @Test func everyPairOfStateAndEventDoesWhatTheTableSays() throws {
        let rows = try TestData.table("ironic/provision_states.tsv")
        let source = try IronicTable.read(Array(try TestData.text("ironic/provision_states.tsv").utf8), file: "p.tsv")
        let table = ModeTable(source.set)
        var targets: [[String]: [String: String]] = [:]
        for row in rows { targets[[row["source"] ?? "", row["event"] ?? ""]] = row }
        let states = Set(rows.flatMap { [$0["source"] ?? "", $0["target"] ?? ""] })
        let events = Set(rows.compactMap { $0["event"] })
        #expect(states.count == 30 && events.count == 18 && rows.count == 93)
        var (taken, refused) = (0, 0)
        for state in states {
            for event in events {
                var machines = NodeMachines(table)
                var sink = NodeSink()
                let start = Timestamp(rawValue: 0)
                let row = NodeStateRow(node: NodeID(1), mode: IronicTable.mode, state: state, since: start)
                machines.add(row, now: start, into: &sink)
                machines.handle(.fired(event), of: NodeID(1), now: start, into: &sink)
                let after = machines.row(of: NodeID(1))
                if let target = targets[[state, event]] {
                    taken += 1
                    #expect(after?.state == target["target"], "\(state) \(event)")
                    let goal = target["target_provision_state_after"] ?? ""
                    #expect(after?.goal ?? "" == goal, "\(state) \(event)")
                } else {
                    refused += 1
                    #expect(after?.state == state, "\(state) \(event)")
                    let legal = rows.filter { $0["source"] == state }.compactMap { $0["event"] }
                    guard case .refused(event, state, let told) = sink.happenings.last?.kind else {
                        Issue.record("\(state) \(event) is not refused")
                        continue
                    }
                    #expect(told.sorted() == legal.sorted())
                }
            }
        }
        #expect(taken == 93 && refused == 447)
    }

    @Test func thePresetIsTheTable() throws {
        let source = try IronicTable.read(Array(try TestData.text("ironic/provision_states.tsv").utf8), file: "p.tsv")
        #expect(try ModePresets.source("ironic").set == source.set)
        #expect(ModePresets.text("ironic") == ModesWriter.write(source.set))
        #expect(source.set.modes[0].stable.count == 6 && source.set.modes[0].stuck.count == 9)
    }
}
