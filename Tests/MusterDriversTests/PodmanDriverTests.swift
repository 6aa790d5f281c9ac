import Foundation
import MusterCore
import MusterSupervision
import MusterTestKit
import Testing

@testable import MusterDrivers

/// What is particular to containers: making them once, images, limits, their own programs, their ends.
@Suite(.disabled(if: PodmanStore.absence != nil, "\(PodmanStore.absence ?? "")"), .timeLimit(.minutes(5)))
struct PodmanDriverTests {
    private static func shell(_ text: String, timeout: Duration? = .seconds(100)) -> Command {
        Command(
            .shell(text),
            environment: ["PATH": "/usr/bin:/bin"],
            timeout: timeout,
            grace: .seconds(60),
            leftovers: timeout == nil ? .keep : .end
        )
    }

    private static func refusal(_ body: () async throws -> Void) async throws -> StepError {
        do { try await body() } catch let error as StepError { return error }
        throw StepError(.unknown, "it was not refused")
    }

    private static func text(_ operation: String, _ house: PodmanHouse, _ node: NodeHandle) throws -> String {
        try String(contentsOfFile: house.driver.outputPath(of: OperationID(operation), on: node), encoding: .utf8)
    }

    /// A podman that does something besides, once it is asked to make a container.
    private static func podman(_ house: PodmanHouse, _ name: String, _ run: String) throws -> [String] {
        let path = "\(house.folder)/\(name)"
        let text = """
            #!/bin/sh
            case $1 in run) \(run) ;; esac
            exec \(house.store.podman[0]) "$@"
            """
        guard FileManager.default.createFile(atPath: path, contents: Data(text.utf8)) else {
            throw StepError(.file, "\(path) cannot be written")
        }
        // By `sh`: a file that was just written may still be open in a child of another test, and so not be started.
        return ["/bin/sh", path]
    }

    // MARK: Making

    @Test func aContainerWhoseMakerWasKilledIsFoundAndNotMadeTwice() async throws {
        try await PodmanHouse.with { house in
            // The container is made, and nobody hears of it.
            let deaf = try Self.podman(house, "deaf", "\(house.store.podman[0]) \"$@\" >/dev/null; kill -9 $$")
            var node = house.node("found")
            let lost = try await Self.refusal {
                _ = try await house.another(podman: deaf).create(node, operation: OperationID("create"), server: nil)
            }
            let made = await house.driver.belongings().found
            #expect(lost.code == .refused, "\(lost)")
            #expect(made.map(\.name) == [house.driver.name(of: node)])
            #expect(made.map(\.operation) == [OperationID("create")])
            #expect(made.map(\.node) == [node.id])
            #expect(made.map(\.nodeName) == ["\(node.name)"])
            #expect(made.map(\.lab) == ["lab"])
            node.facts = try await house.driver.create(node, operation: OperationID("create"), server: nil)
            #expect(await house.driver.belongings().found == made)
            let exit = try await house.driver.run(Self.shell("true"), on: node, operation: OperationID("run"))
            #expect(exit.succeeded)
            try await house.driver.destroy(node)
        }
    }

    /// What may be there when whoever made the container was killed, made by a podman in place of a whole one.
    @Test(arguments: [
        "kill -9 $$",
        "shift 2; $podman create \"$@\" >/dev/null; kill -9 $$",
        "$podman \"$@\" >/dev/null; $podman stop --time 0 \"$4\" >/dev/null; kill -9 $$",
    ]) func aMakingThatWasCutOffIsNoLossAndIsDoneToItsEnd(leaving text: String) async throws {
        try await PodmanHouse.with { house in
            let cut = try Self.podman(house, "cut", "podman=\(house.store.podman[0]); \(text)")
            var node = house.node("cut")
            let create = OperationID("create")
            let server = Self.shell("exec sleep 1000", timeout: nil)
            _ = try await Self.refusal {
                _ = try await house.another(podman: cut).create(node, operation: create, server: server)
            }
            #expect(try await house.driver.status(of: create, on: node) == .neverStarted)
            node.facts = try await house.driver.create(node, operation: create, server: server)
            #expect(try await house.driver.status(of: create, on: node) == .running)
            #expect(await house.driver.belongings().found.map(\.node) == [node.id])
            try await house.driver.destroy(node)
        }
    }

