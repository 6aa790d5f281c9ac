package import MusterCore

/// What plans of programs store besides, queries, and cleaning.
extension MemoryStore {
    package func define(_ limits: [LimitRow], by term: Term) throws(StoreError) {
        let now = clock()
        try withRows { rows throws(StoreError) in
            try rows.conductors.require(term)
            rows.conductors.renew(term, events: 0, now: now)
            rows.permits.define(limits, now: now)
        }
    }

    package func grantPermits(by term: Term) throws(StoreError) {
        let now = clock()
        try withRows { rows throws(StoreError) in
            try rows.conductors.require(term)
            rows.conductors.renew(term, events: 0, now: now)
            rows.permits.grantDue(now: now)
        }
    }

    package func permits(of labs: Set<String>?) throws(StoreError) -> Permits {
        try withRows { $0.permits(of: labs) }
    }

    package func line(for limit: String) throws(StoreError) -> [PermitRow] {
        try withRows { $0.line(for: limit) }
    }

    package func signals(of id: PlanID) throws(StoreError) -> [SignalRow] { try withRows { $0.signals(of: id) } }

    package func children(of step: StepID) throws(StoreError) -> ChildCounts {
        try withRows { $0.children(of: step) }
    }

    package func chunks(of step: StepID, after number: Int64, limit: Int) throws(StoreError) -> [ChunkRow] {
        try withRows { rows in
            Array((rows.chunks[step] ?? []).drop { $0.number <= number }.prefix(max(limit, 0)))
        }
    }

    package func plans(matching query: PlanQuery) throws(StoreError) -> [PlanRow] {
        try withRows { rows in
            let plans = rows.plans(matching: query).filter { query.isAfter($0.id) }.sorted { $0.id < $1.id }
            return Array((query.order == .oldest ? plans : plans.reversed()).prefix(max(query.limit, 0)))
        }
    }

    package func counts(matching query: PlanQuery) throws(StoreError) -> [PlanState: Int] {
        try withRows { rows in
            rows.plans(matching: query).reduce(into: [:]) { $0[$1.state, default: 0] += 1 }
        }
    }

    package func cleanable(_ rule: CleaningRule) throws(StoreError) -> [PlanRow] {
        try withRows { $0.cleanable(rule) }
    }

    package func clean(_ rule: CleaningRule, by term: Term) throws(StoreError) -> [PlanID] {
        let now = clock()
        return try withRows { rows throws(StoreError) in try rows.clean(rule, by: term, now: now) }
    }
}
