import ArgumentParser
import Foundation

struct Init: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a lab.yaml to begin with, and a first test.",
        discussion: """
              muster init && muster test      a lab that works at once
              muster init -f labs/shop.yaml   somewhere else
              muster init --from compose.yaml   a draft: services become groups of containers
              muster init --from hosts.ini      from an Ansible inventory, INI or YAML
              muster init --from ~/.ssh/config  from a configuration of OpenSSH

            Nothing that is there already is overwritten. What a draft leaves out is named with its
            line on standard error; values that look like secrets are never copied.
            """
    )
    @OptionGroup var options: GlobalOptions
    @Option(help: ArgumentHelp("Draft the lab from another program's file.", valueName: "file")) var from: String?

    func run() async throws {
        if let from { return try InitDraft(options: options, source: from).write() }
        let lab = options.labPath
        let folder = options.labDirectory
        let test = folder + "/tests/hello.sh"
        let files = FileManager.default
        guard !files.fileExists(atPath: lab) else {
            throw CLIError("\(options.labFile) is there already; nothing was changed")
        }
        do {
            try files.createDirectory(atPath: folder + "/tests", withIntermediateDirectories: true)
            try Data(Self.labText.utf8).write(to: URL(fileURLWithPath: lab), options: .withoutOverwriting)
            if !files.fileExists(atPath: test) {
                try Data(Self.testText.utf8).write(to: URL(fileURLWithPath: test), options: .withoutOverwriting)
                try files.setAttributes([.posixPermissions: 0o755], ofItemAtPath: test)
            }
        } catch {
            throw CLIError("cannot write in \(folder): \(error.localizedDescription)")
        }
        if options.json {
            struct Shape: Encodable {
                let format = 1
                let written: [String]
            }
            Output.json(Shape(written: [lab, test]))
        } else {
            Output.line(
                "wrote \(options.labFile) and tests/hello.sh; next: muster test\(options.file.map { " -f \($0)" } ?? "")"
            )
        }
    }

    static let labText = """
        muster: 1
        lab: hello
        groups:
          node:
            count: 2
            provision:
              - process: {}
              - run: echo "I am $MUSTER_NODE at $MUSTER_ADDRESS" > greeting
        tests:
          first:
            where: node
            discover: { files: "tests/*.sh" }
            reruns: 1
            timeout: 1m

        """

    static let testText = """
        #!/bin/sh
        # A test passes when it exits with 0, is skipped with 77, and fails otherwise.
        grep "$MUSTER_ADDRESS" greeting

        """
}