    @Test func whatALateMakerMakesIsNoneOfADestroyedNode() async throws {
        try await PodmanHouse.with { house in
            _ = try await house.podman("version")
            let (up, go) = ("\(house.folder)/up", "\(house.folder)/go")
            mkfifo(up, 0o600)
            mkfifo(go, 0o600)
            // It says that it is under way, and waits to be let go.
            let slow = try Self.podman(house, "slow", "echo up >\(up); cat \(go) >/dev/null")
            let node = house.node("late")
            let maker = house.another(podman: slow)
            let making = Task { try await maker.create(node, operation: OperationID("create"), server: nil) }
            _ = try await LocalConnection().run(["cat", up])
            // The maker's conductor is gone, and the next one destroys the node.
            var later = node
            later.tenure = Tenure(2)
            let gone = later
            let destroying = Task { try await house.driver.destroy(gone) }
            _ = try await LocalConnection().run(["sh", "-c", "echo go >\(go)"])
            try await destroying.value
            _ = try? await making.value
            #expect(await house.driver.belongings() == Belongings())
        }
    }

    @Test func aNodeIsDestroyedAlsoWhenOnlyItsLabelsAreKnown() async throws {
        try await PodmanHouse.with { house in
            let node = try await house.made()
            let other = try await house.made("other")
            try FileManager.default.removeItem(atPath: node.directory)
            try await house.another().destroy(node)
            #expect(await house.driver.belongings().found.map(\.node) == [other.id])
            try await house.another().destroy(node)
            try await house.driver.destroy(other)
        }
    }

    @Test func aContainerOfAnotherOnesIsLeftAlone() async throws {
        try await PodmanHouse.with { house in
            let node = house.node("taken")
            let name = house.driver.name(of: node)
            let end = try await house.podman("create", "--name", name, "--network", "none", PodmanStore.image, "true")
            #expect(end.succeeded)
            let error = try await Self.refusal {
                _ = try await house.driver.create(node, operation: OperationID("create"), server: nil)
            }
            #expect(error.message.contains("not of this state"), "\(error)")
            #expect(try await house.podman("container", "exists", name).succeeded)
            _ = try await house.podman("rm", "--force", name)
            try await house.driver.destroy(node)
        }
    }

    @Test func anImageThatIsNotThereIsAnErrorThatSaysHowToGetIt() async throws {
        try await PodmanHouse.with { house in
            let node = house.node("none", house.container("localhost/muster-none:1"))
            let error = try await Self.refusal {
                _ = try await house.driver.create(node, operation: OperationID("create"), server: nil)
            }
            #expect(error.code == .refused)
            #expect(error.message.contains("podman build -t localhost/muster-none:1"), "\(error)")
            try await house.driver.destroy(node)
        }
    }

    @Test func aHostWithoutPodmanIsToldSo() async throws {
        try await PodmanHouse.with { house in
            let driver = house.another(podman: ["muster-no-such-podman"])
            let node = house.node("none")
            let error = try await Self.refusal {
                _ = try await driver.create(node, operation: OperationID("create"), server: nil)
            }
            #expect(error.code == .refused)
            #expect(error.message.contains("apt-get install podman"), "\(error)")
            try await driver.destroy(house.node("never"))
        }
    }

    // MARK: The image's own program

    @Test func theImagesOwnProgramIsTheServerAndItsOutputIsKept() async throws {
        try await PodmanHouse.with { house in
            var container = house.container(PodmanStore.serving)
            container.environment = ["GREETING": "a 'b'\n\"c\" $d"]
            let node = try await house.made("own", container)
            #expect(node.facts["image"] == PodmanStore.serving)
            #expect(node.facts["digest"]?.hasPrefix("sha256:") == true)
            #expect(try await house.driver.status(of: OperationID("create"), on: node) == .running)
            let exit = try await house.driver.run(
                Self.shell("echo \"$GREETING\"; hostname; tr '\\0' ' ' </proc/1/cmdline"),
                on: node,
                operation: OperationID("run")
            )
            #expect(exit.succeeded)
            let said = try Self.text("run", house, node)
            #expect(said.hasPrefix("a 'b'\n\"c\" $d\nnode-1\n"), "\(said)")
            try await house.driver.watch(node)
            _ = try await house.podman("kill", house.driver.name(of: node))
            #expect(await house.nextEvent() == .lost(node.id, reason: "its container ended: signal 9 (exit 137)"))
            let error = try await Self.refusal { try await house.driver.watch(node) }
            #expect(error.code == .lost)
            guard case .ended(let end) = try await house.driver.status(of: OperationID("create"), on: node) else {
                throw StepError(.unknown, "its end is not known")
            }
            #expect(end.signal == 9)
            try await house.driver.destroy(node)
            #expect(try Self.text("create", house, node) == "hello\na 'b' \"c\" $d\n")
        }
    }

