import ArgumentParser
import Foundation

/// Counting instructions works only without other threads: `turns` runs on the main thread, as under no async `main`.
@main
enum Program {
    static func main() {
        let arguments = Array(CommandLine.arguments.dropFirst())
        if arguments.first == Turns.name { return Turns.main(Array(arguments.dropFirst())) }
        // The main thread has nothing else to do; the command ends the program when it fails.
        let done = DispatchSemaphore(value: 0)
        Task.detached {
            await MusterBench.main(arguments)
            done.signal()
        }
        done.wait()
    }
}

struct MusterBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "muster-bench",
        abstract: "Measure the engine, and in the same run the floor under it.",
        discussion: """
              muster-bench limit --store sqlite
              muster-bench steps --shape fan --count 10000 --store sqlite --ratio
              muster-bench steps --shape layers --count 1000000 --against 10000
              muster-bench plans --count 5000
              muster-bench graph --steps 1000000
              muster-bench recovery --count 10000
              muster-bench open --plans 1000000
              muster-bench clients --count 16
              muster-bench actions --shape subplans --count 10000
              muster-bench tests --count 1000 --remotes 10
              muster-bench events --nodes 100000 --waiters 10000
              muster-bench up --groups 5 --nodes 50 --driver process
              muster-bench plan --nodes 100000 --groups 5000
              muster-bench simulate --seeds 100000

            Figures count when the flush probe reads under 150 µs before and after: waiting for a CPU imitates a slow disk.
            """,
        subcommands: [
            Steps.self, Limit.self, Plans.self, Graph.self, Recovery.self, Opening.self, Clients.self, Tests.self,
            Turns.self, Simulate.self, Actions.self, Events.self, BringUp.self, Planning.self,
            EventsLoad.self, RecoveryRun.self, OpenLook.self, Follow.self,
        ]
    )
}
