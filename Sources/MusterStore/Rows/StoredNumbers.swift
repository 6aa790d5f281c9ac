package import MusterCore

/// An enum that the database keeps as a small number.
///
/// The numbers are part of the format (`docs/formats/state.md`): one is never changed or used again for something else.
package protocol StoredAsNumber: CaseIterable, Sendable {
    var number: Int64 { get }
    static var byNumber: NumberTable<Self> { get }
}

/// Finds the case of a number that was read; nil for a number that this version does not know.
package struct NumberTable<Value: StoredAsNumber>: Sendable {
    private let values: [Value?]

    fileprivate init() {
        var values: [Value?] = []
        for value in Value.allCases {
            let place = Int(value.number)
            while values.count <= place { values.append(nil) }
            precondition(values[place] == nil, "two cases of \(Value.self) have the number \(place)")
            values[place] = value
        }
        self.values = values
    }

    package subscript(_ number: Int64) -> Value? {
        number >= 0 && number < Int64(values.count) ? values[Int(number)] : nil
    }
}

extension Verb: StoredAsNumber {
    package static let byNumber = NumberTable<Verb>()
    package var number: Int64 {
        switch self {
        case .up: 0
        case .test: 1
        case .down: 2
        case .exec: 3
        case .plan: 4
        case .reboot: 5
        case .power: 6
        case .provision: 7
        }
    }
}

extension PlanState: StoredAsNumber {
    package static let byNumber = NumberTable<PlanState>()
    package var number: Int64 {
        switch self {
        case .pending: 0
        case .scheduled: 1
        case .planning: 2
        case .planned: 3
        case .running: 4
        case .paused: 5
        case .stopped: 6
        }
    }
}

extension PlanResult: StoredAsNumber {
    package static let byNumber = NumberTable<PlanResult>()
    package var number: Int64 {
        switch self {
        case .pending: 0
        case .success: 1
        case .warning: 2
        case .error: 3
        case .cancelled: 4
        }
    }
}

extension PlanPhase: StoredAsNumber {
    package static let byNumber = NumberTable<PlanPhase>()
    package var number: Int64 {
        switch self {
        case .main: 0
        case .teardown: 1
        case .finalize: 2
        case .revert: 3
        }
    }
}

extension ActionKind: StoredAsNumber {
    package static let byNumber = NumberTable<ActionKind>()
    package var number: Int64 {
        switch self {
        case .barrier: 0
        case .noop: 1
        case .provision: 2
        case .ready: 3
        case .undo: 4
        case .destroy: 5
        case .before: 6
        case .after: 7
        case .attempt: 8
        case .exec: 9
        case .call: 10
        case .finalize: 11
        case .revert: 12
        case .command: 13
        case .pause: 14
        case .capability: 15
        case .member: 16
        }
    }
}

extension StepState: StoredAsNumber {
    package static let byNumber = NumberTable<StepState>()
    package var number: Int64 {
        switch self {
        case .pending: 0
        case .running: 1
        case .suspended: 2
        case .success: 3
        case .error: 4
        case .skipping: 5
        case .skipped: 6
        case .cancelled: 7
        }
    }
}

extension StepError.Code: StoredAsNumber {
    package static let byNumber = NumberTable<StepError.Code>()
    package var number: Int64 {
        switch self {
        case .exited: 0
        case .signalled: 1
        case .timedOut: 2
        case .notStarted: 3
        case .lost: 4
        case .notReady: 5
        case .unresolved: 6
        case .refused: 7
        case .cancelled: 8
        case .file: 9
        case .missingSecret: 10
        case .unknown: 11
        case .thrown: 12
        case .noAction: 13
        case .badValue: 14
        case .children: 15
        }
    }
}

extension NodeState: StoredAsNumber {
    package static let byNumber = NumberTable<NodeState>()
    package var number: Int64 {
        switch self {
        case .creating: 0
        case .starting: 1
        case .ready: 2
        case .lost: 3
        case .stopped: 4
        case .failed: 5
        case .quarantined: 6
        case .gone: 7
        }
    }
}

extension Outcome: StoredAsNumber {
    package static let byNumber = NumberTable<Outcome>()
    package var number: Int64 {
        switch self {
        case .pass: 0
        case .fail: 1
        case .info: 2
        case .warn: 3
        case .skip: 4
        case .error: 5
        case .infra: 6
        }
    }
}

extension EventRow.Kind: StoredAsNumber {
    package static let byNumber = NumberTable<EventRow.Kind>()
    package var number: Int64 {
        switch self {
        case .conductorStarted: 0
        case .requestRefused: 1
        case .planCreated: 2
        case .planStarted: 3
        case .planPaused: 4
        case .planResumed: 5
        case .planCancelling: 6
        case .planTeardown: 7
        case .planHalted: 8
        case .planStopped: 9
        case .stepStarted: 10
        case .stepRetrying: 11
        case .stepSucceeded: 12
        case .stepFailed: 13
        case .stepSkipped: 14
        case .stepCancelled: 15
        case .nodeCreating: 16
        case .nodeStarting: 17
        case .nodeReady: 18
        case .nodeLost: 19
        case .nodeFailed: 20
        case .nodeStopped: 21
        case .nodeGone: 22
        case .nodeReplaced: 23
        case .attemptEnded: 24
        case .stepReturned: 25
        case .stepReopened: 26
        case .planScheduled: 27
        case .planFinalizing: 28
        case .planReverting: 29
        case .stepSuspended: 30
        case .stepWoken: 31
        case .stepSkipping: 32
        case .stepEdited: 33
        case .signalRejected: 34
        case .nodeState: 35
        case .nodeMode: 36
        case .nodeInvalid: 37
        case .nodeTrigger: 38
        case .nodeTimeout: 39
        case .nodeCommand: 40
        case .nodeGivenUp: 41
        case .nodeNotified: 42
        case .nodeReportRefused: 43
        case .nodeActionFailed: 44
        case .noticeSent: 45
        case .noticeFailed: 46
        }
    }
}