    @Test func powerStopsAndStartsTheContainerAndIsNoLoss() async throws {
        try await PodmanHouse.with { house in
            let node = try await house.made("power", house.container(PodmanStore.serving))
            let driver = house.driver
            try await driver.watch(node)
            _ = try await driver.run(Self.shell("echo kept >kept"), on: node, operation: OperationID("keep"))
            try await driver.powerOff(node, grace: .zero)
            try await driver.powerOff(node, grace: .zero)
            let error = try await Self.refusal {
                _ = try await driver.run(Self.shell("true"), on: node, operation: OperationID("off"))
            }
            #expect(error.message.contains("is off"), "\(error)")
            #expect(try await driver.running(on: node) == [])
            try await house.another().watch(node)
            try await driver.powerOn(node, operation: OperationID("on"))
            try await driver.powerOn(node, operation: OperationID("on"))
            let exit = try await driver.run(Self.shell("cat kept"), on: node, operation: OperationID("look"))
            #expect(exit.succeeded)
            _ = try await house.podman("kill", driver.name(of: node))
            // The first loss of all.
            guard case .lost(let id, let reason)? = await house.nextEvent() else { throw StepError(.lost, "no event") }
            #expect(id == node.id)
            #expect(reason.contains("signal 9"))
            try await driver.destroy(node)
        }
    }

    @Test func aProgramThatEndsAtOnceSaysWhy() async throws {
        try await PodmanHouse.with { house in
            var container = house.container()
            container.command = ["sh", "-c", "echo no good >&2; exit 3"]
            let node = house.node("ends", container)
            let error = try await Self.refusal {
                _ = try await house.driver.create(node, operation: OperationID("create"), server: nil)
            }
            #expect(error.message.contains("exit 3"), "\(error)")
            #expect(error.message.contains("no good"), "\(error)")
            container.command = ["/no/such/program"]
            let other = house.node("bad", container)
            let second = try await Self.refusal {
                _ = try await house.driver.create(other, operation: OperationID("create"), server: nil)
            }
            #expect(second.code == .notStarted, "\(second)")
            #expect(second.message.contains("/no/such/program"), "\(second)")
            try await house.driver.destroy(node)
            try await house.driver.destroy(other)
        }
    }

    @Test func aNodeIsMadeWhenItIsHealthyAndNotBefore() async throws {
        try await PodmanHouse.with { house in
            var container = house.container(PodmanStore.healthy)
            container.awaitsHealth = true
            let node = house.node("healthy", container)
            let making = Task { try await house.driver.create(node, operation: OperationID("create"), server: nil) }
            // It is asked at least twice before it is told that all is well.
            while try await house.podman("container", "inspect", house.driver.name(of: node)).succeeded == false {}
            for _ in 0..<2 {
                let end = try await house.podman("healthcheck", "run", house.driver.name(of: node))
                #expect(!end.succeeded)
            }
            while try await house.podman("exec", house.driver.name(of: node), "touch", "/ok").succeeded == false {}
            _ = try await making.value
            #expect(try await house.podman("healthcheck", "run", house.driver.name(of: node)).succeeded)
            try await house.driver.destroy(node)
            var plain = house.container()
            plain.awaitsHealth = true
            let other = house.node("plain", plain)
            let error = try await Self.refusal {
                _ = try await house.driver.create(other, operation: OperationID("create"), server: nil)
            }
            #expect(error.message.contains("no health check"), "\(error)")
            try await house.driver.destroy(other)
        }
    }

    // MARK: Limits and secrets

