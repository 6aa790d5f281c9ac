package import MusterCore

/// A lab file, read and found right.
package struct Lab: Sendable {
    /// A suite with what a run decides by and does not keep.
    package struct Suite: Hashable, Sendable {
        package var spec: SuiteSpec
        /// `flaky: fail`.
        package var flakyFails: Bool
        /// Where it is declared: `lab.yaml:30`.
        package var place: String
        /// Of a plan of fmf: what sets each machine up for its tests, and what comes after them.
        package var prepare: [FMFPlan.Phase] = []
        package var finish: [FMFPlan.Phase] = []
        /// What the plan wants its results to be written as.
        package var reports: [ResultFile] = []
    }

    package var name: String
    /// The lab file as the user named it.
    package var file: String
    /// When machines stay up after `test`; nil leaves it to the verb.
    package var keep: Keep?
    /// After so long everything is gone, whatever happens.
    package var lifetime: Duration?
    package var parallel: Int?
    /// By which its nodes' modes and states are decided.
    package var modes: ModeSet
    /// Where notifications of its nodes go.
    package var notify: [NoticeSink]
    /// Each group stands after all it needs.
    package var groups: [GroupSpec]
    package var suites: [Suite]
    /// What `results` says, or everything.
    package var resultFormats: [ResultFormat]
    /// Relative to the lab's folder, or absolute.
    package var resultsDirectory: String
    /// The values that held, those given by `--var` too.
    package var vars: [String: String]
    /// What is odd and no error.
    package var warnings: [Diagnostic]

    package var nodeCount: Int { groups.reduce(0) { $0 + ($1.hasNodes ? $1.count : 0) } }
    package var testCount: Int { suites.reduce(0) { $0 + $1.spec.tests.count } }

    package static let resultsDirectoryDefault = "results"
}
