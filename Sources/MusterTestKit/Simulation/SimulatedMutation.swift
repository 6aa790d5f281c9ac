/// Faults of the product, planted on purpose in the parts around it: the simulation must find each of them.
package enum SimulatedMutation: String, CaseIterable, Sendable {
    /// The store takes turns of conductors that were fenced.
    case fenceIsSkipped = "fence-is-skipped"
    /// A conductor acts after its lease has ended.
    case leaseIsIgnored = "lease-is-ignored"
    /// A conductor that is alive is declared lost, and its labs taken.
    case livingIsRobbed = "living-is-robbed"
    /// Directives leave before their turn is committed.
    case actsBeforeCommit = "acts-before-commit"
    /// Only a part of a turn is written.
    case commitIsTorn = "commit-is-torn"
    /// A state changes without an event.
    case eventIsLost = "event-is-lost"
    /// A timer is decided and not stored.
    case timerIsNotStored = "timer-is-not-stored"
    /// A conductor does not wake when a timer is due.
    case timerIsForgotten = "timer-is-forgotten"
    /// A conductor does not wake for what has arrived.
    case wakeUpIsLost = "wake-up-is-lost"
    /// A request is taken out of the inbox and not decided.
    case requestIsLost = "request-is-lost"
    /// The outcome of an act does not reach the Director.
    case outcomeIsLost = "outcome-is-lost"
    /// An outcome counts for whichever try of its step runs now.
    case outcomeIsNotMatched = "outcome-is-not-matched"
    /// A supervisor starts an operation again that it has a record of.
    case operationStartsAgain = "operation-starts-again"
    /// An act in doubt is begun as another operation beside the first.
    case actInDoubtIsAnother = "act-in-doubt-is-another"
    /// Nobody looks for what a lost conductor has left running.
    case surveyIsForgotten = "survey-is-forgotten"
    /// A follower goes on with a run that is paused.
    case followerIsAPerson = "follower-is-a-person"
    /// A run that somebody asked to go on stays as it was interrupted.
    case askedForIsHeld = "asked-for-is-held"
    /// After a restart nothing waits for anything in a teardown.
    case teardownOrderIsForgotten = "teardown-order-is-forgotten"
    /// After a restart nobody knows that a node was provisioned: nothing is undone.
    case undoIsForgotten = "undo-is-forgotten"
    /// After a restart everything counts as started: what never was is undone.
    case undoOfWhatNeverWas = "undo-of-what-never-was"
    /// An attempt that was ended on request spends a rerun.
    case cancelledAttemptIsARerun = "cancelled-attempt-is-a-rerun"
    /// A step that succeeded runs again after a restart.
    case successRunsAgain = "success-runs-again"
    /// After a restart a step starts although what it needs has not ended.
    case needsAreForgotten = "needs-are-forgotten"
}