    @Test func limitsAreThoseOfTheStep() async throws {
        try await PodmanHouse.with { house in
            var container = house.container()
            container.memory = 64 << 20
            container.cpus = 0.5
            container.pids = 77
            container.user = "1000"
            container.volumes = []
            let driver = PodmanDriver(
                options: PodmanDriver.Options(state: house.name, podman: house.store.podman),
                events: { _ in },
                logger: house.driver.logger
            )
            var node = house.node("limits", container)
            node.facts = try await driver.create(node, operation: OperationID("create"), server: nil)
            let end = try await house.podman(
                "container",
                "inspect",
                "--format",
                "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}",
                driver.name(of: node)
            )
            #expect(String(decoding: end.output, as: UTF8.self) == "67108864 500000000 77\n")
            // The folder of the node is its user's, on a volume of its own, which goes with it.
            let exit = try await driver.run(Self.shell("touch mine; id -u"), on: node, operation: OperationID("id"))
            #expect(exit.succeeded)
            #expect(try Self.text("id", house, node) == "1000\n")
            #expect(try await house.podman("volume", "ls", "--quiet").output.isEmpty == false)
            try await driver.destroy(node)
            await driver.close()
        }
    }

    @Test func whoRunsOutOfMemoryIsLostAndItIsSaid() async throws {
        try await PodmanHouse.with { house in
            var container = house.container()
            container.memory = 16 << 20
            container.command = ["sh", "-c", "read line </go; exec tail -c 200000000 /dev/zero"]
            container.volumes.append("\(house.folder)/go:/go")
            mkfifo("\(house.folder)/go", 0o600)
            let node = try await house.made("memory", container)
            try await house.driver.watch(node)
            _ = try await LocalConnection().run(["sh", "-c", "echo go >\(house.folder)/go"])
            guard case .lost(_, let reason)? = await house.nextEvent() else { throw StepError(.lost, "no event") }
            #expect(reason.contains("signal 9"), "\(reason)")
            #expect(reason.contains("out of memory"), "\(reason)")
            try await house.driver.destroy(node)
        }
    }

    @Test func secretsAreInNoListOfProcessesAndNotInWhatPodmanShows() async throws {
        try await PodmanHouse.with { house in
            let secret = "s3cret-\(DriverConformance.uniqueNap())"
            var server = Self.shell("test -n \"$TOKEN\" && exec sleep \(DriverConformance.uniqueNap())", timeout: nil)
            server.secrets = ["TOKEN": secret]
            var container = house.container()
            container.environment = ["VALUE": "v4lue-of-the-step"]
            let node = try await house.made("secret", container, server: server)
            var command = Self.shell("echo up >up; cat go >/dev/null; test -n \"$TOKEN\"")
            command.secrets = ["TOKEN": secret]
            _ = try await house.driver.run(Self.shell("mkfifo up go"), on: node, operation: OperationID("prepare"))
            let given = command
            async let exit = house.driver.run(given, on: node, operation: OperationID("use"))
            _ = try await house.driver.run(Self.shell("cat up"), on: node, operation: OperationID("see"))
            #expect(ProcessHouse.processes(containing: secret) == [])
            #expect(ProcessHouse.processes(containing: "v4lue-of-the-step") == [])
            let shown = try await house.podman("container", "inspect", house.driver.name(of: node))
            #expect(!String(decoding: shown.output, as: UTF8.self).contains(secret))
            _ = try await house.driver.run(Self.shell("echo go >go"), on: node, operation: OperationID("go"))
            #expect(try await exit.succeeded)
            try await house.driver.destroy(node)
        }
    }

    @Test func aStepWithoutNetworkIsReachedAllTheSame() async throws {
        try await PodmanHouse.with { house in
            var container = house.container()
            container.network = "none"
            let node = try await house.made("alone", container)
            #expect(node.facts["address"] == "127.0.0.1")
            let exit = try await house.driver.run(Self.shell("true"), on: node, operation: OperationID("run"))
            #expect(exit.succeeded)
            try await house.driver.destroy(node)
        }
    }

    @Test func pointsInTimeAreReadAsPodmanWritesThem() {
        #expect(Moment.microseconds("1970-01-01T00:00:01.5Z") == 1_500_000)
        #expect(Moment.microseconds("2026-11-21T23:10:42.247034235Z") == 1_795_302_642_247_034)
        #expect(Moment.microseconds("1970-01-01T02:00:01+02:00") == 1_000_000)
        #expect(Moment.microseconds("soon") == nil)
    }
}
