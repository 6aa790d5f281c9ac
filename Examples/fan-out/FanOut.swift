import Foundation
import MusterPlans

/// Counts how many resize at once.
actor Workshop {
    private var atOnce = 0
    private(set) var most = 0
    private(set) var done = 0

    func begin() {
        atOnce += 1
        most = max(most, atOnce)
    }

    func end() {
        atOnce -= 1
        done += 1
    }
}

struct ResizeImage: Action {
    struct Input: Codable, Sendable {
        var image: String
        var width: Int
    }
    let workshop: Workshop
    var tells = false
    func run(_ input: Input, in context: RunContext) async throws -> String {
        await workshop.begin()
        try await Task.sleep(for: .milliseconds(20))
        await workshop.end()
        if tells { FileHandle.standardOutput.write(Data("\(input.image)\n".utf8)) }
        return "\(input.image)@\(input.width)"
    }
}

/// A plan of its own for each image, four at once.
struct ResizeAll: SubPlansAction {
    struct Input: Codable, Sendable {
        var images: Int
        var width: Int
    }
    typealias Output = SubPlanCounts
    func total(_ input: Input, in context: RunContext) async throws -> Int { input.images }
    func concurrency(_ input: Input) -> Int? { 4 }
    func child(at index: Int, of input: Input, in context: RunContext) async throws -> SubPlan {
        SubPlan(ResizeImage.self, .init(image: "image-\(index).png", width: input.width))
    }
}

@main
struct FanOut {
    /// `fan-out [FOLDER [IMAGES]]`: with a folder its state stays, and the next start goes on where this one ended.
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        let kept = arguments.first.map { URL(filePath: $0) }
        let images = arguments.dropFirst().first.flatMap { Int($0) } ?? 40
        let state = kept ?? FileManager.default.temporaryDirectory.appending(path: "fan-out-\(UUID().uuidString)")
        defer { if kept == nil { try? FileManager.default.removeItem(at: state) } }
        let workshop = Workshop()
        let plans = try Plans(name: "images", state: state)
        plans.register(ResizeImage(workshop: workshop, tells: kept != nil), ResizeAll())
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await plans.run() }
            // One token is one plan, however often the program starts.
            let all = try await plans.start(ResizeAll.self, .init(images: images, width: 320), token: "gallery")
            let counts = try await all.result()
            print("\(counts.succeeded) of \(counts.total) images resized, at most \(await workshop.most) at once")
            plans.stop()
            try await group.waitForAll()
        }
    }
}
