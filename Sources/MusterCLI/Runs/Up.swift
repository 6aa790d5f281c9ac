import ArgumentParser
import MusterCore
import MusterLab
import MusterStore

struct Up: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bring up groups, with what they need.",
        discussion: """
              muster up                    everything
              muster up app                app and what it needs
              muster up --var image=v2     with another value of a var

            What is ready already stays as it is. After an interruption, `muster up` goes on with the interrupted run.
            """
    )
    @OptionGroup var options: GlobalOptions
    @OptionGroup var lab: LabOptions
    @OptionGroup var follow: FollowOptions
    @Argument(help: "Groups.") var groups: [String] = []

    func run() async throws {
        let loader = LabLoader(options: options, lab: lab)
        var selection = RunSelection()
        selection.groups = groups
        var spec = try loader.spec(.up, of: loader.load(), selection)
        follow.apply(to: &spec)
        try spec.checkNodeLimit(lab.maxNodes)
        try await AnsibleCheck(spec: spec).run()
        let session = try StateSession.open(options, to: .make)
        spec.files = try LabFiles(session: session).keep(spec)
        try await RunStarter(session: session, options: options, follow: follow, startsNew: lab.new).start(spec)
    }
}
