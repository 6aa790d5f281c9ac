import ArgumentParser
import MusterCore

struct Reboot: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Reboot nodes, by harder and harder means until they obey.",
        discussion: """
              muster reboot app/1 --wait
              muster reboot app --batch 4 --pause 30s
              muster reboot app/1 --force --by power-cycle

            Each node is accepted or refused with the reason. The lab's mode table says by which means and for how long
            it is tried. A node is done when it is up again; one that never comes up is given up once, and told.
            """
    )
    @OptionGroup var options: GlobalOptions
    @OptionGroup var command: CommandOptions
    @Option(help: ArgumentHelp("The means to begin with: soft, hard, power-cycle ….", valueName: "rung"))
    var by: Rung?
    @OptionGroup var order: OrderOptions

    func run() async throws {
        try await OrderSession(options: options, order: order).submit(.reboot, .command("reboot")) { wanted in
            try command.apply(to: &wanted)
            wanted.rung = by
        }
    }
}

struct Power: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Switch nodes on or off.",
        discussion: """
              muster power off app/1       no timeout switches it on again
              muster power on app/1
              muster power cycle app
            """,
        subcommands: [PowerOn.self, PowerOff.self, PowerCycle.self]
    )
}

/// One of the ways to switch nodes.
protocol PowerVerb: AsyncParsableCommand {
    static var rung: Rung { get }
    var options: GlobalOptions { get }
    var command: CommandOptions { get }
    var order: OrderOptions { get }
}

extension PowerVerb {
    /// Mode tables name these commands without a hyphen.
    private static var commandName: String { rung.rawValue.filter { $0 != "-" } }

    func run() async throws {
        try await OrderSession(options: options, order: order).submit(.power, .command(Self.commandName)) { wanted in
            try command.apply(to: &wanted)
        }
    }
}

struct PowerOn: PowerVerb {
    static let configuration = CommandConfiguration(commandName: "on", abstract: "Switch nodes on.")
    static let rung = Rung.powerOn
    @OptionGroup var options: GlobalOptions
    @OptionGroup var command: CommandOptions
    @OptionGroup var order: OrderOptions
}

struct PowerOff: PowerVerb {
    static let configuration = CommandConfiguration(commandName: "off", abstract: "Switch nodes off.")
    static let rung = Rung.powerOff
    @OptionGroup var options: GlobalOptions
    @OptionGroup var command: CommandOptions
    @OptionGroup var order: OrderOptions
}

struct PowerCycle: PowerVerb {
    static let configuration = CommandConfiguration(commandName: "cycle", abstract: "Switch nodes off and on.")
    static let rung = Rung.powerCycle
    @OptionGroup var options: GlobalOptions
    @OptionGroup var command: CommandOptions
    @OptionGroup var order: OrderOptions
}
