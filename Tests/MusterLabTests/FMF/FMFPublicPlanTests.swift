import Foundation
import MusterCore
import Testing

@testable import MusterLab

/// Plans of public trees: what they choose, and what of them is not done.
@Suite(.enabled(if: FMFData.isThere, FMFData.reason)) struct FMFPublicPlanTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let tree: String
        let plan: String
        var context: [String: [String]] = [:]
        let tests: Int
        let prepare: Int
        var roles: [String] = []
        let ignored: [String]
        var testDescription: String { "\(tree) \(plan)" }
    }

    static let cases = [
        Case(
            tree: "RHSecurityCompliance_contest",
            plan: "/plans/daily",
            context: ["distro": ["centos-stream-10"], "trigger": ["build"]],
            tests: 167,
            prepare: 4,
            ignored: []
        ),
        Case(
            tree: "RedHat-SP-Security_keylime-tests",
            plan: "/plans/upstream-keylime-all-tests",
            tests: 88,
            prepare: 5,
            ignored: ["require: library without a url (9)"]
        ),
        Case(
            tree: "RedHat-SP-Security_keylime-tests",
            plan: "/plans/upstream-keylime-multihost-upgrade",
            context: ["distro": ["centos-stream-10"], "multihost": ["yes"]],
            tests: 5,
            prepare: 8,
            roles: ["keylime 1", "agent 1"],
            ignored: ["require: library without a url (1)"]
        ),
        Case(
            tree: "eclipse-bluechi_bluechi/tests",
            plan: "/plans/multihost",
            tests: 99,
            prepare: 2,
            roles: ["executor 1", "controller 1", "agent 2"],
            ignored: []
        ),
        Case(
            tree: "RHSecurityCompliance_atex/tests/executor/fmf/fmf_trees/discover",
            plan: "/plans/duplicate",
            tests: 12,
            prepare: 0,
            ignored: ["require: library without a url (2)"]
        ),
        Case(
            tree: "RHSecurityCompliance_atex/tests/executor/fmf/fmf_trees/pty",
            plan: "/plan",
            tests: 4,
            prepare: 2,
            ignored: []
        ),
    ]

    @Test(arguments: cases)
    func aPlanOfAPublicTreeIsTaken(_ expected: Case) throws {
        let folder = try #require(FMFData.folder)
        let suite = try FMFSuite(
            at: "\(folder)/trees/\(expected.tree)",
            context: expected.context.isEmpty ? nil : FMFContext(expected.context),
            FMFSelection(),
            plan: expected.plan
        )
        #expect(suite.tests.count == expected.tests && suite.prepare.count == expected.prepare)
        #expect(suite.roles.map { "\($0.name) \($0.count)" } == expected.roles)
        #expect(suite.ignored == expected.ignored)
        #expect(Set(suite.tests.map(\.name)).count == suite.tests.count)
    }

    @Test func setupComesInThePlansOrder() throws {
        let folder = try #require(FMFData.folder)
        let path = "\(folder)/trees/RedHat-SP-Security_keylime-tests"
        let suite = try FMFSuite(at: path, FMFSelection(), plan: "/plans/distribution-c10s-keylime-swtpm-dev")
        #expect(
            suite.tests.prefix(5).map(\.name) == [
                "/setup/apply_workarounds", "/setup/configure_swtpm_device", "/setup/configure_swtpm_device (2)",
                "/setup/configure_kernel_ima_module/ima_policy_simple", "/functional/basic-attestation-on-localhost",
            ]
        )
    }
}
