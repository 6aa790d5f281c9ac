import Foundation
import MusterPlans

/// A program that end-to-end tests kill and ask things of: `plans-program STATE PLAN [hang]`.
///
/// It starts the plan, or goes on with the one of an earlier start, tells in lines what happens, and performs until it
/// is killed. With `hang` a call of the first action does not end.
@main struct PlansProgram {
    static func main() async throws {
        let words = CommandLine.arguments
        let work = Work(folder: words[1], hangs: words.dropFirst(3).first == "hang")
        let plans = try Plans(name: "trial", state: words[1])
        plans.register(
            Idempotent(work: work),
            Reconciled(work: work),
            Unrepeatable(work: work),
            Fussy(),
            Gate(work: work),
            Two()
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await plans.run() }
            switch words[2] {
            case "idempotent": try await follow(plans.start(Idempotent.self, .init(), token: "it"))
            case "reconcile": try await follow(plans.start(Reconciled.self, .init(), token: "it"))
            case "never": try await follow(plans.start(Unrepeatable.self, .init(), token: "it"))
            case "fussy": try await follow(plans.start(Fussy.self, .init(word: "now"), token: "it"))
            default: try await follow(plans.start(Two.self, .init(), token: "it"))
            }
            try await group.waitForAll()
        }
    }

    private static func follow<Root: PlanAction>(_ plan: PlanHandle<Root>) async throws {
        say("plan \(try await plan.id)")
        let status = try await plan.settled()
        say("settled \(status.state) \(status.result) \(status.reason ?? "")")
        if status.state == .paused { say("ended \(try await plan.result())") }
    }
}

func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

/// Something with an effect outside: a line in a file.
struct Work: Sendable {
    let folder: String
    let hangs: Bool
    private var file: String { folder + "/effects" }

    func `do`(_ context: RunContext) async throws -> String {
        let file = FileHandle(forWritingAtPath: file) ?? made()
        try file?.seekToEnd()
        try file?.write(contentsOf: Data("\(context.operationID)\n".utf8))
        try file?.close()
        say("begin \(context.action) \(context.operationID)")
        if hangs {
            let (never, continuation) = AsyncStream.makeStream(of: Void.self)
            for await _ in never {}
            continuation.finish()
            throw CancellationError()
        }
        return context.operationID
    }

    private func made() -> FileHandle? {
        _ = FileManager.default.createFile(atPath: file, contents: nil)
        return FileHandle(forWritingAtPath: file)
    }

    func wasDone(_ operation: String) -> Bool {
        let lines = FileManager.default.contents(atPath: file).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return lines.split(separator: "\n").contains(Substring(operation))
    }

    /// Waits until somebody writes into a pipe.
    func awaitGo() async {
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            Thread.detachNewThread { [folder] in
                let pipe = open(folder + "/go", O_RDONLY)
                var byte: UInt8 = 0
                _ = read(pipe, &byte, 1)
                close(pipe)
                done.resume()
            }
        }
    }
}

struct Idempotent: Action {
    struct Input: Codable, Sendable {}
    let work: Work
    func run(_ input: Input, in context: RunContext) async throws -> String { try await work.do(context) }
}

struct Reconciled: Action, ReconcilingAction {
    struct Input: Codable, Sendable {}
    static let options = ActionOptions(recovery: .reconcile)
    let work: Work
    func run(_ input: Input, in context: RunContext) async throws -> String { try await work.do(context) }
    func reconcile(_ input: Input, in context: RunContext) async throws -> Reconciliation<String> {
        say("reconcile \(context.operationID)")
        return work.wasDone(context.operationID) ? .done("found") : .neverStarted
    }
}

struct Unrepeatable: Action {
    struct Input: Codable, Sendable {}
    static let options = ActionOptions(recovery: .never)
    let work: Work
    func run(_ input: Input, in context: RunContext) async throws -> String { try await work.do(context) }
}

struct Fussy: Action {
    struct Input: Codable, Sendable { var word: String }
    func run(_ input: Input, in context: RunContext) async throws -> String {
        guard input.word == "please" else { throw PermanentError("say please, not \(input.word)") }
        return "here you are"
    }
}

struct Gate: Action {
    struct Input: Codable, Sendable {}
    let work: Work
    func run(_ input: Input, in context: RunContext) async throws -> String {
        say("at the gate")
        await work.awaitGo()
        return "open"
    }
}

/// One after the other.
struct Two: CompositeAction {
    struct Input: Codable, Sendable {}
    func plan(_ input: Input, in plan: PlanBuilder) throws -> Value<String> {
        let gate = try plan.add(Gate.self, .init())
        return try plan.add(Idempotent.self, .init(), after: [gate]).output
    }
}
