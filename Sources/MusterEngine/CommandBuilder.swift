import Foundation
package import MusterCore
import MusterDrivers

/// Turns steps of a run into commands with their environment, when they are about to be performed.
///
/// It is made on the conductor's thread, from what the Director knows at that moment; it holds no secrets, but asks for
/// them when a command wants one.
package struct CommandBuilder {
    /// What the conductor's process gives to every command: `PATH`, `HOME` and the like, and where secrets are found.
    package struct Surroundings: Sendable {
        package var environment: [String: String]
        /// Besides, for what runs on this host to configure nodes: where ansible is set up, the agent of ssh.
        package var ofHost: [String: String]
        package var secret: @Sendable (String) -> String?
        package init(
            environment: [String: String],
            ofHost: [String: String] = [:],
            secret: @escaping @Sendable (String) -> String?
        ) {
            self.environment = environment
            self.ofHost = ofHost
            self.secret = secret
        }
    }

    let run: RunName
    let spec: RunSpec
    let node: NodeRow
    let directory: String
    /// Whether the node has no files of this host: what commands need of the lab is put there first.
    let isRemote: Bool
    let archive: FileArchive
    let surroundings: Surroundings
    /// A node of the same lab by its name.
    let find: (NodeName) -> NodeRow?

    /// What commands on a node find in their environment, besides what its machine adds.
    ///
    /// - Parameter others: nodes of the same lab.
    package static func environment(
        of node: NodeRow,
        spec: RunSpec,
        state: StateDirectory,
        isRemote: Bool,
        surroundings: [String: String],
        others: [NodeRow]
    ) throws(StepError) -> [String: String] {
        let builder = CommandBuilder(
            run: RunName(node.createdBy),
            spec: spec,
            node: node,
            directory: state.node(node),
            isRemote: isRemote,
            archive: FileArchive(state),
            surroundings: Surroundings(environment: surroundings, secret: { _ in nil }),
            find: { name in others.first { $0.lab == node.lab && $0.name == name } }
        )
        return try builder.environment()
    }

    // MARK: Commands

    func shell(
        _ template: Template,
        timeout: Duration?,
        leftovers: Command.Leftovers,
        suite: SuiteSpec? = nil
    )
        throws(StepError) -> Command
    {
        let (text, secrets) = try resolve(template, quoted: true)
        let file = CommandBuilder.labFile(ofCommand: text)
        var command = Command(
            .shell(file.map { Template.shellQuoted(path(of: $0)) + text.dropFirst($0.count + 2) } ?? text),
            environment: try environment(suite: suite),
            secrets: secrets,
            timeout: timeout,
            leftovers: leftovers
        )
        if let file { command.files = needed([file]) }
        return command
    }

    /// - Parameters:
    ///   - index: of the test in its suite.
    ///   - restarts: how often the test was started in this attempt before, as it had gone away.
    ///   - team: of a test on several nodes.
    func test(
        _ index: Int,
        in suite: SuiteSpec,
        attempt: Int,
        restarts: Int,
        team: TestTeam? = nil
    ) throws(StepError) -> Command {
        let test = suite.tests[index]
        var command: Command
        switch test.command {
        case .file(let path):
            command = Command(
                .arguments([self.path(of: path)]),
                environment: try environment(suite: suite),
                timeout: test.timeout,
                leftovers: .end
            )
            command.files = needed([path])
        case .run(let template):
            if let frame = test.frame {
                command = try framed(
                    test,
                    frame,
                    template,
                    in: suite,
                    number: index + 1,
                    attempt: attempt,
                    restarts: restarts
                )
            } else {
                command = try shell(template, timeout: test.timeout, leftovers: .end, suite: suite)
            }
        }
        command.environment["MUSTER_SUITE"] = suite.name
        command.environment["MUSTER_TEST"] = test.name
        command.environment["MUSTER_ATTEMPT"] = String(attempt)
        command.environment["MUSTER_RESTARTS"] = String(restarts)
        if let team { join(team, &command) }
        command.controlLimit = Defaults.controlLimit
        return command
    }

    func exec(_ exec: ExecSpec) throws(StepError) -> Command {
        Command(.arguments(exec.arguments), environment: try environment(), timeout: exec.timeout, leftovers: .end)
    }

    func files(_ files: [FileSpec]) throws(StepError) -> [FileContent] {
        var contents: [FileContent] = []
        for file in files {
            switch file.source {
            case .lab(let path):
                contents.append(
                    FileContent(source: .path(archive.path(of: path, in: spec)), to: file.to, mode: file.mode)
                )
            case .text(let template):
                let (text, _) = try resolve(template, quoted: false)
                contents.append(FileContent(source: .bytes(Array(text.utf8)), to: file.to, mode: file.mode))
            }
        }
        return contents
    }

    // MARK: Values

    func resolve(
        _ template: Template,
        quoted: Bool
    ) throws(StepError) -> (text: String, secrets: [String: String]) {
        var secrets: [String: String] = [:]
        var text = ""
        for segment in template.segments {
            switch segment {
            case .literal(let literal): text += literal
            case .node(let name, let field):
                let value = try self.value(of: field, at: name)
                text += quoted ? Template.shellQuoted(value) : value
            case .secret(let name):
                guard let value = surroundings.secret(name) else {
                    let variable = "MUSTER_SECRET_" + CommandBuilder.variableName(name)
                    throw StepError(.missingSecret, "the secret '\(name)' is not there: set \(variable) and resume")
                }
                // In a command a secret stands in the environment only: command lines are for all to read.
                if quoted {
                    let variable = "MUSTER_SECRET_" + CommandBuilder.variableName(name)
                    secrets[variable] = value
                    text += "\"$\(variable)\""
                } else {
                    text += value
                }
            }
        }
        return (text, secrets)
    }

    private func value(of field: String, at name: NodeName) throws(StepError) -> String {
        guard let node = find(name) else { throw StepError(.unresolved, "there is no node \(name) now") }
        if field == "name" { return name.description }
        guard let value = node.facts[field] else {
            throw StepError(.unresolved, "node \(name) has no '\(field)' (it is \(node.state.rawValue))")
        }
        return value
    }

    // MARK: Files of the lab

    /// The folder of the lab's files on a node that has none of this host.
    static let labFolder = "lab"

    /// Where a file of the lab is for commands on the node.
    private func path(of file: String) -> String {
        isRemote ? remoteFolder + "/" + Self.inside(file) : archive.path(of: file, in: spec)
    }

    var remoteFolder: String {
        (node.facts["directory"].map { $0 + "/" } ?? "./") + Self.labFolder
    }

    /// Files of the lab that are to be put on the node before a command.
    private func needed(_ files: [String]) -> [FileContent] {
        guard isRemote else { return [] }
        return files.map { file in
            let source = archive.path(of: file, in: spec)
            let isProgram = access(source, X_OK) == 0
            return FileContent(
                source: .path(source),
                to: Self.labFolder + "/" + Self.inside(file),
                mode: isProgram ? 0o700 : 0o600
            )
        }
    }

    /// A path that leads out of the lab's folder leads to a name of its own inside the node's.
    static func inside(_ path: String) -> String {
        path.split(separator: "/").filter { $0 != "." }.map { $0 == ".." ? "_up" : $0 }.joined(separator: "/")
    }

    /// The file of the lab that a command starts, relative to the lab's folder; nil when it starts something else.
    package static func labFile(ofCommand text: some StringProtocol) -> String? {
        guard text.hasPrefix("./") else { return nil }
        let word = text.dropFirst(2).prefix { !" \t\n;|&()<>\"'`$".contains($0) }
        return word.isEmpty ? nil : String(word)
    }

    // MARK: Environment

    /// - Parameter ofHost: of a command that runs on this host, wherever the node is.
    func environment(suite: SuiteSpec? = nil, ofHost: Bool = false) throws(StepError) -> [String: String] {
        var environment = isRemote && !ofHost ? [:] : surroundings.environment
        if ofHost { environment.merge(surroundings.ofHost) { $1 } }
        environment["MUSTER_NODE"] = node.name.description
        environment["MUSTER_GROUP"] = node.name.group
        if isRemote, ofHost {
            environment["MUSTER_LAB_DIR"] = spec.labDirectory
        } else if isRemote {
            environment["MUSTER_LAB_DIR"] = remoteFolder
        } else {
            environment["MUSTER_NODE_DIR"] = directory
            environment["MUSTER_REPORT"] = directory + "/" + StateDirectory.reportsName
            environment["MUSTER_LAB_DIR"] = spec.labDirectory
        }
        // The user's own host gets nothing that its user did not put there.
        if isRemote, !ofHost { environment[PackageProgram.variable] = PackageProgram.installs }
        environment["MUSTER_RUN"] = run.description
        if let address = node.facts["address"] { environment["MUSTER_ADDRESS"] = address }
        var groups = Set(spec.groups.first { $0.name == node.name.group }?.needs.map(\.group) ?? [])
        if let suite {
            groups.formUnion(suite.groups)
            groups.formUnion(suite.needs.map(\.group))
            for group in spec.groups where suite.groups.contains(group.name) {
                groups.formUnion(group.needs.map(\.group))
            }
        }
        for group in spec.groups where groups.contains(group.name) && group.hasNodes {
            for index in 0..<group.count {
                let name = NodeName(group: group.name, index: index)
                guard let address = find(name)?.facts["address"] else { continue }
                environment["MUSTER_\(CommandBuilder.variableName(group.name))_\(index)_ADDRESS"] = address
            }
        }
        return environment
    }

    /// A name as it stands in names of environment variables: upper case, `-` becomes `_`.
    package static func variableName(_ name: String) -> String {
        String(name.uppercased().map { $0 == "-" || $0 == "." ? "_" : $0 })
    }
}
