import Foundation
import MusterCore
import MusterDrivers

/// Whether what a run's playbooks need is installed: asked before anything is made.
struct AnsibleCheck {
    let spec: RunSpec
    /// Where programs of commands are looked up.
    var path = Environment.forCommands["PATH"] ?? ""

    func run() async throws {
        let groups = spec.groups.filter { group in
            group.steps.contains { if case .ansible = $0.kind { true } else { false } }
        }
        guard let first = groups.first else { return }
        guard isInstalled("ansible-playbook") else {
            throw CLIError(
                """
                group '\(first.name)' (\(first.place)) has a playbook, and there is no program 'ansible-playbook' in \
                PATH; nothing was started. Install ansible-core (Debian: apt-get install ansible-core; or: \
                python3 -m pip install ansible-core), or take the step out
                """
            )
        }
        for group in groups {
            if case .podman? = group.machine { try await checkPodman(group) }
        }
    }

    private func isInstalled(_ program: String) -> Bool {
        path.split(separator: ":").contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(program)") }
    }

    /// Ansible reaches containers by a collection that is not a part of it.
    private func checkPodman(_ group: GroupSpec) async throws {
        let plugin = "containers.podman.podman"
        let end = try? await LocalConnection().run(
            ["ansible-doc", "-t", "connection", plugin],
            within: .seconds(60)
        )
        guard let end, end.succeeded, !end.output.isEmpty else {
            throw CLIError(
                """
                group '\(group.name)' (\(group.place)) has a playbook for containers, which ansible reaches by \
                '\(plugin)', and that is not installed; nothing was started. Install it: ansible-galaxy collection \
                install containers.podman
                """
            )
        }
    }
}
