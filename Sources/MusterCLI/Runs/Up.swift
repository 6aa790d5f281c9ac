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
              muster up --yes              also where the lab has changed and nodes have to go

            What is ready already stays as it is. What the lab says otherwise by now is shown first: what is added just comes;
            nodes go only when that is agreed to. After an interruption, `muster up` goes on with the interrupted run.
            """
    )
    @OptionGroup var options: GlobalOptions
    @OptionGroup var lab: LabOptions
    @OptionGroup var follow: FollowOptions
    @Flag(help: "Take away and make anew what the lab says otherwise by now.") var yes = false
    @Argument(help: "Groups.", completion: Completions.groups) var groups: [String] = []

    func run() async throws {
        let loader = LabLoader(options: options, lab: lab)
        var selection = RunSelection()
        selection.groups = groups
        let loaded = try loader.load()
        var spec = try loader.spec(.up, of: loaded, selection)
        follow.apply(to: &spec)
        try spec.checkNodeLimit(lab.maxNodes)
        try await AnsibleCheck(spec: spec).run()
        let session = try StateSession.open(options, to: .make)
        spec.files = try LabFiles(session: session).keep(spec)
        let declared = groups.isEmpty ? Set(loaded.groups.map(\.name)) : nil
        let question = LabChangeQuestion(session: session, options: options, isAgreed: yes)
        try await RunStarter(session: session, options: options, follow: follow, startsNew: lab.new)
            .start(spec) { try question.agreed($0, declared: declared) }
    }
}
