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
        Found(.shared, 791, "two that take down waited for each other"),
        Found(.shared, 2624, "an undo was tried again beside the end of its chain"),
        Found(.shared, 2657, "two took the same machines down at once"),
        Found(.shared, 2735, "a cancelled run's teardown waited for a retry"),
        Found(.shared, 2769, "the later of two that take down had the lower number, and did not wait"),
        Found(.shared, 2873, "what was taken over was settled twice, and then stood still"),
        Found(.shared, 5_000_705, "files that were put counted as never put, as their next try lacked a secret"),
    ]

    @Test(arguments: all)
    func staysMended(_ found: Found) async {
        let failure = await WorldThread.run {
            Simulation(seed: found.seed, events: found.events, kind: found.kind).run().failure
        }
        #expect(failure == nil, "it once found: \(found.what)")
    }
}
