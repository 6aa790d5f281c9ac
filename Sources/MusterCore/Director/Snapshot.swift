/// What a conductor begins with.
package struct Snapshot: Sendable {
    package struct Plan: Sendable {
        package var row: PlanRow
        package var spec: RunSpec
        package var steps: [StepRow]
        package var timers: [TimerRow]
        package var attempts: [AttemptRow]
        /// What was sent to its steps and is not delivered, by number.
        package var signals: [SignalRow] = []
        /// What came of its steps' sub-plans.
        package var children: [StepIndex: ChildCounts] = [:]
        /// What its steps hold and ask for.
        package var permits: [PermitRow] = []

        package init(row: PlanRow, spec: RunSpec, steps: [StepRow], timers: [TimerRow], attempts: [AttemptRow]) {
            self.row = row
            self.spec = spec
            self.steps = steps
            self.timers = timers
            self.attempts = attempts
        }
    }

    /// Those that are not stopped, by number.
    package var plans: [Plan] = []
    /// Those that are not gone.
    package var nodes: [NodeRow] = []
    /// The request of every plan that made one of `nodes`.
    package var specs: [PlanID: RunSpec] = [:]
    /// The modes and states of nodes, and the tables by which they are decided.
    package var nodeStates: [NodeStateRow] = []
    package var modeSets: [String: ModeSet] = [:]
    /// Reports that were taken of late.
    package var reportMarks: [ReportMark] = []
    /// How far the files of reports of nodes were read.
    package var reportPositions: [NodeID: ReportPosition] = [:]
    /// What is to be done outside and is not known to be done, and where notifications go.
    package var errands: [ErrandRow] = []
    package var noticeSinks: [String: [NoticeSink]] = [:]
    /// The highest numbers in use, 0 when there is none.
    package var lastPlan: Int64 = 0
    package var lastNode: Int64 = 0
    /// How many events were written in the loading conductor's term.
    package var lastEvent: Int64 = 0
    /// Plans whose rows are broken, with what is wrong: they are left alone, and their users are told.
    package var broken: [PlanID: String] = [:]
    /// The rows of those among `broken` whose own row can be read: with it they can still be given up on.
    package var brokenRows: [PlanID: PlanRow] = [:]

    package init() {}
}
