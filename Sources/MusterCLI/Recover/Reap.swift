import ArgumentParser

struct Reap: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take labs down whose lifetime has ended.",
        discussion: """
              muster reap       waits until then; ends when no lab of the state has a lifetime

            A lab with a `lifetime` starts it by itself, detached.
            """,
        shouldDisplay: false
    )
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await Reaper(session: StateSession.open(options, to: .write)).run()
    }
}
