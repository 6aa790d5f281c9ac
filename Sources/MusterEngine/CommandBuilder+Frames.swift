import Foundation
import MusterCore
import MusterDrivers

// Tests of trees of fmf: what they find as they would under tmt.

extension CommandBuilder {
    /// The folder of all this on a node, in the node's own.
    private static let framesFolder = "tmt"

    /// What starts a test: in its folder, by bash where there is one, as tmt does.
    private static let starter = #"""
        cd -- "$1" || { echo "the folder of the test is not there: $1" >&2; exit 2; }
        mkdir -p -- "$TMT_TEST_DATA" "$TMT_PLAN_DATA" || exit 2
        PATH=$TMT_SCRIPTS_DIR:$PATH
        export PATH
        if command -v bash >/dev/null 2>&1; then exec bash -eo pipefail -c "$2"; fi
        exec sh -e -c "$2"
        """#

    func framed(
        _ test: TestSpec,
        _ frame: TestFrame,
        _ template: Template,
        in suite: SuiteSpec,
        number: Int,
        attempt: Int,
        restarts: Int
    ) throws(StepError) -> Command {
        let (text, secrets) = try resolve(template, quoted: true)
        var kits = [Self.guestPrograms]
        var tree = frame.tree
        if isRemote {
            guard let copy = archive.tree(frame.tree, in: spec) else {
                throw StepError(.file, "the run has no copy of \(frame.tree) for \(node.name): begin it anew (--new)")
            }
            kits.append(.folder(archive: copy.archive, to: copy.name))
            tree = "\(home)/\(copy.name)"
        }
        let place = frame.directory.isEmpty ? tree : "\(tree)/\(frame.directory)"
        var command = Command(
            .arguments(["/bin/sh", "-c", Self.starter, "test", place, text]),
            environment: try environment(suite: suite),
            secrets: secrets,
            timeout: test.timeout,
            leftovers: .end
        )
        let folder = Self.framesFolder
        let own = "\(folder)/\(suite.name)/\(Self.component(test.name))/\(attempt)"
        command.environment.merge(frame.environment) { $1 }
        command.environment.merge([
            "TMT_TREE": tree,
            "TMT_SOURCE_DIR": tree,
            "TMT_TEST_NAME": test.name,
            "TMT_TEST_SERIAL_NUMBER": "\(number)",
            "TMT_TEST_ITERATION_ID": "\(run)-\(suite.name)-\(attempt)",
            "TMT_TEST_DATA": "\(home)/\(own)/data",
            "TMT_TEST_METADATA": "\(home)/\(own)/metadata.yaml",
            "TMT_PLAN_DATA": "\(home)/\(folder)/\(suite.name)/plan-data",
            "TMT_SCRIPTS_DIR": "\(home)/\(folder)/bin",
            "TMT_REBOOT_COUNT": "\(restarts)",
            "TMT_TEST_RESTART_COUNT": "\(restarts)",
            "TMT_VERSION": "muster",
        ]) { $1 }
        if frame.framework == .beakerlib {
            command.environment["BEAKERLIB_COMMAND_REPORT_RESULT"] = "\(home)/\(folder)/bin/tmt-report-result"
            command.environment["BEAKERLIB_COMMAND_SUBMIT_LOG"] = "\(home)/\(folder)/bin/tmt-file-submit"
            command.environment["BEAKERLIB_DIR"] = "\(home)/\(own)/data"
            command.environment["TESTID"] = "\(run)-\(suite.name)-\(attempt)"
        }
        // JSON is YAML as well.
        let metadata = Array(frame.metadata.utf8)
        command.files = [FileContent(source: .bytes(metadata), to: "\(own)/metadata.yaml", mode: 0o600)]
        command.kits = kits
        return command
    }

    /// The node's folder, where it is.
    private var home: String { isRemote ? node.facts["directory"] ?? "." : directory }

    private static let guestPrograms = NodeKit.files(
        GuestScripts.all.map { name, script in
            FileContent(source: .bytes(Array(script.utf8)), to: "\(framesFolder)/bin/\(name)", mode: 0o700)
        }
    )

    /// A name of a test as one name of a folder.
    private static func component(_ name: String) -> String {
        name.replacing("%", with: "%25").replacing("/", with: "%2F").replacing("..", with: "%2E%2E")
    }
}
