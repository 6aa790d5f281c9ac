/// Why a request was not taken, as its event carries it.
package struct Refusal: Hashable, Sendable {
    package enum Reason: Hashable, Sendable {
        case inUse(by: PlanID, verb: Verb, groups: [String])
        /// What is to be taken down is needed by what stays.
        case needed(groups: [String], by: [StandingGroups.Dependent])
        case noNode(NodeName, state: NodeState?)
        /// Its rows do not fit together; `flaw` says how.
        case broken(PlanID, flaw: String)
        case otherHost(PlanID, host: String)
        /// There is no such run, or it has ended.
        case ended(PlanID)
        /// Nothing decides about the modes and states of its nodes.
        case noModes(lab: String)
        /// What was said of a node changes nothing, for this reason.
        case notTaken(NodeName, reason: String)
        /// A test asks for nodes that cannot be had at once.
        case badRoles(test: String, flaw: String)
        /// What was asked for does not fit the state it is in.
        case notPossible(PlanID, reason: String)

        /// Every word that `code` can be.
        package static let codes = [
            "in-use", "needed", "no-node", "broken", "other-host", "ended", "no-modes", "not-taken",
            "not-possible", "bad-roles",
        ]

        /// A stable word for programs.
        package var code: String {
            switch self {
            case .inUse: "in-use"
            case .needed: "needed"
            case .noNode: "no-node"
            case .broken: "broken"
            case .otherHost: "other-host"
            case .ended: "ended"
            case .noModes: "no-modes"
            case .notTaken: "not-taken"
            case .notPossible: "not-possible"
            case .badRoles: "bad-roles"
            }
        }

        package var message: String {
            switch self {
            case .inUse(let plan, let verb, let groups):
                let what = groups.isEmpty ? "the lab" : groups.map { "'\($0)'" }.joined(separator: ", ")
                return
                    "\(what) in use by run \(RunName(plan)) (\(verb.rawValue)); wait for it, or: muster cancel \(RunName(plan))"
            case .needed(let groups, let dependents):
                let who = dependents.prefix(5).map(\.text).joined(separator: ", ")
                let more = dependents.count > 5 ? " and \(dependents.count - 5) more" : ""
                let what = groups.map { "'\($0)'" }.joined(separator: ", ")
                let need = dependents.count == 1 ? "needs" : "need"
                let command = "muster down \(groups.joined(separator: " "))"
                return
                    "\(who)\(more), and \(need) \(what); take down what needs it, too: \(command) --cascade; or not: \(command) --force"
            case .noNode(let name, nil): return "there is no node \(name); bring it up: muster up \(name.group)"
            case .noNode(let name, .some(let state)):
                return "node \(name) is \(state.rawValue), not ready; see: muster why \(name)"
            case .broken(let plan, let flaw):
                return
                    "run \(RunName(plan)) is broken: \(flaw); nothing can go on with it; end it: muster halt \(RunName(plan))"
            case .otherHost(let plan, let host):
                return
                    "run \(RunName(plan)) has its machines on host \(host); only a muster on that host can do this: run it there"
            case .notPossible(let plan, let reason):
                return "run \(RunName(plan)): \(reason); see: muster why \(RunName(plan))"
            case .badRoles(let test, let flaw):
                return "test \(test) cannot run: \(flaw); ask for less in its roles, or give the group more nodes"
            case .notTaken(let node, let reason): return "\(node) stays as it is: \(reason)"
            case .noModes(let lab):
                return "lab '\(lab)' has no mode table; name one in its file (modes: linux), or: muster modes use FILE"
            case .ended(let plan):
                return "run \(RunName(plan)) has ended, or there is none of that name; see: muster runs"
            }
        }
    }

    /// The client's own name for its request, or `#17` where a request has only a number.
    package var token: String
    package var code: String
    package var message: String

    init(token: String, reason: Reason) {
        self.token = token
        code = reason.code
        message = reason.message
    }

    /// What a refusal names a request by that has no token.
    package static func token(of request: Int64) -> String { "#\(request)" }

    var text: String { "\(token) \(code) \(message)" }

    /// Reads the detail of a `request.refused` event.
    package init?(_ text: String) {
        let parts = text.split(separator: " ", maxSplits: 2)
        guard parts.count == 3 else { return nil }
        token = String(parts[0])
        code = String(parts[1])
        message = String(parts[2])
    }
}
