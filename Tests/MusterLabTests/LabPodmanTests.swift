import MusterCore
import Testing

@testable import MusterLab

/// The step `podman`.
@Suite struct LabPodmanTests {
    private func lab(_ step: String) -> String { "lab: a\ngroups:\n  g:\n    provision:\n      - podman: \(step)\n" }

    private func container(_ step: String) throws -> ContainerMachine? {
        let spec = try parse(lab(step)).runSpec(.up, directory: "/lab")
        guard case .podman(let container)? = spec.groups[0].machine else { return nil }
        return container
    }

    @Test func everyKeyComesThrough() throws {
        let found = try container(
            """
            { image: localhost/app, command: [serve, -v], env: { A: 1, B: 'x y', C: }, volumes: [d:/d, './c:/c:ro'], \
            ports: ['127.0.0.1:8080:80', '53:53/udp'], network: host, user: '1000:1000', memory: 512MiB, cpus: 1.5, \
            pids: 1000, rights: all, pull: missing, health: await }
            """
        )
        var wanted = ContainerMachine(image: "localhost/app")
        wanted.command = ["serve", "-v"]
        wanted.environment = ["A": "1", "B": "x y", "C": ""]
        wanted.volumes = ["d:/d", "/lab/c:/c:ro"]
        wanted.ports = ["127.0.0.1:8080:80", "53:53/udp"]
        (wanted.network, wanted.user, wanted.memory, wanted.cpus) = ("host", "1000:1000", 512 << 20, 1.5)
        (wanted.pids, wanted.isPrivileged, wanted.pull, wanted.awaitsHealth) = (1000, true, .missing, true)
        #expect(found == wanted)
    }

    @Test func whatIsNotSaidIsPodmansOwn() throws {
        #expect(try container("{ image: app }") == ContainerMachine(image: "app"))
        #expect(try container("{ image: app, command: [] }")?.command == [])
        #expect(try container("{ image: app, run: ./serve }")?.command == nil)
    }

    @Test(arguments: [
        ("{ image: -v }", "'image' wants one word"), ("{ image: a, network: 'a b' }", "'network' wants one word"),
        ("{ image: a, memory: 512 }", "512MiB"), ("{ image: a, memory: 5MB }", "a size with a unit"),
        ("{ image: a, volumes: [/a] }", "no volume"), ("{ image: a, ports: [80] }", "no port of the container"),
        ("{ image: a, env: { a-b: 1 } }", "no name for a variable"), ("{ run: x }", "lacks the key 'image'"),
        ("{ image: a, run: x, command: [y] }", "do not go together"), ("{ image: a, rights: true }", "usual"),
    ])
    func mistakesAreTold(_ step: String, _ wanted: String) {
        #expect(complaints(lab(step)).contains(wanted), "\(complaints(lab(step)))")
    }
}
