import ArgumentParser
import MusterEngine

struct Why: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say why a thing is as it is, and what you can do.",
        discussion: """
              muster why r-7f3k        a run
              muster why app           a group
              muster why app/1         a node
              muster why app/1:2       a step of a node
              muster why api//login    a test
              muster why r-7f3k:3      a step of a program's plan
            """
    )
    @OptionGroup var options: GlobalOptions
    @Argument(help: "A run, group, node, step or test.", completion: Completions.things) var thing: String

    func run() async throws {
        let session = try StateSession.open(options, to: .read)
        let answer = try Explainer(store: session.store, isConducted: StateLock.isHeld(session.state)).explain(thing)
        if options.json { return Output.json(answer) }
        Output.line("\(printable(answer.thing)) is \(answer.state)" + (answer.since.map { " since \($0)" } ?? ""))
        for cause in answer.because {
            Output.line("  because  \(printable(cause.thing)) is \(cause.state): \(printable(cause.text))")
        }
        for wait in answer.waitsFor { Output.line("  waits for  \(printable(wait))") }
        for advice in answer.youCan { Output.line("  you can  \(advice)") }
    }
}
