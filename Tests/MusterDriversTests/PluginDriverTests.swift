import Foundation
import Glibc
import Logging
import MusterCore
import MusterDrivers
import MusterSupervision
import MusterTestKit
import Testing

/// What is particular to machines of plug-ins: answers that are none, plug-ins that are killed, machines without
/// commands, power, watches.
@Suite(.timeLimit(.minutes(3))) struct PluginDriverTests {
    private static func refusal(_ body: () async throws -> Void) async throws -> StepError {
        do { try await body() } catch let error as StepError { return error }
        throw StepError(.unknown, "it was not refused")
    }

    private static func shell(_ text: String) -> Command {
        Command(.shell(text), environment: ["PATH": "/usr/bin:/bin"], timeout: .seconds(100), leftovers: .end)
    }

    /// A plug-in's answer to `create`, what the error says of it, and its code.
    private static let hostile: [(String, [String], StepError.Code)] = [
        ("echo hello", ["line 1", "is not JSON: 'hello'", "standard error", "muster doctor plugin"], .badValue),
        ("ok '' | tr -d '}'", ["line 1", "is not JSON"], .badValue),
        ("echo '[1]'", ["line 1", "a list", "must be an object"], .badValue),
        ("echo '{\"id\":\"x\",\"ok\":{}}'", ["line 1", "'id' is 'x'", "the request's is"], .badValue),
        ("echo '{\"ok\":{}}'", ["line 1", "'id' is missing"], .badValue),
        (
            "printf '{\"id\":\"%s\",\"progress\":\"a\"}\\n{\"id\":7}\\n' $PLUGIN_ID", ["line 2", "'id' is a number"],
            .badValue
        ),
        ("printf '{\"id\":\"%s\"}\\n' $PLUGIN_ID", ["line 1", "none of ok, error, progress"], .badValue),
        ("printf '{\"id\":\"%s\",\"ok\":{}}' $PLUGIN_ID", ["line 1", "cut off"], .badValue),
        ("printf '{\"id\":\"%s\",\"ok\":1}\\n' $PLUGIN_ID", ["'ok' is a number", "an object"], .badValue),
        ("ok ''", ["request create", "'ok.address' is missing"], .badValue),
        ("ok '\"address\":7'", ["'ok.address' is a number", "a text"], .badValue),
        ("ok '\"address\":\"a\",\"connect\":\"sh\"'", ["'ok.connect' is a text", "a list"], .badValue),
        ("ok '\"address\":\"a\",\"connect\":[]'", ["names no program"], .badValue),
        ("ok '\"address\":\"a\",\"connect\":[\"sh\",3]'", ["'ok.connect[1]' is a number"], .badValue),
        ("ok '\"address\":\"a\",\"facts\":{\"a\":1}'", ["'ok.facts.a' is a number", "in quotes"], .badValue),
        ("ok '\"address\":\"a\",\"root\":\"x\"'", ["'ok.root'", "begin with /"], .badValue),
        ("echo no room >&2; exit 3", ["ended with status 3 without an answer", "no room"], .badValue),
        ("kill -9 $$", ["signal 9", "without an answer"], .badValue),
        ("exit 0", ["ended with status 0 without an answer"], .badValue),
        ("head -c 3000000 /dev/zero | tr '\\0' x", ["line 1", "longer than 1 MiB"], .badValue),
        (
            "printf '{\"id\":\"%s\",\"progress\":\"' $PLUGIN_ID; head -c 900000 /dev/zero | tr '\\0' x",
            ["line 1", "is not JSON"], .badValue
        ),
        (
            "line=$(head -c 900000 /dev/zero | tr '\\0' x); while :; do printf '{\"id\":\"%s\",\"progress\":\"%s\"}\\n' $PLUGIN_ID $line; done",
            ["more than 16 MiB"], .badValue
        ),
        (
            "yes \"{\\\"id\\\":\\\"$PLUGIN_ID\\\",\\\"progress\\\":\\\"a\\\"}\"",
            ["line 20001", "more than 20000 lines"], .badValue
        ),
        (
            "printf '{\"id\":\"%s\",\"error\":{\"code\":\"oops\",\"message\":\"m\"}}\\n' $PLUGIN_ID",
            ["'error.code' is 'oops'", "refused, lost"], .badValue
        ),
        (
            "echo see hunter2-hunter2 >&2; printf '{\"id\":\"%s\",\"error\":{\"code\":\"refused\",\"message\":\"no hunter2-hunter2\"}}\\n' $PLUGIN_ID",
            ["plugin: no ***", "see ***"], .refused
        ),
    ]

    @Test(arguments: hostile.indices)
    func anAnswerThatIsNoneSaysWhatAndWhere(_ index: Int) async throws {
        let (script, wanted, code) = Self.hostile[index]
        try await PluginHouse.with(script: "describe\n\(script)") { house in
            let error = try await Self.refusal { _ = try await house.made() }
            #expect(error.code == code, "\(error)")
            for text in wanted + ["node/1: "] { #expect(error.message.contains(text), "\(error)") }
            #expect(!error.message.contains("hunter2"))
            #expect(error.message.utf8.count < 3000)
        }
    }

    @Test(arguments: [
        ("ok '\"format\":2,\"name\":\"x\",\"requests\":[]'", "speaks format 2"),
        ("ok '\"name\":\"x\",\"requests\":[]'", "'ok.format' is missing"),
        ("ok '\"format\":1,\"name\":\"x\",\"requests\":[\"create\"]'", "lacks 'inspect'"),
        ("ok '\"format\":1,\"requests\":[\"create\"]'", "'ok.name' is missing"),
    ])
    func aPluginThatDescribesItselfWrongMakesNothing(_ script: String, _ wanted: String) async throws {
        try await PluginHouse.with(script: "echo $PLUGIN_REQUEST >>$dir/asked\n\(script)") { house in
            let error = try await Self.refusal { _ = try await house.made() }
            #expect(error.message.contains(wanted), "\(error)")
            #expect(house.read("asked") == "describe\n")
        }
    }

    @Test func aPluginThatIsNotThereIsAnErrorThatSaysSo() async throws {
        try await PluginHouse.with(script: "describe") { house in
            var node = house.node()
            node.machine = .plugin(PluginMachine(command: ["\(house.folder)/none"]))
            let error = try await Self.refusal {
                _ = try await house.driver.create(node, operation: OperationID("create"), server: nil)
            }
            #expect(error.code == .notStarted)
            #expect(
                error.message.contains("none' cannot be started") && error.message.contains("not there"),
                "\(error)"
            )
            chmod("\(house.folder)/plugin", 0o600)
            let other = try await Self.refusal { _ = try await house.made() }
            #expect(other.message.contains("chmod +x"), "\(other)")
        }
    }

    /// One that says nothing is ended at its deadline, with whatever it started and wherever that went.
    @Test func aSilentPluginIsEndedWithAllItHasStarted() async throws {
        let nap = DriverConformance.uniqueNap()
        let script = """
            describe
            trap '' TERM
            sleep \(nap) &
            (setsid sleep \(nap) &)
            setsid sh -c 'sleep \(nap) & sleep \(nap)' &
            echo still thinking >&2
            sleep \(nap)
            sleep \(nap)
            """
        try await PluginHouse.with(script: script, timeout: .seconds(2)) { house in
            let error = try await Self.refusal { _ = try await house.made() }
            #expect(error.code == .timedOut)
            #expect(error.message.contains("within 2s") && error.message.contains("still thinking"), "\(error)")
            #expect(ProcessHouse.processes(containing: nap) == [])
        }
    }

    /// A machine may be a process that keeps what it was given open, and even writes into it.
    @Test func aChildThatKeepsThePipesOpenDelaysNothing() async throws {
        let nap = DriverConformance.uniqueNap()
        let script = """
            describe
            case $PLUGIN_REQUEST in
            create)
                mkfifo $dir/up $dir/go
                setsid sh -c "sleep \(nap) & echo >$dir/up; read -r go <$dir/go; yes" &
                read -r up <$dir/up
                ok '"address":"127.0.0.1"'
                echo >$dir/go
                ;;
            *) ok '' ;;
            esac
            """
        try await PluginHouse.with(script: script) { house in
            let node = try await house.made()
            let processes = ProcessHouse.processes(containing: nap)
            #expect(!processes.isEmpty)
            for pid in house.processes() { kill(pid, SIGKILL) }
            try await house.driver.destroy(node)
        }
    }

    @Test func aMachineWithoutCommandsIsMadePoweredAndDestroyed() async throws {
        let script = """
            describe ',"power"'
            echo "$PLUGIN_REQUEST ${PLUGIN_POWER:-}" >>$dir/asked
            case $PLUGIN_REQUEST in
            create) ok '"address":"127.0.0.1","facts":{"serial":"7"}' ;;
            inspect) ok '"state":"ready"' ;;
            *) ok '' ;;
            esac
            """
        try await PluginHouse.with(script: script) { house in
            let node = try await house.made()
            #expect(node.facts == ["address": "127.0.0.1", "serial": "7"])
            let driver = house.driver
            try await driver.watch(node)
            try await driver.powerOff(node, grace: .zero)
            try await driver.powerOn(node, operation: OperationID("on"))
            let found = try await driver.perform(.inspect, on: node, operation: OperationID("inspect"))
            #expect(found == ["state": "ready"])
            let error = try await Self.refusal {
                _ = try await driver.run(Self.shell("true"), on: node, operation: OperationID("run"))
            }
            #expect(error.code == .refused && error.message.contains("run no commands"), "\(error)")
            #expect(try await driver.status(of: OperationID("run"), on: node) == .neverStarted)
            #expect(try await driver.status(of: OperationID("create"), on: house.node()) == .neverStarted)
            #expect(try await driver.running(on: node) == [])
            try await driver.destroy(node)
            try await driver.destroy(node)
            let asked = house.read("asked")?.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
            #expect(asked == ["create", "inspect", "power off", "power on", "inspect", "inspect", "destroy"])
            let other = try await Self.refusal { _ = try await house.made(server: Self.shell("sleep 1")) }
            #expect(other.message.contains("run no commands"), "\(other)")
        }
    }

    @Test func withoutPowerOnlyTheServerIsRestarted() async throws {
        let script = """
            describe
            case $PLUGIN_REQUEST in
            create) ok '"address":"127.0.0.1","connect":["sh"],"root":"'$dir/root'"' ;;
            *) ok '' ;;
            esac
            """
        try await PluginHouse.with(script: script) { house in
            let node = try await house.made()
            let error = try await Self.refusal { try await house.driver.powerOff(node, grace: .zero) }
            #expect(error.code == .refused && error.message.contains("does not know 'power'"), "\(error)")
            try await house.driver.powerOff(node, grace: .seconds(1))
            try await house.driver.powerOn(node, operation: OperationID("on"))
            try await house.driver.destroy(node)
        }
    }

    /// What it says on the way is the output of the operation; its labels and options reach it.
    @Test func whatAPluginSaysIsTheOutputOfTheOperation() async throws {
        let script = """
            describe
            case $PLUGIN_REQUEST in
            create)
                printf '{"id":"%s","progress":"pulling hunter2-hunter2"}\\n' $PLUGIN_ID
                printf '{"id":"%s","output":"a"}\\n{"id":"%s","output_base64":"AP9iCg=="}\\n' $PLUGIN_ID $PLUGIN_ID
                printf '%s\\n' "$PLUGIN_LABELS" "$PLUGIN_OPTION_FOLDER" "$PLUGIN_MACHINE" >$dir/seen
                printf '%s\\n' "$request" >$dir/request
                ok '"address":"127.0.0.1"'
                ;;
            *) ok '' ;;
            esac
            """
        try await PluginHouse.with(script: script) { house in
            let node = try await house.made()
            let output = FileManager.default.contents(
                atPath: house.driver.outputPath(of: OperationID("create"), on: node)
            )
            let text = String(decoding: output ?? Data(), as: UTF8.self)
            #expect(text.hasPrefix("pulling ***\na") && text.hasSuffix("b\n"), "\(text)")
            let seen = try #require(house.read("seen")).split(separator: "\n").map(String.init)
            let labels = try JSONSerialization.jsonObject(with: Data(seen[0].utf8)) as? [String: String]
            let wanted = [
                "muster.state": "test", "muster.lab": "lab", "muster.node": "node/1", "muster.machine": "test-n1",
                "muster.operation": "create",
            ]
            #expect(labels == wanted)
            #expect(seen[1...] == [house.machines, "test-n1"])
            let request = try JSONSerialization.jsonObject(with: Data(#require(house.read("request")).utf8))
            let values = try #require(request as? [String: Any])
            #expect(values["format"] as? Int == 1)
            #expect(values["labels"] as? [String: String] == wanted)
            #expect(values["node_id"] as? Int == 1)
            try await house.driver.destroy(node)
        }
    }

    @Test func noOlderConductorMakesOrDestroys() async throws {
        let script = """
            describe
            echo $PLUGIN_REQUEST >>$dir/asked
            ok '"address":"127.0.0.1"'
            """
        try await PluginHouse.with(script: script) { house in
            var node = house.node(tenure: Tenure(7))
            _ = try await house.driver.create(node, operation: OperationID("create"), server: nil)
            node.tenure = Tenure(6)
            for driver in [house.driver, house.another()] {
                let error = try await Self.refusal {
                    _ = try await driver.create(node, operation: OperationID("create"), server: nil)
                }
                #expect(error.code == .refused && error.message.contains("newer conductor"), "\(error)")
                let other = try await Self.refusal { try await driver.destroy(node) }
                #expect(other.code == .refused, "\(other)")
            }
            node.tenure = Tenure(7)
            try await house.driver.destroy(node)
            #expect(house.read("asked") == "create\ndestroy\n")
        }
    }

    /// The machine's own end is seen by the plug-in's watch, and told once; that of a machine that was switched off is
    /// none.
    @Test(.disabled(if: ExamplePlugin.python.absence != nil, "python3 is not installed"))
    func aLostMachineIsToldByItsPlugin() async throws {
        try await PluginHouse.with(.python) { house in
            let node = try await house.made()
            try await house.driver.watch(node)
            try await house.driver.powerOff(node, grace: .zero)
            #expect(house.processes() == [])
            try await house.driver.powerOn(node, operation: OperationID("on"))
            let machine = try #require(
                house.processes().first { pid in
                    ProcessTable.command(of: pid).contains(" machine ")
                }
            )
            kill(machine, SIGKILL)
            guard case .lost(let id, let reason)? = await house.nextEvent() else {
                throw StepError(.lost, "no loss was reported")
            }
            #expect(id == node.id && reason == "its process ended")
            let error = try await Self.refusal { try await house.another().watch(node) }
            #expect(error.code == .lost, "\(error)")
            try await house.driver.destroy(node)
            await house.driver.close()
            #expect(house.processes() == [])
        }
    }

    /// A conductor is killed while its plug-in makes a machine: that one goes on alone. The next conductor ends it
    /// before it asks again, so that two never make the same machine at once.
    @Test func theRequestThatAKilledConductorLeftIsEndedBeforeTheNext() async throws {
        let nap = DriverConformance.uniqueNap()
        let script = """
            describe
            case $PLUGIN_REQUEST in
            create)
                echo made >>$dir/made
                if ! [ -e $dir/first ]; then
                    : >$dir/first
                    echo up >$dir/up
                    sleep \(nap)
                    echo twice >>$dir/made
                fi
                ok '"address":"127.0.0.1"'
                ;;
            *) ok '' ;;
            esac
            """
        try await PluginHouse.with(script: script) { house in
            mkfifo("\(house.folder)/up", 0o600)
            let node = house.node()
            // Awaited below: it stands for the conductor that is killed, whose plug-in goes on.
            let first = Task { try await house.driver.create(node, operation: OperationID("create"), server: nil) }
            await withCheckedContinuation { continuation in
                Thread.detachNewThread {
                    // Opened only when the request of the first has opened it too.
                    let pipe = open("\(house.folder)/up", O_RDONLY | O_CLOEXEC)
                    // To its end: who writes into it would be ended by nobody reading.
                    var byte: UInt8 = 0
                    while Glibc.read(pipe, &byte, 1) > 0 {}
                    close(pipe)
                    continuation.resume()
                }
            }
            let facts = try await house.another().create(node, operation: OperationID("create"), server: nil)
            #expect(facts == ["address": "127.0.0.1"])
            #expect(ProcessHouse.processes(containing: nap) == [])
            #expect(house.read("made") == "made\nmade\n")
            let error = try await Self.refusal { _ = try await first.value }
            #expect(error.message.contains("signal 9"), "\(error)")
            try await house.another().destroy(node)
        }
    }

    /// What a request that has ended leaves running is its machine, and is not ended.
    @Test func whatADoneRequestLeftRunningStays() async throws {
        let nap = DriverConformance.uniqueNap()
        let script = """
            describe
            case $PLUGIN_REQUEST in
            create)
                if ! [ -e $dir/pid ]; then
                    sleep \(nap) >/dev/null 2>&1 &
                    echo $! >$dir/pid
                fi
                ok '"address":"127.0.0.1"'
                ;;
            destroy) kill $(cat $dir/pid); ok '' ;;
            esac
            """
        try await PluginHouse.with(script: script) { house in
            let node = house.node()
            for driver in [house.driver, house.another()] {
                _ = try await driver.create(node, operation: OperationID("create"), server: nil)
                #expect(ProcessHouse.processes(containing: "sleep \(nap)").count == 1)
            }
            try await house.driver.destroy(node)
            #expect(ProcessHouse.processes(containing: "sleep \(nap)") == [])
        }
    }

    @Test(arguments: ExamplePlugin.present)
    func whatExistsOutsideIsFoundByItsState(_ plugin: ExamplePlugin) async throws {
        try await PluginHouse.with(plugin) { house in
            let node = try await house.made()
            let gone = try await house.made()
            try await house.driver.destroy(gone)
            let outside = await house.another().belongings()
            #expect(outside.problems == [])
            let found = outside.found
            #expect(found.map(\.name) == ["test-n1"])
            #expect(found.map(\.node) == [node.id])
            #expect(found.first?.nodeName == "node/1")
            #expect(found.first?.operation == OperationID("create"))
            try await house.driver.destroy(node)
            #expect(await house.another().belongings().found == [])
        }
    }

    /// Nothing is noted of it any more: another node's note says which plug-in can be asked.
    @Test(arguments: ExamplePlugin.present)
    func whatNobodyOwnsIsRemoved(_ plugin: ExamplePlugin) async throws {
        try await PluginHouse.with(plugin) { house in
            let node = try await house.made()
            let other = try await house.made()
            try FileManager.default.removeItem(atPath: node.directory)
            let driver = house.another()
            let found = await driver.belongings().found
            let orphan = try #require(found.first { $0.node == node.id })
            try await driver.remove(orphan, of: node)
            #expect(await driver.belongings().found.map(\.node) == [other.id])
            try await house.driver.destroy(other)
        }
    }
}
