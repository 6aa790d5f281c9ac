import Foundation
import MusterCore
import MusterSupervision
import MusterTestKit
import Testing

@testable import MusterDrivers

@Suite struct NamespaceDriverConformanceTests {
    @Test(
        .disabled(if: NamespaceInside.absence != nil, "\(NamespaceInside.absence ?? "")"),
        .timeLimit(.minutes(5)),
        arguments: DriverConformance.checks
    )
    func netns(_ check: DriverConformance.Check) async throws {
        try await ProcessHouse.with(.namespaces) { house in try await check.run(on: house.subject) }
    }
}

/// What is particular to nodes in namespaces of their own.
@Suite(.disabled(if: NamespaceInside.absence != nil, "\(NamespaceInside.absence ?? "")"))
struct NamespaceDriverTests {
    private static let path = ["PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]

    private static func shell(_ text: String) -> Command {
        Command(.shell(text), environment: path, timeout: .seconds(60), leftovers: .end)
    }

    private func run(_ text: String, _ name: String, on node: NodeHandle, _ house: ProcessHouse) async throws -> String
    {
        let operation = OperationID(name)
        let exit = try await house.driver.run(Self.shell(text), on: node, operation: operation)
        let path = house.driver.outputPath(of: operation, on: node)
        let output = String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
        #expect(exit.succeeded, "'\(text)': \(exit) \(output)")
        return output
    }

    @Test func nodesSeeOnlyTheirOwnProcessesAndInterfaces() async throws {
        try await ProcessHouse.with(.namespaces) { house in
            let node = try await house.made()
            let seen = try await run("cat /proc/1/cmdline | tr '\\0' ' '; ls /sys/class/net", "look", on: node, house)
            #expect(seen.contains("muster-supervise serve"))
            #expect(seen.hasSuffix("eth0\nlo\n"), "\(seen)")
            let count = try await run("ls -d /proc/[0-9]* | wc -l", "count", on: node, house)
            #expect(Int(count.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 99 < 8)
            let mounted = try await run("mount -t tmpfs none /mnt && echo there > /mnt/file", "mount", on: node, house)
            #expect(mounted == "")
            #expect(!FileManager.default.fileExists(atPath: "/mnt/file"), "its mounts are its own")
            try await house.driver.destroy(node)
        }
    }

    @Test func nodesReachEachOtherAndTheHostReachesThem() async throws {
        try await ProcessHouse.with(.namespaces) { house in
            let one = try await house.made("one")
            let two = try await house.made("two")
            let (first, second) = (one.facts["address"] ?? "", two.facts["address"] ?? "")
            // Both listen on the same port, one of those that only root may take.
            for (address, answer) in [(first, "one"), (second, "two")] {
                let port = try NamespaceInside.serve(address, answer, port: 80)
                #expect(port == 80)
            }
            try await house.driver.probe(.tcp(port: 80), on: one, within: .seconds(5))
            try await house.driver.probe(.tcp(port: 80), on: two, within: .seconds(5))
            let read = "exec 3<>/dev/tcp/$PEER/80 && cat <&3"
            for (node, peer, wanted) in [(one, second, "two"), (two, first, "one"), (one, first, "one")] {
                let text = "bash -c 'PEER=\(peer); \(read)'"
                #expect(try await run(text, "ask-\(peer)", on: node, house) == wanted)
            }
            // The host, by the address at which every node sees it.
            let port = try serveForTest(address: "0.0.0.0", answer: "host")
            let host = "bash -c 'exec 3<>/dev/tcp/\(NodeNetwork.hostAddress)/\(port) && cat <&3'"
            #expect(try await run(host, "host", on: one, house) == "host")
            try await house.driver.destroy(one)
            try await house.driver.destroy(two)
            #expect(NamespaceInside.interfaces(of: [one.directory, two.directory]).isEmpty)
        }
    }

    @Test func addressesAreTheLowestFreeAndReleasedWithTheirNodes() async throws {
        try await ProcessHouse.with(.namespaces) { house in
            let pool = try AddressPool(cidr: "10.214.7.0/29", reserved: ["10.214.7.1", "10.214.7.4-10.214.7.5"])
            func make(_ label: String) async throws -> NodeHandle {
                var node = house.node(label)
                node.machine = .netns(NamespaceMachine(addresses: pool))
                node.facts = try await house.driver.create(node, operation: OperationID("create"), server: nil)
                return node
            }
            let (a, b, c) = (try await make("a"), try await make("b"), try await make("c"))
            #expect([a, b, c].map { $0.facts["address"] } == ["10.214.7.2", "10.214.7.3", "10.214.7.6"])
            let error = await #expect(throws: StepError.self) { _ = try await make("d") }
            #expect(error?.code == .refused)
            for node in [a, b, c] {
                #expect(error?.message.contains(node.directory) == true, "\(error?.message ?? "")")
            }
            #expect(error?.message.contains("10.214.7.3 by ") == true)
            try await house.driver.destroy(b)
            #expect(try await make("e").facts["address"] == "10.214.7.3")
            // A node whose supervisor died gets its address again.
            try await house.killSupervisor(of: c)
            try await house.driver.destroy(a)
            let again = try await house.driver.create(c, operation: OperationID("create"), server: nil)
            #expect(again["address"] == "10.214.7.6")
        }
    }

    @Test func aKilledSupervisorLeavesNeitherProcessesNorInterfaces() async throws {
        try await ProcessHouse.with(.namespaces) { house in
            let nap = DriverConformance.uniqueNap()
            let server = Command(
                .shell("(setsid env -i sleep \(nap) &) ; exec sleep \(nap)"),
                environment: Self.path,
                timeout: nil,
                leftovers: .keep
            )
            let node = try await house.made(server: server)
            #expect(NamespaceInside.interfaces(of: [node.directory]).count == 1)
            try await house.killSupervisor(of: node)
            #expect(NamespaceInside.waitUntilNoneIsLeft(of: [node.directory]).isEmpty)
            #expect(ProcessHouse.processes(containing: nap).isEmpty)
            try await house.driver.destroy(node)
        }
    }

    /// Kills all that belongs to the making of a node, at another moment each time.
    @Test(.timeLimit(.minutes(3))) func aKillAtAnyPointOfAMakingLeavesNothing() async throws {
        try await ProcessHouse.with(.namespaces) { house in
            let supervisor = try ProcessHouse.supervisor()
            var directories: [String] = []
            var isCut = (before: 0, after: 0)
            for round in 0..<40 {
                let node = house.node("cut")
                directories.append(node.directory)
                let launch = ["launch-apart", node.directory, "create", "-", "10.215.0.1", "10.215.0.2"]
                let status = Self.runCut(supervisor, launch, afterMilliseconds: Int32(round))
                if status { isCut.after += 1 } else { isCut.before += 1 }
                // Every second one is made again, as the next conductor would; then all are destroyed.
                if round % 2 == 0 {
                    let facts = try await house.driver.create(node, operation: OperationID("create"), server: nil)
                    #expect(facts["address"] != nil)
                }
                try await house.driver.destroy(node)
                #expect(await Leftovers.find(nodes: node.directory).isEmpty)
                #expect(await Leftovers.find(nodes: house.folder).isEmpty, "round \(round)")
            }
            #expect(isCut.before > 5, "no launch was killed in its middle: \(isCut)")
            #expect(NamespaceInside.waitUntilNoneIsLeft(of: directories).isEmpty)
            let names = ["10.215.0.1", "10.215.0.2"].compactMap { IPv4Address($0) }
            #expect(NamespacePlace.taken().isDisjoint(with: names))
            for name in names.map({ NodeNetwork.interface(of: $0.bits) }) {
                #expect(!FileManager.default.fileExists(atPath: "/sys/class/net/\(name)"), "\(name)")
            }
        }
    }

    /// Whether the program ended by itself before it was killed.
    private static func runCut(_ program: String, _ arguments: [String], afterMilliseconds: Int32) -> Bool {
        var pid: pid_t = 0
        let strings: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
        defer { for string in strings { free(string) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        guard posix_spawn(&pid, program, &actions, nil, strings, environ) == 0,
            let entry = ProcessTable.entry(pid), let handle = ProcessHandle(entry.identity)
        else { return false }
        // The length is what is tested, so the clock has the word: no event says that a launch is half done.
        let isOver = handle.waitForEnd(milliseconds: afterMilliseconds)
        kill(pid, SIGKILL)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        return isOver
    }
}

/// What needs no namespaces.
@Suite struct NamespacePlaceTests {
    @Test func whatIsMissingIsNamedBeforeAnythingIsMade() throws {
        let pool = AddressPool.standard
        let none = try #require(NamespacePlace.problem(pool, capabilities: 0, routes: []))
        #expect(none.contains("CAP_SYS_ADMIN and CAP_NET_ADMIN") && none.contains("as root"))
        let half = try #require(NamespacePlace.problem(pool, capabilities: 1 << 21, routes: []))
        #expect(half.contains("lacks CAP_NET_ADMIN:"))
        #expect(NamespacePlace.problem(pool, capabilities: nil, routes: []) != nil)
        let ip = try #require(NamespacePlace.problem(pool, capabilities: .max, routes: [], folders: ["/nowhere"]))
        #expect(ip.contains("iproute2") && ip.contains("/nowhere"))
    }

    @Test func addressesThatTheHostHasARouteToAreRefused() throws {
        let text = """
            Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
            eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
            eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
            mu0ad50001\t0100D50A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0
            """
        let routes = NamespacePlace.Route.parsed(text)
        #expect(routes.map(\.title) == ["0.0.0.0/0", "10.0.2.0/24", "10.213.0.1/32"])
        func problem(_ cidr: String) throws -> String? {
            NamespacePlace.problem(
                try AddressPool(cidr: cidr),
                capabilities: .max,
                routes: routes,
                folders: ["/bin/../bin", "/usr/bin", "/sbin", "/usr/sbin"]
            )
        }
        #expect(try problem("10.0.0.0/16")?.contains("10.0.2.0/24 by 'eth0'") == true)
        #expect(try problem("10.0.2.128/25") != nil)
        #expect(try problem("10.0.3.0/24") == nil)
        #expect(try problem("10.213.0.0/16") == nil, "routes to other nodes are no obstacle")
    }

    @Test func namesOfInterfacesAreShortAndSayTheAddress() {
        #expect(NodeNetwork.interface(of: 0x0AD5_0002) == "mu0ad50002")
        #expect(NodeNetwork.isInterface("mu0ad50002"))
        for name in ["mu0ad5000", "mu0ad50002a", "muxxxxxxxx", "eth0", "mu0AD50002"] {
            #expect(!NodeNetwork.isInterface(name), "\(name)")
        }
        #expect(NodeNetwork.alias(of: "/a/b") == "muster /a/b")
        let long = NodeNetwork.alias(of: "/" + String(repeating: "ü", count: 400))
        #expect(long.utf8.count <= 250 && long.hasPrefix("muster ...ü"))
    }
}
