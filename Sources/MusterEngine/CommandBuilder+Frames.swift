import Foundation
import MusterCore
import MusterDrivers

// Tests of trees of fmf: what they find as they would under tmt.

extension CommandBuilder {
    /// The folder of all this on a node, in the node's own.
    private static let framesFolder = "tmt"

    func framed(
        _ test: TestSpec,
        _ frame: TestFrame,
        _ template: Template,
        in suite: SuiteSpec,
        number: Int,
        attempt: Int,
        restarts: Int
    ) throws(StepError) -> Command {
        guard !isRemote else {
            throw StepError(
                .unresolved,
                "tests of fmf trees run on nodes that have this host's files, such as 'process'; \(node.name) has none"
            )
        }
        let (text, secrets) = try resolve(template, quoted: true)
        let place = frame.directory.isEmpty ? frame.tree : "\(frame.tree)/\(frame.directory)"
        let packages = self.packages(of: frame)
        let stamp = "\(directory)/\(Self.framesFolder)/packages/\(packages.key)"
        let arguments = packages.isEmpty ? [] : packages.arguments(stamp: stamp)
        var command = Command(
            .arguments(FrameProgram.arguments(frame, in: place, command: text, packages: arguments)),
            environment: try environment(suite: suite),
            secrets: secrets,
            timeout: test.timeout,
            leftovers: .end
        )
        let folder = Self.framesFolder
        let own = "\(folder)/\(suite.name)/\(Self.component(test.name))/\(attempt)"
        command.environment.merge(frame.environment) { $1 }
        command.environment.merge([
            "TMT_TREE": frame.tree,
            "TMT_SOURCE_DIR": frame.tree,
            "TMT_TEST_NAME": test.name,
            "TMT_TEST_SERIAL_NUMBER": "\(number)",
            "TMT_TEST_ITERATION_ID": "\(run)-\(suite.name)-\(attempt)",
            "TMT_TEST_DATA": "\(directory)/\(own)/data",
            "TMT_TEST_METADATA": "\(directory)/\(own)/metadata.yaml",
            "TMT_PLAN_DATA": "\(directory)/\(folder)/\(suite.name)/plan-data",
            "TMT_PLAN_ENVIRONMENT_FILE": "\(directory)/\(folder)/\(suite.name)/variables.env",
            "TMT_SCRIPTS_DIR": "\(directory)/\(folder)/bin",
            "TMT_REBOOT_COUNT": "\(restarts)",
            "TMT_TEST_RESTART_COUNT": "\(restarts)",
            "TMT_VERSION": "muster",
        ]) { $1 }
        if frame.framework == .beakerlib {
            command.environment["BEAKERLIB_COMMAND_REPORT_RESULT"] = "\(directory)/\(folder)/bin/tmt-report-result"
            command.environment["BEAKERLIB_COMMAND_SUBMIT_LOG"] = "\(directory)/\(folder)/bin/tmt-file-submit"
            command.environment["BEAKERLIB_DIR"] = "\(directory)/\(own)/data"
            command.environment["TESTID"] = "\(run)-\(suite.name)-\(attempt)"
        }
        // JSON is YAML as well.
        let metadata = Array(frame.metadata.utf8)
        command.files = [FileContent(source: .bytes(metadata), to: "\(own)/metadata.yaml", mode: 0o600)]
        for (name, script) in GuestScripts.all {
            command.files.append(
                FileContent(source: .bytes(Array(script.utf8)), to: "\(folder)/bin/\(name)", mode: 0o700)
            )
        }
        return command
    }

    /// What a test needs, and on machines that are not this host its framework, as for tmt.
    private func packages(of frame: TestFrame) -> PackageNeeds {
        var packages = frame.packages ?? PackageNeeds()
        if frame.framework == .beakerlib, isRemote, !packages.require.contains("beakerlib") {
            packages.require.append("beakerlib")
        }
        return packages
    }

    /// A name of a test as one name of a folder.
    private static func component(_ name: String) -> String {
        name.replacing("%", with: "%25").replacing("/", with: "%2F").replacing("..", with: "%2E%2E")
    }
}
