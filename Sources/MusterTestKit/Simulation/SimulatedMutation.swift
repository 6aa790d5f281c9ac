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
    /// An event that was told stays, and is told again after a restart.
    case eventIsToldAgain = "event-is-told-again"
    /// A step lets go of its permits, and the store does not hear of it.
    case permitIsNotReleased = "permit-is-not-released"
    /// Everybody who asks for a limit is told that it is theirs.
    case limitIsIgnored = "limit-is-ignored"
    /// After a restart nobody knows that a failure was dealt with.
    case rescueIsForgotten = "rescue-is-forgotten"
    /// After a restart a step counts as never begun, and is not undone.
    case revertForgetsAStep = "revert-forgets-a-step"
    /// After a restart what is undone does not wait for what came after it.
    case revertOrderIsForgotten = "revert-order-is-forgotten"
    /// After a restart a sub-plan is counted twice.
    case childIsCountedTwice = "child-is-counted-twice"
    /// After a restart nobody knows what a suspended step has sent to itself for later.
    case sleepIsForgotten = "sleep-is-forgotten"
    /// After a restart what may not be repeated is.
    case neverIsRepeated = "never-is-repeated"
    /// After a restart a chained plan waits for nobody.
    case chainIsForgotten = "chain-is-forgotten"
    /// After a restart the singleton is one no more.
    case singletonIsForgotten = "singleton-is-forgotten"
    /// A conductor performs more calls of a queue than it may.
    case queuesAreIgnored = "queues-are-ignored"
}
