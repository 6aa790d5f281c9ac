import Glibc
import MusterSupervision
import MusterTestControl

/// One operation that is under way, or whose leftovers live on with the node.
final class Operation {
    enum Phase: Equatable {
        /// Its program runs.
        case running
        /// TERM was sent; KILL follows at that time.
        case terminating(until: Int64)
        /// KILL was sent to all that were found; whoever appears since gets it too. Given up at that time.
        case killing(until: Int64)
        /// Its end is recorded; processes it left live on.
        case left
    }

    /// Without the values of secrets, unless it is the server's, which may be started again.
    let spec: OperationSpec
    let folder: OperationFolder
    let main: ProcessIdentity
    let startedAt: Int64
    var spool: Spool
    /// What a test reports; nil where it has no descriptor for that.
    var control: ControlSpool?
    var phase = Phase.running
    /// How its program ended, as `waitpid` says it; nil while it runs.
    var mainEnd: Int32?
    var timedOut = false
    var interrupted = false
    var leftovers: Int32 = 0
    /// On the clock of deadlines.
    var deadline: Int64?
    /// Sessions in which its processes have been seen.
    var sessions: Set<Int32>
    /// Answers that are due at its end: `.ended` or `.done`.
    var waiters: [Waiter] = []
    /// Whether its end is wanted: the server's end is then no loss.
    var isWanted = false

    struct Waiter {
        enum Answer { case record, done }
        let connection: Int32
        let number: UInt32
        let answer: Answer
    }

    init(
        spec: OperationSpec,
        folder: OperationFolder,
        main: ProcessIdentity,
        startedAt: Int64,
        spool: Spool,
        control: ControlSpool? = nil
    ) {
        self.spec = spec
        self.folder = folder
        self.main = main
        self.startedAt = startedAt
        self.spool = spool
        self.control = control
        let now = Clock.monotonic()
        deadline = spec.timeout.map { now + $0 }
        self.control?.clock = spec.timeout.map { DurationClock(duration: $0, now: now) }
        sessions = [main.pid]
    }

    var id: String { spec.operation }
    var isMainAlive: Bool { mainEnd == nil }

    /// When something is due, on the clock of deadlines.
    var nextDeadline: Int64? {
        switch phase {
        case .running: deadline
        case .terminating(let until), .killing(let until): until
        case .left: nil
        }
    }

    /// Takes what the test has said, and moves its deadline as it asks.
    func drainControl() {
        control?.drain(now: Clock.monotonic())
        if phase == .running, let clock = control?.clock { deadline = clock.deadline }
    }

    func record(endedAt: Int64) -> ExitRecord {
        var record = ExitRecord(operation: id, startedAt: startedAt, endedAt: endedAt)
        if let end = mainEnd {
            if end & 0x7F == 0 { record.status = end >> 8 & 0xFF } else { record.signal = end & 0x7F }
        }
        record.timedOut = timedOut
        record.interrupted = interrupted
        record.outputKept = spool.kept
        record.outputDropped = spool.dropped
        record.leftovers = leftovers
        return record
    }
}
