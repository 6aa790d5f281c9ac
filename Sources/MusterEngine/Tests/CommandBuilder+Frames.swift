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
        let libraries = try libraries(of: frame)
        kits += libraries.kits
        let place = frame.directory.isEmpty ? tree : "\(tree)/\(frame.directory)"
        let packages = self.packages(of: frame)
        let stamp = "\(home)/\(Self.framesFolder)/packages/\(packages.key)"
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
            "TMT_TREE": tree,
            "TMT_SOURCE_DIR": tree,
            "TMT_TEST_NAME": test.name,
            "TMT_TEST_SERIAL_NUMBER": "\(number)",
            "TMT_TEST_ITERATION_ID": "\(run)-\(suite.name)-\(attempt)",
            "TMT_TEST_DATA": "\(home)/\(own)/data",
            "TMT_TEST_METADATA": "\(home)/\(own)/metadata.yaml",
            "TMT_PLAN_DATA": "\(home)/\(folder)/\(suite.name)/plan-data",
            "TMT_PLAN_ENVIRONMENT_FILE": "\(home)/\(folder)/\(suite.name)/variables.env",
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
        if let place = libraries.place { command.environment["BEAKERLIB_LIBRARY_PATH"] = place }
        // JSON is YAML as well.
        let metadata = Array(frame.metadata.utf8)
        command.files = [FileContent(source: .bytes(metadata), to: "\(own)/metadata.yaml", mode: 0o600)]
        command.kits = kits
        return command
    }

    /// Where the libraries of a test are, and what puts them there; nil when it imports none.
    ///
    /// - Throws: `.file` when one that it cannot do without could not be had.
    private func libraries(of frame: TestFrame) throws(StepError) -> (place: String?, kits: [NodeKit]) {
        guard let needs = frame.libraries, !needs.isEmpty else { return (nil, []) }
        let again = "begin it anew (--new)"
        guard let set = spec.libraries?.first(where: { $0.needs == needs }) else {
            throw StepError(.file, "the run has no copy of the libraries of the test: \(again)")
        }
        if let flaw = set.flaw { throw StepError(.file, flaw) }
        guard isRemote else { return (set.folder, []) }
        guard let copy = archive.tree(set.folder, in: spec) else {
            throw StepError(.file, "the run has no copy of the libraries for \(node.name): \(again)")
        }
        return ("\(home)/\(copy.name)", [.folder(archive: copy.archive, to: copy.name)])
    }

    /// The node's folder, where it is.
    var home: String { isRemote ? node.facts["directory"] ?? "." : directory }

    private static let guestPrograms = NodeKit.files(
        GuestScripts.all.map { name, script in
            FileContent(source: .bytes(Array(script.utf8)), to: "\(framesFolder)/bin/\(name)", mode: 0o700)
        }
    )

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
