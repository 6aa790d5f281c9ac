import ArgumentParser

@main
struct MusterBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "muster-bench",
        abstract: "Measure the engine, and in the same run the floor under it.",
        discussion: """
              muster-bench limit --store sqlite
              muster-bench steps --shape fan --count 10000 --store sqlite --ratio
              muster-bench tests --count 1000 --remotes 10

            Figures count when the flush probe reads under 150 µs before and after: waiting for a CPU imitates a slow disk.
            """,
        subcommands: [Steps.self, Limit.self, Tests.self]
    )
}
