/// One world from one seed on one thread: conductors, a store, machines, clocks, users, and everything that can go
/// wrong between them. After every event what must always hold is checked.
///
/// The conductors are real (`ConductorCore`, with its Director); what is around them is pretended: a store that fails,
/// supervisors that outlive everybody, messages that come late, twice or never, clocks that differ, users who change
/// their minds. The world first lives through its chaos, then the faults stop, the users go on with what is paused, and
/// everything must end or say why it does not.
package struct Simulation {
    package let seed: UInt64
    /// How many events the chaos lasts.
    package let events: Int
    /// A fault of the product that is planted on purpose; nil in earnest.
    package let mutation: SimulatedMutation?
    package let kind: Kind

    /// How conductors share the state.
    package enum Kind: String, Sendable, CaseIterable {
        /// One at a time; another that starts ends its term.
        case sole
        /// Several, by leases and claims.
        case shared
        /// One at a time; users start programs.
        case programs
        /// Several, and users start programs.
        case sharedPrograms = "shared-programs"

        var isShared: Bool { self == .shared || self == .sharedPrograms }
        var performsPrograms: Bool { self == .programs || self == .sharedPrograms }
    }

    /// - Parameter kind: drawn from the seed when nil.
    package init(
        seed: UInt64,
        events: Int = Simulation.eventsDefault,
        kind: Kind? = nil,
        mutation: SimulatedMutation? = nil
    ) {
        self.seed = seed
        self.events = events
        self.mutation = mutation
        self.kind = kind ?? Self.kind(of: seed)
    }

    private static func kind(of seed: UInt64) -> Kind {
        let isShared = SimulatedChance(seed: ~seed).oneIn(2)
        let performsPrograms = SimulatedChance(seed: seed ^ 0x4B49_4E44).oneIn(2)
        if performsPrograms { return isShared ? .sharedPrograms : .programs }
        return isShared ? .shared : .sole
    }

    package static let eventsDefault = 1000

    /// What came of a world.
    package struct Report: Sendable {
        package var seed: UInt64
        package var events: Int
        package var kind: Kind
        /// What was violated first; nil when nothing was.
        package var violation: String?
        /// The checksum of everything that happened.
        package var trace: UInt64
        package var counts: Counts

        /// The one line that says what was violated and how to see it again; nil when nothing was.
        package var failure: String? {
            violation.map { "muster-bench simulate --seed \(seed) --events \(events) --kind \(kind.rawValue): \($0)" }
        }
    }

    /// What happened how often, to see that the chaos reaches what it should.
    package struct Counts: Sendable, Hashable {
        package var happenings = 0
        package var turns = 0
        package var commits = 0
        package var failedCommits = 0
        package var crashes = 0
        package var fenced = 0
        package var starts = 0
        package var operations = 0
        package var attached = 0
        package var refusedByMachines = 0
        package var lostNodes = 0
        package var duplicates = 0
        package var plans = 0
        package var refusals = 0
        package var resumes = 0
        package var paused = 0
        package var takenOver = 0
        package var dropped = 0
        package var programs = 0
        package var calls = 0
        package var events = 0
        package var subPlans = 0
        package var skipped = 0
        package var reverted = 0
        package var finalized = 0
        package var suspended = 0
        package var rejected = 0

        package init() {}

        package mutating func add(_ other: Counts) {
            happenings += other.happenings
            turns += other.turns
            commits += other.commits
            failedCommits += other.failedCommits
            crashes += other.crashes
            fenced += other.fenced
            starts += other.starts
            operations += other.operations
            attached += other.attached
            refusedByMachines += other.refusedByMachines
            lostNodes += other.lostNodes
            duplicates += other.duplicates
            plans += other.plans
            refusals += other.refusals
            resumes += other.resumes
            paused += other.paused
            takenOver += other.takenOver
            dropped += other.dropped
            programs += other.programs
            calls += other.calls
            events += other.events
            subPlans += other.subPlans
            skipped += other.skipped
            reverted += other.reverted
            finalized += other.finalized
            suspended += other.suspended
            rejected += other.rejected
        }
    }

    /// Lets the world live to its end, or to the first violation.
    ///
    /// - Parameter tell: gets each event in words, when somebody wants to read along.
    package func run(telling tell: ((String) -> Void)? = nil) -> Report {
        let world = SimulatedWorld(seed: seed, events: events, kind: kind, mutation: mutation)
        world.tell = tell
        world.live()
        return Report(
            seed: seed,
            events: events,
            kind: kind,
            violation: world.violation,
            trace: world.trace.value,
            counts: world.counts
        )
    }
}

/// What a world records of its violations: only the first counts, everything after it is its consequence.
final class SimulatedVerdict {
    private(set) var violation: String?

    func expect(_ condition: Bool, _ text: @autoclosure () -> String) {
        if !condition, violation == nil { violation = text() }
    }

    func violated(_ text: String) { if violation == nil { violation = text } }
}
