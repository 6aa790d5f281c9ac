/// What a test of an fmf tree is run with, and how its end is read, beside its command.
package struct TestFrame: Hashable, Sendable, Codable {
    /// By what the test reports, as its key `framework` says.
    package enum Framework: String, Hashable, Sendable, Codable, CaseIterable { case shell, beakerlib }

    /// What its outcome is taken for, as its key `result` says.
    package enum ResultRule: String, Hashable, Sendable, Codable, CaseIterable {
        /// As it is.
        case respect
        /// Turned around: it is known to fail.
        case xfail
        case pass, info, warn, fail, error, skip
        /// The test reports by itself.
        case custom
    }

    /// What is looked at around a test, besides the test.
    package enum Check: String, Hashable, Sendable, CaseIterable {
        /// Crashes in the kernel's log.
        case dmesg
        /// What SELinux has denied.
        case avc
        /// Core dumps of any process.
        case coredump
    }

    /// What is made of what a check around a test finds.
    package enum CheckRule: String, Hashable, Sendable, Codable, CaseIterable { case respect, xfail, info }

    /// The root of its tree: an absolute path of this host.
    package var tree: String
    /// Where it runs, relative to the tree.
    package var directory: String
    package var environment: [String: String]
    package var framework: Framework
    package var result: ResultRule
    /// Exit codes after which it is started again, as if it had gone away, and how often.
    package var restartCodes: [Int]
    package var restartsMax: Int
    /// All its data, as JSON.
    package var metadata: String
    /// What is to be there before it starts; nil for nothing.
    package var packages: PackageNeeds?
    /// Libraries of beakerlib that it imports; nil for none.
    package var libraries: [LibraryNeed]?
    /// Whether it runs on a terminal; nil for no.
    package var hasTerminal: Bool?
    /// Whether the kernel's log is looked at for crashes while it ran; nil for no.
    package var dmesg: CheckRule?
    /// Whether it is looked at what SELinux denies while it runs; nil for no.
    package var avc: CheckRule?
    /// Whether core dumps are looked for that come while it runs; nil for no.
    package var coredump: CheckRule?

    /// What is made of a check; nil where it is not done.
    package subscript(check: Check) -> CheckRule? {
        get {
            switch check {
            case .dmesg: dmesg
            case .avc: avc
            case .coredump: coredump
            }
        }
        set {
            switch check {
            case .dmesg: dmesg = newValue
            case .avc: avc = newValue
            case .coredump: coredump = newValue
            }
        }
    }

    /// The checks that are done, in their order.
    package var checks: [(check: Check, rule: CheckRule)] {
        Check.allCases.compactMap { check in self[check].map { (check, $0) } }
    }

    package init(tree: String, directory: String) {
        self.tree = tree
        self.directory = directory
        environment = [:]
        framework = .shell
        result = .respect
        restartCodes = []
        restartsMax = 1
        metadata = "{}"
    }

    /// What a script's exit says: tmt's rule for both frameworks, 0 a pass, 1 a fail, anything else an error.
    func outcome(ofExit status: Int) -> Outcome {
        switch status {
        case 0: .pass
        case 1: .fail
        default: .error
        }
    }

    /// The same where the test has reported results of parts: the worst of them counts, as in tmt.
    package func outcome(ofExit status: Int, parts: [Outcome]) -> Outcome {
        let own = outcome(ofExit: status)
        return [Outcome.error, .fail, .warn].first { $0 == own || parts.contains($0) } ?? own
    }

    /// What an outcome is taken for. That a machine was lost says nothing of the test.
    func interpreted(_ outcome: Outcome) -> Outcome {
        if outcome == .infra { return outcome }
        return switch result {
        case .respect, .custom: outcome
        case .xfail: outcome == .fail ? .pass : outcome == .pass ? .fail : outcome
        case .pass: .pass
        case .info: .info
        case .warn: .warn
        case .fail: .fail
        case .error: .error
        case .skip: .skip
        }
    }
}
