import ArgumentParser
import MusterCore

struct Provision: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Carry out a verb of a node's mode: manage, inspect, deploy, clean, …",
        discussion: """
              muster provision manage app/0
              muster provision deploy app --wait

            For modes that are driven by events, such as those of the preset ironic. The mode table says which verbs a
            state has, and what the driver does for each; what the driver cannot do is refused by name.
            """
    )
    @OptionGroup var options: GlobalOptions
    @Argument(help: "The verb.") var verb: String
    @OptionGroup var order: OrderOptions

    func run() async throws {
        try await OrderSession(options: options, order: order).submit(.provision, .verb(verb), versions: true)
    }
}
