/// What is to be done outside because of nodes: scripts of triggers, and notifications of people.
///
/// Each is a row until it is known to be done; a conductor begins again what an earlier one has left. Notifications are
/// gathered by sink, sent no more often than its gap allows, and tried again so many times.
package struct Errands: Sendable {
    private struct Outlet: Sendable {
        var sink: NoticeSink
        var digest: NotificationDigest
        /// The last row of what `digest` has.
        var last: Int64 = 0
        /// Rows that are not known to be sent.
        var rows = 0
        /// What is being sent, or tried again.
        var sending: NoticeMessage?
        /// When it is tried again; nil while it is under way.
        var againAt: Timestamp?

        init(_ sink: NoticeSink) {
            self.sink = sink
            digest = NotificationDigest(gap: sink.gap)
        }

        var nextDue: Timestamp? { sending == nil ? digest.nextDue : againAt }
    }

    private struct OutletKey: Hashable, Comparable, Sendable {
        let lab: String
        let sink: String
        static func < (a: Self, b: Self) -> Bool { (a.lab, a.sink) < (b.lab, b.sink) }
    }

    private struct ScriptKey: Hashable, Sendable {
        let lab: String
        let number: Int64
    }

    private var outlets: [OutletKey: Outlet] = [:]
    private var sinks: [String: [NoticeSink]] = [:]
    private var scripts: [ScriptKey: ErrandRow] = [:]
    /// How many scripts of each node wait or run.
    private var scriptCounts: [NodeID: Int] = [:]
    private var lastNumbers: [String: Int64] = [:]
    /// Actions that nothing does, by lab: said once.
    private var missing: [String: Set<String>] = [:]

    /// Tries of one message.
    package static let triesMax = 5
    private static let pauses: [Duration] = [.seconds(1), .seconds(5), .seconds(30), .seconds(120)]
    /// As many rows of one sink as are kept.
    package static let rowsMax = 1000
    /// As many scripts of one node as wait or run; what it brings about besides is not run.
    package static let scriptsMax = 100

    package init() {}

    // MARK: What is stored

    mutating func adopt(_ sinks: [String: [NoticeSink]], _ rows: [ErrandRow]) {
        for (lab, sinks) in sinks { set(sinks, for: lab) }
        for row in rows {
            lastNumbers[row.lab] = max(lastNumbers[row.lab] ?? 0, row.number)
            switch row.kind {
            case .script:
                scripts[ScriptKey(lab: row.lab, number: row.number)] = row
                scriptCounts[row.node, default: 0] += 1
            case .notice(let sink, let text):
                gather(text, row, OutletKey(lab: row.lab, sink: sink))
            }
        }
    }

    /// What an earlier conductor may not have done is done now.
    mutating func goOn(_ labs: Set<String>?, into turn: inout Turn) {
        let rows = scripts.values.filter { labs?.contains($0.lab) ?? true }
        for row in rows.sorted(by: { ($0.lab, $0.number) < ($1.lab, $1.number) }) {
            turn.directives.append(.errand(.script(row)))
        }
    }

    // MARK: Sinks

    /// From now on a lab's notifications go there. What was meant for a sink that is there no more is dropped.
    mutating func use(_ sinks: [NoticeSink], for lab: String, into turn: inout Turn) {
        guard self.sinks[lab] ?? [] != sinks else { return }
        turn.noticeSinks[lab] = sinks
        for (key, outlet) in outlets where key.lab == lab && !sinks.contains(where: { $0.name == key.sink }) {
            if outlet.rows > 0 {
                turn.errandsDone.append(
                    ErrandDone(lab: lab, sink: key.sink, number: max(outlet.last, outlet.sending?.upTo ?? 0))
                )
            }
            outlets[key] = nil
        }
        set(sinks, for: lab)
    }

    private mutating func set(_ sinks: [NoticeSink], for lab: String) {
        self.sinks[lab] = sinks
        for sink in sinks {
            let key = OutletKey(lab: lab, sink: sink.name)
            if outlets[key] == nil {
                outlets[key] = Outlet(sink)
            } else {
                outlets[key]!.sink = sink
                outlets[key]!.digest.gap = sink.gap
            }
        }
    }

    func hasSinks(_ lab: String) -> Bool { sinks[lab]?.isEmpty == false }

    // MARK: What comes up

    mutating func notify(_ text: String, about node: NodeRow, into turn: inout Turn) {
        for sink in sinks[node.lab] ?? [] {
            let key = OutletKey(lab: node.lab, sink: sink.name)
            guard let outlet = outlets[key] else { continue }
            let row = make(node, .notice(sink: sink.name, text: text), turn.now)
            if outlet.rows < Self.rowsMax {
                turn.errandsNew.append(row)
                gather(text, row, key)
            } else {
                outlets[key]!.digest.add(text, about: node.name.description, now: turn.now)
            }
        }
    }

    private mutating func gather(_ text: String, _ row: ErrandRow, _ key: OutletKey) {
        guard outlets[key] != nil else { return }
        outlets[key]!.digest.add(text, about: row.name.description, now: row.at)
        outlets[key]!.last = row.number
        outlets[key]!.rows += 1
    }

    mutating func run(
        _ path: String,
        in folder: String,
        for node: NodeRow,
        mode: String,
        state: String,
        into turn: inout Turn
    ) {
        scriptCounts[node.id, default: 0] += 1
        let count = scriptCounts[node.id]!
        guard count <= Self.scriptsMax else {
            // Said once, until there is room again.
            guard count == Self.scriptsMax + 1 else { return }
            let reason = "\(Self.scriptsMax) scripts of this node wait already; until they have run, no more are"
            return turn.emit(.nodeActionFailed, node: node.id, detail: "SCRIPT:\(path): \(reason)")
        }
        let row = make(node, .script(path: path, folder: folder, mode: mode, state: state), turn.now)
        scripts[ScriptKey(lab: row.lab, number: row.number)] = row
        turn.errandsNew.append(row)
        turn.directives.append(.errand(.script(row)))
    }

    /// Whether it was not said yet that nothing does this.
    mutating func isNews(missing action: String, lab: String) -> Bool {
        missing[lab, default: []].insert(action).inserted
    }

    private mutating func make(_ node: NodeRow, _ kind: ErrandRow.Kind, _ now: Timestamp) -> ErrandRow {
        // By the time, so that no number comes again when all rows before are gone.
        let number = max((lastNumbers[node.lab] ?? 0) + 1, now.rawValue)
        lastNumbers[node.lab] = number
        return ErrandRow(lab: node.lab, number: number, node: node.id, name: node.name, at: now, kind: kind)
    }

    // MARK: Time

    var nextDue: Timestamp? { outlets.values.lazy.compactMap(\.nextDue).min() }

    /// Sends what may go by now.
    mutating func advance(into turn: inout Turn) {
        guard let due = nextDue, due <= turn.now else { return }
        for key in outlets.keys.sorted() {
            guard var outlet = outlets[key], let due = outlet.nextDue, due <= turn.now else { continue }
            if var message = outlet.sending {
                message.attempt += 1
                message.sink = outlet.sink
                outlet.sending = message
                outlet.againAt = nil
            } else if let content = outlet.digest.take(at: turn.now) {
                outlet.sending = NoticeMessage(
                    lab: key.lab,
                    sink: outlet.sink,
                    upTo: outlet.last,
                    attempt: 1,
                    content: content
                )
            }
            outlets[key] = outlet
            if let message = outlet.sending { turn.directives.append(.errand(.notices(message))) }
        }
    }

    // MARK: Ends

    /// A script has ended: how it failed, or nil.
    mutating func scriptEnded(_ lab: String, _ number: Int64, _ failure: String?, into turn: inout Turn) {
        guard let row = scripts.removeValue(forKey: ScriptKey(lab: lab, number: number)) else { return }
        let left = min(scriptCounts[row.node] ?? 0, Self.scriptsMax) - 1
        scriptCounts[row.node] = left > 0 ? left : nil
        turn.errandsDone.append(ErrandDone(lab: lab, sink: nil, number: number))
        guard let failure, case .script(let path, _, _, _) = row.kind else { return }
        turn.emit(.nodeActionFailed, node: row.node, detail: "SCRIPT:\(path): \(failure)")
    }

    /// A message was sent, or could not be, for this reason.
    mutating func noticesEnded(_ message: NoticeMessage, _ failure: String?, into turn: inout Turn) {
        let key = OutletKey(lab: message.lab, sink: message.sink.name)
        guard var outlet = outlets[key], let sending = outlet.sending, outlet.againAt == nil else { return }
        guard sending.upTo == message.upTo, sending.attempt == message.attempt else {
            // It was begun before something was thrown away, and the present one may not have been begun for it.
            outlets[key]!.againAt = turn.now
            return
        }
        let what = "\(message.lab): \(message.sink.name)"
        if let failure {
            let isLast = sending.attempt >= Self.triesMax
            let outcome = isLast ? "given up after \(sending.attempt) tries" : "try \(sending.attempt)"
            turn.emit(.noticeFailed, detail: "\(what): \(outcome): \(failure)")
            if !isLast {
                outlet.againAt = turn.now + Self.pauses[min(sending.attempt, Self.pauses.count) - 1]
                outlets[key] = outlet
                return
            }
        } else {
            let count = message.content.entries.reduce(0) { $0 + $1.count } + message.content.omitted
            turn.emit(.noticeSent, detail: "\(what): \(count)")
        }
        turn.errandsDone.append(ErrandDone(lab: key.lab, sink: key.sink, number: sending.upTo))
        outlet.sending = nil
        outlet.againAt = nil
        outlet.rows = outlet.last > sending.upTo ? outlet.digest.count : 0
        outlets[key] = outlet
    }
}
