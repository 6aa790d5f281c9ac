/// Optional numbers in eight bytes each: one value, the smallest there is, stands for nil.
///
/// A plan has several of them for each step; as optionals they would take twice the room. As long as all are nil they
/// take none.
struct CompactOptionals<Value: RawRepresentable<Int64> & Sendable>: Sendable {
    private var raw: [Int64] = []
    private var count = 0
    private var capacity = 0

    private static var none: Int64 { .min }

    mutating func appendNil() {
        count += 1
        if !raw.isEmpty { raw.append(Self.none) }
    }

    mutating func reserve(_ count: Int) { capacity = count }

    subscript(_ index: Int) -> Value? {
        get {
            if raw.isEmpty { return nil }
            let value = raw[index]
            return value == Self.none ? nil : Value(rawValue: value)
        }
        set {
            if raw.isEmpty {
                guard newValue != nil else { return }
                raw.reserveCapacity(max(capacity, count))
                raw.append(contentsOf: repeatElement(Self.none, count: count))
            }
            raw[index] = newValue?.rawValue ?? Self.none
        }
    }
}

/// How many steps are in each state.
struct StepCounts: Sendable {
    private var pending = 0
    private var running = 0
    private var suspended = 0
    private var success = 0
    private var error = 0
    private var skipping = 0
    private var skipped = 0
    private var cancelled = 0

    subscript(_ state: StepState) -> Int {
        get {
            switch state {
            case .pending: pending
            case .running: running
            case .suspended: suspended
            case .success: success
            case .error: error
            case .skipping: skipping
            case .skipped: skipped
            case .cancelled: cancelled
            }
        }
        set {
            switch state {
            case .pending: pending = newValue
            case .running: running = newValue
            case .suspended: suspended = newValue
            case .success: success = newValue
            case .error: error = newValue
            case .skipping: skipping = newValue
            case .skipped: skipped = newValue
            case .cancelled: cancelled = newValue
            }
        }
    }
}

/// What is looked at again and again of a step, side by side.
struct StepCell: Sendable {
    var state: StepState
    /// Whether its end was already told to those that start after failure.
    var endWasTold = false
    /// Whether it stands among the ready steps or in a pool, so that it stands there once.
    var isQueued = false
    /// Whether the next commit writes it.
    var isDirty = false
    var tries: Int32 = 0
    /// How many of the steps it needs are still to succeed.
    var waiting: Int32
    var mayStart: Bool { state == .pending && waiting <= 0 }
}
