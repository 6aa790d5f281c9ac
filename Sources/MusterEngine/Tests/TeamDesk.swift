import Logging
import MusterCore
import MusterDrivers
import Synchronization

/// Keeps the barriers of tests that run on several nodes: listens on each of their nodes, and tells who may go on.
///
/// It decides by what the nodes say alone, so nothing of it is stored: another conductor listens, hears the same again,
/// and comes to the same decisions. That a member has ended counts only when its node was heard.
final class TeamDesk: Sendable {
    /// One member of one attempt.
    struct Seat: Sendable {
        /// The attempt's own step.
        let team: StepID
        let member: Int
        /// What people call all of them, in order.
        let titles: [String]
        /// Those of them that run nothing.
        let idle: Set<Int>
        /// Of a test of an fmf tree.
        let frame: TestFrame?
        let node: NodeHandle
        let driver: any Driver

        /// Whether the member has come to its end by this, and is not to begin again.
        func isLeft(after outcome: ActOutcome, try number: Int32) -> Bool {
            guard case .exited(let exit) = outcome else { return true }
            let restarts = Int(number) - 1
            if exit.findings?.notSetUp == true { return true }
            if exit.findings?.restarts == true { return restarts >= Defaults.restartsMax }
            guard let frame, let status = exit.status, frame.restartCodes.contains(status) else { return true }
            return restarts >= frame.restartsMax
        }
    }

    private struct Member {
        let seat: Seat
        let listener: Task<Void, Never>
        /// Whether all was told that was there when the listening began.
        var isHeard = false
        var hasEnded = false
    }

    private struct Team {
        var barriers: Barriers
        var members: [Int: Member] = [:]
        var releases: [Task<Void, Never>] = []
    }

    private let teams = Mutex<[StepID: Team]>([:])
    /// What was told to end and has not ended yet.
    private let endings = Mutex<[Task<Void, Never>]>([])
    private let logger: Logger

    init(logger: Logger) { self.logger = logger }

    /// The folder of a team in the folder of each of its nodes.
    static func folder(of team: StepID) -> String { "team-\(RunName(team.plan))-\(team.index)" }

    /// A member is at work, or may have been. Said again, nothing happens.
    func join(_ seat: Seat) {
        teams.withLock { teams in
            var team = teams[seat.team] ?? Team(barriers: Barriers(titles: seat.titles, idle: seat.idle))
            if team.members[seat.member]?.hasEnded == true {
                // The attempt was given up, and is begun anew.
                dismiss(team)
                team = Team(barriers: Barriers(titles: seat.titles, idle: seat.idle))
            }
            guard team.members[seat.member] == nil else { return }
            // Cancelled when all have ended, and awaited in `stop()`.
            let listener = Task { await listen(seat) }
            team.members[seat.member] = Member(seat: seat, listener: listener)
            teams[seat.team] = team
        }
    }

    /// A member has ended, and does not begin again.
    func end(_ seat: Seat) {
        change(seat) { team in
            team.members[seat.member]?.hasEnded = true
            return Self.ending(seat.member, of: &team)
        }
    }

    private static func ending(_ member: Int, of team: inout Team) -> [Barriers.Release] {
        guard let known = team.members[member], known.isHeard, known.hasEnded else { return [] }
        return team.barriers.end(member)
    }

    /// Changes what is known of a team, and tells members what comes of it.
    private func change(_ seat: Seat, _ body: (inout Team) -> [Barriers.Release]) {
        teams.withLock { teams in
            guard var team = teams[seat.team] else { return }
            for release in body(&team) {
                guard let member = team.members[release.member] else { continue }
                // Awaited with the team's other tasks.
                team.releases.append(Task { await tell(release, member.seat) })
            }
            guard team.barriers.allHaveEnded else {
                teams[seat.team] = team
                return
            }
            teams[seat.team] = nil
            dismiss(team)
        }
    }

    /// The teams that are known.
    var present: [StepID] { teams.withLock { Array($0.keys) } }

    /// Forgets a team of which nobody is at work any more.
    func forget(_ id: StepID) {
        guard let team = teams.withLock({ $0.removeValue(forKey: id) }) else { return }
        dismiss(team)
    }

    /// Has a team's tasks end; the last of those that end waits for the others before it.
    private func dismiss(_ team: Team) {
        let tasks = team.members.values.map(\.listener) + team.releases
        for task in tasks { task.cancel() }
        endings.withLock { endings in
            let before = endings.last
            // Awaited in `stop()`.
            endings = [
                Task {
                    await before?.value
                    for task in tasks { await task.value }
                }
            ]
        }
    }

    // MARK: Nodes

    private func listen(_ seat: Seat) async {
        var delay = Duration.milliseconds(100)
        while !Task.isCancelled {
            do {
                let place = try await seat.driver.shellPlace(of: seat.node)
                try await NodeBarriers(at: place, folder: Self.folder(of: seat.team)).listen { sighting in
                    self.change(seat) { team in
                        switch sighting {
                        case .arrival(let barrier): return team.barriers.arrive(seat.member, at: barrier)
                        case .allThereWere:
                            team.members[seat.member]?.isHeard = true
                            return Self.ending(seat.member, of: &team)
                        }
                    }
                }
            } catch {
                guard !Task.isCancelled, !seat.node.tenure.isOver else { return }
                logger.debug("\(seat.node.name): barriers are not heard: \(error)")
                if Self.isGone(error) {
                    change(seat) { team in
                        team.members[seat.member]?.isHeard = true
                        return Self.ending(seat.member, of: &team)
                    }
                    return
                }
            }
            await pause(delay)
            delay = min(delay * 2, .seconds(5))
        }
    }

    /// Whether there is nothing to hear: the node is gone.
    private static func isGone(_ error: any Error) -> Bool { (error as? StepError)?.code == .lost }

    private func tell(_ release: Barriers.Release, _ seat: Seat) async {
        var delay = Duration.milliseconds(100)
        while !Task.isCancelled, !seat.node.tenure.isOver {
            do {
                let place = try await seat.driver.shellPlace(of: seat.node)
                try await NodeBarriers(at: place, folder: Self.folder(of: seat.team)).release(
                    release.barrier,
                    release.verdict
                )
                return
            } catch {
                logger.debug("\(seat.node.name): '\(release.barrier)' is not opened: \(error)")
            }
            await pause(delay)
            delay = min(delay * 2, .seconds(5))
        }
    }

    // MARK: Ending

    /// Forgets all teams: they belong to another conductor now.
    func abandon() {
        let all = teams.withLock { teams in
            defer { teams = [:] }
            return Array(teams.values)
        }
        for team in all { dismiss(team) }
    }

    /// Stops listening, and waits until nobody listens any more.
    func stop() async {
        abandon()
        for task in endings.withLock({ $0 }) { await task.value }
    }
}
