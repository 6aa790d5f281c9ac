import Foundation
import MusterPlans

/// A service of somebody else's that renders films, at its own pace. A real one is reached over HTTP.
actor RenderFarm {
    private var frames: [String: Int] = [:]
    private var questions = 0

    struct Trouble: Error, CustomStringConvertible { let description = "the farm does not answer" }

    /// The same key begins the same job.
    func begin(_ film: String, key: String) -> String {
        let job = "job-\(film)"
        if frames[job] == nil { print("the farm begins \(job)") }
        frames[job] = frames[job] ?? 0
        return job
    }

    func framesDone(of job: String) throws -> Int {
        questions += 1
        // It has its moments.
        if questions == 3 { throw Trouble() }
        frames[job, default: 0] += 30
        return min(frames[job, default: 0], 120)
    }
}

struct RenderFilm: PollingAction {
    struct Input: Codable, Sendable {
        var film: String
        var frames: Int
    }
    struct Output: Codable, Sendable { var file: String }

    static let options = ActionOptions(timeout: .seconds(60))
    static let polling = PollingOptions(intervals: [.milliseconds(50), .milliseconds(200)], attemptsPerInterval: 3)
    let farm: RenderFarm

    func start(_ input: Input, in context: RunContext) async throws -> String {
        await farm.begin(input.film, key: context.operationID)
    }

    func poll(_ job: String, _ input: Input, in context: RunContext) async throws -> PollResult<String, Output> {
        let done = try await farm.framesDone(of: job)
        context.write("\(done) of \(input.frames) frames\n")
        print("  \(done) of \(input.frames) frames")
        return done < input.frames ? .again : .done(Output(file: "\(input.film).mp4"))
    }
}

struct Publish: Action {
    struct Input: Codable, Sendable { var file: Value<String> }
    func run(_ input: Input, in context: RunContext) async throws -> String {
        "https://films.example/\(try input.file.value)"
    }
}

struct MakeFilm: CompositeAction {
    struct Input: Codable, Sendable { var film: String }
    func plan(_ input: Input, in plan: PlanBuilder) throws -> Value<String> {
        let film = try plan.add(RenderFilm.self, .init(film: input.film, frames: 120))
        return try plan.add(Publish.self, .init(file: film.file)).output
    }
}

@main
struct ExternalJob {
    static func main() async throws {
        let state = FileManager.default.temporaryDirectory.appending(path: "external-job-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: state) }
        let plans = try Plans(name: "films", state: state)
        plans.register(RenderFilm(farm: RenderFarm()), Publish(), MakeFilm())
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await plans.run() }
            let film = try await plans.start(MakeFilm.self, .init(film: "nosferatu"))
            print("published at \(try await film.result())")
            plans.stop()
            try await group.waitForAll()
        }
    }
}
