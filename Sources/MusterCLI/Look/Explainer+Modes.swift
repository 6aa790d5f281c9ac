import MusterCore
import MusterStore

extension Explainer {
    /// What its mode and state are, and what they wait for.
    func tellMode(of node: NodeRow, in answer: inout Explanation) throws {
        guard let row = try lookup.read({ () throws(StoreError) in try store.nodeState(of: node.id) }) else { return }
        let place = "\(row.mode)/\(row.state)"
        var text = "by its mode table since \(row.since.rfc3339)"
        if let goal = row.goal { text += ", on its way to \(goal)" }
        if row.flags.contains(.givenUp) { text += "; given up: all was tried, and it did not come up" }
        if row.flags.contains(.isLeftDown) { text += "; a person has taken it down, nothing repairs it" }
        answer.because.append(.init(thing: answer.thing, state: place, text: text))
        if let command = row.command {
            let next = "the next try is at \(command.deadline.at.rfc3339)"
            answer.waitsFor.append("'\(command.name)' to be obeyed: try \(command.attempt) of its rung; \(next)")
        }
        if let deadline = row.deadline {
            answer.waitsFor.append("another state than \(row.state); it times out at \(deadline.at.rfc3339)")
        }
        answer.youCan.append("muster nodes \(node.name) --history")
        if row.flags.contains(.givenUp) || row.flags.contains(.isLeftDown) {
            answer.youCan.insert("muster reboot \(node.name) --force", at: 0)
        }
    }
}
