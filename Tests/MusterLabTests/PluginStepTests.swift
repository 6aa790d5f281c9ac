import MusterCore
import Testing

@testable import MusterLab

@Suite struct PluginStepTests {
    private func machine(_ plugin: String) throws -> PluginMachine {
        let text = "{lab: a, vars: {zone: it's north}, groups: {g: {provision: [plugin: \(plugin)]}}}"
        let spec = try parse(text).runSpec(.up, selection: RunSelection(), directory: "/lab")
        guard case .plugin(let machine)? = spec.groups[0].machine else { throw StepError(.badValue, "no machine") }
        return machine
    }

    private func problem(_ plugin: String) -> String {
        complaints("{lab: a, groups: {g: {provision: [plugin: \(plugin)]}}}")
    }

    @Test func aCommandIsAListOrWordsAndAFileOfTheLabHasItsPath() throws {
        #expect(try machine("{command: ./setup.sh}").command == ["/lab/setup.sh"])
        #expect(try machine("{command: ./setup.sh -v  x}").command == ["/lab/setup.sh", "-v", "x"])
        #expect(try machine("{command: [./conf/web.conf, 'a b']}").command == ["/lab/conf/web.conf", "a b"])
        #expect(try machine("{command: my-driver}").command == ["my-driver"])
        #expect(try machine("{command: [/bin/driver, '${vars.zone}']}").command == ["/bin/driver", "it's north"])
    }

    @Test func optionsAreAnyMapping() throws {
        #expect(try machine("{command: x}").options == "{}")
        let text = """
            {command: x, options: {a: 1, b: '1', c: true, d: , e: [1.5, {f: yes}], g: "${vars.zone}", h: 007, i: -2, \
            j: 0.5, k: 1e400}}
            """
        let wanted =
            #"{"a":1,"b":"1","c":true,"d":null,"e":[1.5,{"f":"yes"}],"g":"it's north","h":"007","i":-2,"j":0.5"#
        #expect(try machine(text).options == wanted + #","k":"1e400"}"#)
    }

    @Test func aServerAndATimeoutMayBeGiven() throws {
        #expect(try machine("{command: x}").timeout == Defaults.pluginTimeout)
        #expect(try machine("{command: x, timeout: 90s}").timeout == .seconds(90))
        let lab = try parse("{lab: a, groups: {g: {provision: [plugin: {command: x, run: ./setup.sh}]}}}")
        #expect(
            lab.groups[0].steps[0].kind == .machine(.plugin(PluginMachine(command: ["x"])), run: Template("./setup.sh"))
        )
    }

    @Test(arguments: [
        ("{command: ./absent}", "no file 'absent'"), ("{command: ./conf}", "is a folder"),
        ("{command: conf/web.conf}", "write './conf/web.conf'"), ("{command: \"./setup.sh 'a b'\"}", "without a shell"),
        ("{command: x, options: {a: '${secret.token}'}}", "secret"), ("{command: x, options: [a]}", "wants a mapping"),
        ("{options: {}}", "command"), ("{command: x, timeout: 5}", "with a unit"),
        ("./setup.sh", "wants a mapping"), ("{command: x, comand: y}", "command"),
    ])
    func whatIsWrongIsSaid(_ plugin: String, _ wanted: String) {
        #expect(problem(plugin).contains(wanted), "\(problem(plugin))")
    }

    @Test func aPluginCreatesTheNodeOnce() {
        let twice = messages("{lab: a, groups: {g: {provision: [process: , plugin: {command: x}]}}}")
        #expect(twice == ["step 2 of group 'g' creates the node a second time"])
        #expect(messages("{lab: a, groups: {g: {provision: [plugin: {command: x}, run: y]}}}") == [])
    }
}
