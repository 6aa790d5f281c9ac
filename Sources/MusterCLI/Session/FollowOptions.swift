import ArgumentParser
import MusterCore

/// Options of verbs that follow a run.
struct FollowOptions: ParsableArguments {
    @Flag(help: "One step at a time.")
    var serial = false

    @Option(help: ArgumentHelp("How many steps may run at once (default 64).", valueName: "n"))
    var parallel: Int?

    @Option(
        name: .customLong("results"),
        help: ArgumentHelp("Where results go (default: results beside the lab).", valueName: "dir")
    )
    var results: String?

    @Flag(name: .customLong("fail-flaky"), help: "Flaky tests count as failure (exit 6).")
    var failFlaky = false

    func validate() throws {
        if let parallel, parallel < 1 { throw ValidationError("--parallel wants a number above 0") }
        if serial, parallel != nil { throw ValidationError("--serial and --parallel say different things; use one") }
    }

    /// What this asks of a run, over what the lab says.
    func apply(to spec: inout RunSpec) {
        if serial { spec.parallel = 1 }
        if let parallel { spec.parallel = parallel }
        if failFlaky { spec.flakyFails = true }
    }
}
