import MusterTestKit
import Testing

/// Worlds that once went wrong, each with what it found. They stay as they are; what a seed means may change with the
/// simulator, and then it is one more world.
@Suite struct Regressions {
    struct Found: Sendable, CustomTestStringConvertible {
        let kind: Simulation.Kind
        let seed: UInt64
        let what: String
        var events = 500
        init(_ kind: Simulation.Kind, _ seed: UInt64, _ what: String) {
            self.kind = kind
            self.seed = seed
            self.what = what
        }
        var testDescription: String { "\(kind.rawValue) \(seed): \(what)" }
    }

    static let all = [
        Found(.sole, 8, "a run paused in its teardown ran tests again when it was gone on with"),
        Found(.sole, 37, "… and got nodes ready again that were being destroyed"),
        Found(.sole, 553, "… and made a node that its teardown had removed already"),
        Found(.sole, 598, "an undo was tried again on a node that was gone"),
        Found(.sole, 693, "a test that waited for a secret had no outcome when its run was cancelled"),
        Found(.sole, 915, "two chains that remove one node ran at once after a resume"),
        Found(.sole, 975, "a node was destroyed again by the step of an earlier part"),
        Found(.sole, 1240, "one of two that take down was not looked at again when the other was done"),
        Found(.sole, 1336, "a held teardown went on although it was to wait for a person"),
        Found(.sole, 1352, "an act was begun whose outcome had come in the same turn"),
        Found(.sole, 168_613_699_100_287, "a half-made node whose steps were all undone was forgotten by a halt"),
        Found(.shared, 791, "two that take down waited for each other"),
        Found(.shared, 2624, "an undo was tried again beside the end of its chain"),
        Found(.shared, 2657, "two took the same machines down at once"),
        Found(.shared, 2735, "a cancelled run's teardown waited for a retry"),
        Found(.shared, 2769, "the later of two that take down had the lower number, and did not wait"),
        Found(.shared, 2873, "what was taken over was settled twice, and then stood still"),
        Found(.shared, 5_000_705, "files that were put counted as never put, as their next try lacked a secret"),
        Found(.programs, 1, "a plan that was undone, and had not failed, stopped with a result that was pending"),
        Found(.programs, 3, "a paused plan went on without the key of its singleton"),
        Found(
            .programs,
            6,
            "the sub-plans of a retried step went on only when something else happened to their parent"
        ),
        Found(.programs, 14, "a plan that was cancelled while its revert was paused went on with nothing to do"),
        Found(.programs, 17, "a cancel that came when everything was done kept what was done from being finalized"),
        Found(.programs, 18, "a barrier that needed a barrier was not reached"),
        Found(.programs, 19, "two steps finalized at once when one between them was skipped"),
        Found(.programs, 24, "an event for a step of a plan that was cancelled while paused was never told"),
        Found(.programs, 31, "sub-plans were planned for a plan that had stopped"),
        Found(.programs, 36, "sub-plans that were planned, and not stored, were never made"),
        Found(.programs, 51, "sub-plans were made after their parent was cancelled"),
        Found(.programs, 52, "sub-plans were planned for a step that waited for its next try"),
        Found(.programs, 55, "an event that was being told when its step ended was kept for ever"),
        Found(.programs, 57, "a step that was told an event while its sub-plans were planned waited for them for ever"),
        Found(.programs, 66, "a step that stood in line to be told something began its next try without its permit"),
        Found(.programs, 94, "the timer of a retry was left behind by a plan that had stopped"),
        Found(.programs, 98, "a step that went on waiting when it was told of the cancel was told without end"),
        Found(.programs, 113, "a skip handler that had failed was called again for another step's failure"),
        Found(.programs, 204, "a step that timed out while it stood in line kept its plan from ending"),
        Found(.programs, 297, "a failed call was skipped while its plan was reverted, and what came after it began"),
        Found(.programs, 300, "sub-plans were planned for a plan that was paused in the same turn"),
        Found(.programs, 303, "sub-plans were born in the turn that cancelled their parent, and did not hear of it"),
        Found(.programs, 419, "the timer of a retry was left in the store when it had been due"),
        Found(.programs, 991, "a step that stood in line when its plan paused was never begun"),
        Found(.programs, 1093, "a call that had timed out was not told to end when the commit's answer was lost"),
        Found(.programs, 1169, "what came after a skipped step was undone after what came before it"),
        Found(.programs, 1735, "a finalize step that was left began while its plan was reverted"),
        Found(.programs, 1916, "the timeout of a step that was tried again in the turn of its failure was not set"),
        Found(.programs, 4434, "a plan that had begun was frozen"),
        Found(.programs, 5218, "a halted plan that was still to be finalized was a success"),
        Found(.sharedPrograms, 2, "a plan that waited for one of another conductor was not told of its end"),
        Found(.sharedPrograms, 61, "an event whose answer had to be stored again was told twice"),
        Found(.sharedPrograms, 4859, "an event that came in the turn in which its plan ended was kept for ever"),
        Found(.sharedPrograms, 5459, "requests that came in the turn in which a conductor lost its term were not read"),
        Found(.sharedPrograms, 456, "a batch of sub-plans that was not begun was taken for a call of its step"),
        Found(.sharedPrograms, 226, "a worker of a queue was free before its call was told to end"),
        Found(
            .sharedPrograms,
            2151,
            "a step that was to be skipped, and was tried again instead, kept its plan from ending"
        ),
    ]

    @Test(arguments: all)
    func staysMended(_ found: Found) async {
        let failure = await WorldThread.run {
            Simulation(seed: found.seed, events: found.events, kind: found.kind).run().failure
        }
        #expect(failure == nil, "it once found: \(found.what)")
    }
}
