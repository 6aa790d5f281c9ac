package import MusterCore
import Synchronization

extension SQLiteStore {
    package func register(host: String, pid: Int32, now: Timestamp) throws(StoreError) -> Epoch {
        let now = clock()
        return try write { writer throws(StoreError) in try writer.register(host: host, pid: pid, now: now) }
    }

    @discardableResult
    package func commit(_ turn: borrowing Turn) throws(StoreError) -> Int64? {
        let turn = copy turn
        // Encoded before the transaction begins: others wait while it is open.
        var specs: [PlanID: String] = [:]
        for (plan, spec) in turn.newSpecs { specs[plan] = try text(of: spec, plan) }
        var facts: [String] = []
        for node in turn.nodes {
            facts.append(node.facts.isEmpty ? "{}" : try StoredJSON.encode(node.facts, "the facts of \(node.name)"))
        }
        let nodeStates = turn.hasNodeStates ? try NodeStateTexts(turn) : nil
        let errands = turn.hasErrands ? try ErrandTexts(turn) : nil
        let now = clock()
        return try write { writer throws(StoreError) in
            try writer.write(
                turn,
                specs: specs,
                facts: facts,
                nodeStates: nodeStates,
                errands: errands,
                now: now
            )
        }
    }

    /// A request as it is stored. A program that starts many plans starts most of them alike: the last is kept.
    private func text(of spec: RunSpec, _ plan: PlanID) throws(StoreError) -> String {
        if let last = lastSpec.withLock({ $0 }), last.spec == spec { return last.text }
        let text = try StoredJSON.encode(spec, "the request of \(RunName(plan))")
        lastSpec.withLock { $0 = (spec, text) }
        return text
    }

    // MARK: Several conductors

    package func join(host: String, pid: Int32, lease: Duration) throws(StoreError) -> Term {
        let now = clock()
        return try write { writer throws(StoreError) in
            try writer.join(host: host, pid: pid, lease: lease, now: now)
        }
    }

    package func declareLost(by term: Term, margin: Duration) throws(StoreError) -> [ConductorID] {
        let now = clock()
        return try write { writer throws(StoreError) in
            try writer.declareLost(by: term, margin: margin, now: now)
        }
    }

    package func claim(by term: Term, limit: Int) throws(StoreError) -> Claim {
        let now = clock()
        return try write { writer throws(StoreError) in try writer.claim(by: term, limit: limit, now: now) }
    }

    package func reserve(plans: Int64, nodes: Int64, by term: Term) throws(StoreError) -> NumberBlock {
        let now = clock()
        return try write { writer throws(StoreError) in
            try writer.reserve(plans: plans, nodes: nodes, by: term, now: now)
        }
    }

    package func leave(_ term: Term) throws(StoreError) {
        try write { writer throws(StoreError) in try writer.leave(term) }
    }

    // MARK: Clients

    package func submit(_ request: Request, at now: Timestamp) throws(StoreError) -> Int64 {
        let text = try StoredJSON.encode(request, "the request")
        let (lab, plan): (String?, PlanID?) =
            switch request.subject {
            case .lab(let lab): (lab, nil)
            case .plan(let plan): (nil, plan)
            }
        return try write { writer throws(StoreError) in try writer.submit(text, at: now, lab: lab, plan: plan) }
    }

    package func withdraw(request id: Int64) throws(StoreError) -> Bool {
        try write { writer throws(StoreError) in try writer.withdraw(id) }
    }

    package func load(_ labs: Set<String>?, for conductor: ConductorID) throws(StoreError) -> Snapshot {
        try read { connection throws(StoreError) in
            var loading = SnapshotLoading(connection, labs: labs)
            return try loading.load(for: conductor)
        }
    }
}
