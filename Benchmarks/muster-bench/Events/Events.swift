import ArgumentParser
import Foundation

/// Events of nodes: how soon those who wait hear of them, how many are stored, and how a conductor begins with them.
struct Events: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "From an event of a node to whoever waits for it; events stored; many nodes loaded."
    )
    @Option(help: "How many nodes with a mode and a state.") var nodes = 100_000
    @Option(help: "How many wait, each for one node.") var waiters = 10_000
    @Option(help: "How many events are stored for the rate.") var count = 200_000
    @Option(help: "Events a second while those who wait are woken by a conductor.") var rate = 2000
    @Option(help: "How many events are under way at once for the rate: half of them are a commit.") var window = 4000
    @Option(help: "Where to write.") var folder: String?
    @OptionGroup var rounds: Rounds
    @Flag(help: "One JSON object.") var json = false

    func validate() throws {
        guard (1...1_000_000).contains(nodes) else { throw ValidationError("--nodes wants 1 to 1,000,000") }
        guard (1...nodes).contains(waiters) else { throw ValidationError("--waiters wants 1 to --nodes") }
        guard (1...10_000_000).contains(count) else { throw ValidationError("--count wants 1 to 10,000,000") }
        guard (1...100_000).contains(rate) else { throw ValidationError("--rate wants 1 to 100,000") }
        guard (2...1_000_000).contains(window) else { throw ValidationError("--window wants 2 to 1,000,000") }
    }

    private struct Figures {
        var memory: EventsInMemory.Figures
        var stored: EventsStored.Waking
        var bareCommit: Latencies
        var rate: EventsStored.Rate
        var limit: Double
        var loading: EventsLoading.Figures
    }

    func run() async throws {
        let scratch = try Scratch(in: folder)
        defer { scratch.remove() }
        let measured = try await rounds.measure(in: scratch.path) {
            let state = try scratch.folder("state")
            defer { try? FileManager.default.removeItem(atPath: state) }
            let town = EventTown(nodes: nodes)
            try town.fill(state)
            // Another process, and before this one has read the files.
            let loading = try EventsLoading.measure(state)
            let memory = try await EventsInMemory(town: town, waiters: waiters).measure()
            let bareCommit = try EventsLimit.commits(in: scratch.path)
            let stored = EventsStored(town: town, folder: state)
            let waking = try await stored.wake(waiters, rate: rate)
            let stream = try await stored.store(count, window: window)
            let limit = try EventsLimit.rate(in: state, batch: window / 2, nodes: nodes)
            return Figures(
                memory: memory,
                stored: waking,
                bareCommit: bareCommit,
                rate: stream,
                limit: limit,
                loading: loading
            )
        }
        report(measured)
    }

    private func report(_ measured: Rounds.Measured<Figures>) {
        func median(_ figure: (Figures) -> Double) -> Double { measured.median(figure) }
        func both(_ latencies: (Figures) -> Latencies) -> (p50: String, p99: String) {
            (text(median { latencies($0).p50 }), text(median { latencies($0).p99 }))
        }
        let decided = both(\.memory.decided)
        let told = both(\.memory.told)
        let memory = both(\.memory.woken)
        let bare = both(\.memory.bare)
        let stored = both(\.stored.woken)
        let late = text(median(\.stored.woken.p999))
        let commit = both(\.bareCommit)
        let perEvent = median(\.stored.eventsPerCommit)
        let events = median(\.rate.perSecond)
        let share = median { $0.rate.perSecond / $0.limit }
        let statements = text(median(\.rate.statements), 2)
        let cpu = text(median(\.rate.cpu), 2)
        let batch = Int(median(\.rate.eventsPerCommit))
        let log = text(median(\.rate.log), 0)
        let load = text(median(\.loading.milliseconds), 0)
        let floor = text(median(\.loading.floor), 0)
        let grown = text(median(\.loading.grown), 0)
        let resident = text(median(\.loading.resident), 0)
        let peak = text(median(\.loading.peak), 0)
        measured.report(
            asJSON: json,
            [
                "nodes": nodes, "waiters": waiters,
                "memory_decided_us_p50": decided.p50, "memory_decided_us_p99": decided.p99,
                "memory_told_us_p50": told.p50, "memory_told_us_p99": told.p99,
                "memory_woken_us_p50": memory.p50, "memory_woken_us_p99": memory.p99,
                "bare_wake_us_p50": bare.p50, "bare_wake_us_p99": bare.p99,
                "rate": rate, "stored_woken_us_p50": stored.p50, "stored_woken_us_p99": stored.p99,
                "stored_woken_us_p999": late,
                "events_per_commit": text(perEvent, 2),
                "bare_commit_us_p50": commit.p50, "bare_commit_us_p99": commit.p99,
                "events_per_s": Int(events), "limit_events_per_s": Int(median(\.limit)), "ratio": text(share, 4),
                "events_per_group_commit": batch, "cpu_us_per_event": cpu, "statements_per_event": statements,
                "log_mb": log,
                "load_ms": load, "load_floor_ms": floor, "load_rss_growth_mb": grown, "load_rss_mb": resident,
                "load_peak_rss_mb": peak,
            ],
            [
                "\(nodes) nodes, \(waiters) who wait, each for one of them",
                "in memory: decided \(decided.p50) µs after the event (p99 \(decided.p99)), the answer given after "
                    + "\(told.p50) µs (p99 \(told.p99)), whoever waits runs after \(memory.p50) µs (p99 \(memory.p99)); "
                    + "waking alone takes \(bare.p50) µs (p99 \(bare.p99))",
                "stored, \(rate) events/s, \(text(perEvent, 2)) a commit: whoever waits runs \(stored.p50) µs after the "
                    + "event (p99 \(stored.p99), p99.9 \(late)); a bare commit takes \(commit.p50) µs (p99 \(commit.p99))",
                "\(Int(events)) events/s stored, \(batch) a commit, \(cpu) µs CPU and \(statements) statements each; "
                    + "limit \(Int(median(\.limit))) events/s; ratio \(text(share * 100)) %; the log grew to \(log) MB",
                "a conductor begins with \(nodes) nodes in \(load) ms and grows by \(grown) MB, to \(resident) MB "
                    + "(\(peak) MB at most); only reading the rows takes \(floor) ms",
            ]
        )
    }
}

/// How long something took, again and again, in microseconds.
struct Latencies {
    private let sorted: [Double]

    /// - Parameter nanoseconds: one for each time.
    init(nanoseconds: [Int64]) { sorted = nanoseconds.map { Double($0) / 1000 }.sorted() }

    var p50: Double { at(0.5) }
    var p99: Double { at(0.99) }
    var p999: Double { at(0.999) }

    private func at(_ share: Double) -> Double {
        sorted.isEmpty ? .nan : sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
    }

    /// Of the clock that all threads share.
    static func now() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
    }
}
