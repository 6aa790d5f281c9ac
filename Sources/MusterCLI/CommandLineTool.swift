import ArgumentParser
import Foundation
package import MusterCore

/// The whole program: parses, runs the verb, and ends with its exit code.
package enum CommandLineTool {
    /// How runs of tests are decided by this process. The parser makes the verbs, so they find it here.
    @TaskLocal static var policies = TestPolicies.declared

    package static func main(
        _ arguments: [String] = Array(CommandLine.arguments.dropFirst()),
        policies: TestPolicies = .declared
    ) async -> Never {
        // Output that nobody reads any more ends the writing, not the work.
        signal(SIGPIPE, SIG_IGN)
        _ = OpenFiles.usersLimit
        Foundation.exit(await $policies.withValue(policies) { await run(arguments) })
    }

    /// Gives the exit code.
    private static func run(_ arguments: [String]) async -> Int32 {
        if RootHelp.isAsked(by: arguments) {
            Output.line(RootHelp.text)
            return ExitCodes.passed
        }
        do {
            var command = try MusterCommand.parseAsRoot(Exec.separate(arguments))
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            return ExitCodes.passed
        } catch {
            return report(error)
        }
    }

    /// Tells what went wrong, where it belongs, and gives the exit code.
    private static func report(_ error: any Error) -> Int32 {
        if let end = error as? RunEnd { return end.exitCode }
        if let error = error as? CLIError {
            Output.error(error.message)
            return error.exitCode
        }
        let code = MusterCommand.exitCode(for: error).rawValue
        let text = MusterCommand.fullMessage(for: error)
        if code == 0 {
            Output.line(text)
            return ExitCodes.passed
        }
        Output.error(text)
        // sysexits' "usage" and a failed validation are ours too: nothing was started.
        return ExitCodes.usage
    }
}

struct MusterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "muster",
        abstract: "Bring up groups of machines, run tests on them, take them down.",
        discussion: """
              muster init        write a lab.yaml to begin with
              muster test        bring up, run all tests, take down
              muster why app/1   what it waits for, and what you can do
            """,
        version: "muster 0.1.0",
        groupedSubcommands: [
            CommandGroup(
                name: "Start:",
                subcommands: [
                    Init.self, Check.self, Plan.self, Up.self, Down.self, Test.self, Exec.self, FMFVerb.self,
                ]
            ),
            CommandGroup(
                name: "Look:",
                subcommands: [
                    Status.self, Why.self, Wait.self, Events.self, Logs.self, Results.self, GraphVerb.self,
                ]
            ),
            CommandGroup(
                name: "Machines:",
                subcommands: [
                    Nodes.self, SSH.self, Copy.self, Reboot.self, Power.self, Provision.self, Modes.self, Event.self,
                ]
            ),
            CommandGroup(
                name: "Recover:",
                subcommands: [
                    Runs.self, Pause.self, Resume.self, Retry.self, Skip.self, Cancel.self, Halt.self, Reconcile.self,
                    GC.self, Reap.self,
                ]
            ),
            CommandGroup(name: "Serve:", subcommands: [InventoryVerb.self, Doctor.self]),
        ]
    )
}
