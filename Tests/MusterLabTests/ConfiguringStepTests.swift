import MusterCore
import Testing

@testable import MusterLab

/// The steps `template`, `script` and `ansible`.
@Suite struct ConfiguringStepTests {
    private func files(_ template: String) -> MemoryFiles {
        MemoryFiles(["setup.sh", "site.yml"], texts: ["conf.in": template])
    }

    private func lab(_ step: String, creator: String = "process: {}") -> String {
        """
        lab: a
        vars: { colour: red }
        groups:
          db: { provision: [process: ] }
          app:
            provision:
              - \(creator)
              - \(step)
        """
    }

    private func kind(_ step: String, _ template: String = "") throws -> ProvisionStep.Kind? {
        try parse(lab(step), files: files(template)).groups.first { $0.name == "app" }?.steps.last?.kind
    }

    private func complaints(_ step: String, _ template: String = "", creator: String = "process: {}") -> String {
        MusterLabTests.complaints(lab(step, creator: creator), files: files(template))
    }

    // MARK: Templates

    @Test func aTemplateHasWhatIsKnownAndNamesWhatIsNot() throws {
        let text =
            "colour ${colour} ${vars.colour} ${env.HOME}\n\n$${x} ${db.0.address}\n${secret.token} ${db.0.address}\n"
        guard case .template(let template)? = try kind("template: { from: conf.in, to: etc/conf }", text) else {
            Issue.record("it is no template")
            return
        }
        #expect(template.values == ["colour": "red", "vars.colour": "red", "env.HOME": "/u/ana"])
        #expect(
            template.references == [
                TemplateFile.Reference(segment: .node(NodeName(group: "db", index: 0), field: "address"), line: 3),
                TemplateFile.Reference(segment: .secret("token"), line: 4),
            ]
        )
        #expect(template.mode == 0o600, "it holds a secret")
        let known = ["db.0.address": "10.0.0.1", "secret.token": "'s3'"]
        let wanted = "colour red red /u/ana\n\n${x} 10.0.0.1\n's3' 10.0.0.1\n"
        #expect(try template.rendered(text, known: known) == wanted)
        #expect(throws: StepError.self) { try template.rendered("\n${vars.other}", known: known) }
        let other = #expect(throws: StepError.self) { try template.rendered("a\nb ${db.1.address}", known: known) }
        #expect(other?.message.hasPrefix("conf.in:2: '${db.1.address}' was not there") == true)
    }

    @Test func aTemplateNeedsTheGroupsThatItReads() throws {
        let lab = try parse(lab("template: { from: conf.in, to: x }"), files: files("${db.0.name}"))
        #expect(lab.groups.map(\.name) == ["db", "app"])
        #expect(lab.groups.last?.needs == [Need(group: "db")])
        #expect(try lab.runSpec(.up, directory: "/lab").paths == ["conf.in"])
    }

    @Test func modesAreAsSaidUnlessOthersCouldReadASecret() throws {
        func mode(_ mode: String, _ text: String) throws -> UInt16? {
            let found = try kind("template: { from: conf.in, to: x\(mode) }", text)
            if case .template(let template)? = found { return template.mode }
            return nil
        }
        #expect(try mode("", "x") == 0o644)
        #expect(try mode(", mode: '0755'", "x") == 0o755)
        #expect(try mode(", mode: '0700'", "${secret.x}") == 0o700)
        let complaint = complaints("template: { from: conf.in, to: x, mode: '0640' }", "${secret.x}")
        #expect(complaint.contains("lab.yaml:8:49: 'conf.in' holds a secret: nobody but its owner may read it"))
    }

    @Test(arguments: [
        ("a\nb ${vars.color}\n", "conf.in:2:3: '${vars.color}': no such var"),
        ("a\n\n${HOST:-x}\n", "conf.in:3:1: '${HOST:-x}' is an expansion of the shell"),
        ("a ${b\n", "conf.in:1:3: '${' without '}'"),
        ("x\n${dbb.0.address}\n", "conf.in:2:1: unknown group 'dbb'"),
        ("x\n${db.1.address}\n", "conf.in:2:1: group 'db' has no node 1"),
        ("x\n${app.0.address}\n", "conf.in:2:1: group 'app' reads its own nodes before they all exist"),
        ("x\nä ${env.NONE}", "conf.in:2:3: '${env.NONE}': the environment variable NONE is not set"),
    ])
    func whatIsWrongInATemplateHasItsOwnLine(_ text: String, _ wanted: String) {
        let complaint = complaints("template: { from: conf.in, to: x }", text)
        #expect(complaint.contains(wanted), "\(complaint)")
    }

    @Test func aFileThatIsNoTextIsNoTemplate() {
        var large = String(repeating: "x", count: TemplateFile.bytesMax)
        #expect(complaints("template: { from: conf.in, to: x }", large) == "")
        large += "x"
        #expect(complaints("template: { from: conf.in, to: x }", large).contains("is larger than 1 MiB"))
        #expect(complaints("template: { from: setup.sh, to: x }").contains("'setup.sh' cannot be read"))
        #expect(complaints("template: { from: conf.in, to: ../x }").contains("leads out of it"))
    }

    // MARK: Scripts

    @Test func aScriptHasArgumentsAndVariables() throws {
        let step = "script: { file: ./setup.sh, arguments: [a b, '${db.0.address}', 7], env: { A: '${secret.t}', B: } }"
        guard case .script(let script)? = try kind(step) else {
            Issue.record("it is no script")
            return
        }
        #expect(script.file == "setup.sh")
        #expect(script.arguments.map(\.source) == ["a b", "${db.0.address}", "7"])
        #expect(script.environment.mapValues(\.source) == ["A": "${secret.t}", "B": ""])
    }

    @Test func secretsAreNoArguments() {
        let complaint = complaints("script: { file: setup.sh, arguments: [x, '--key=${secret.key}'] }")
        #expect(complaint.contains("lab.yaml:8:50: everybody on the machine reads arguments: 'key' is a secret"))
        #expect(complaint.contains("give it by 'env'"))
        #expect(complaints("script: { file: setu.sh }").contains("did you mean 'setup.sh'?"))
    }

    // MARK: Playbooks

    @Test func aPlaybookHasVariables() throws {
        let step = "ansible: { playbook: site.yml, vars: { n: 3, t: true, s: '3', c: '${colour}', o: 010 }, tags: [a] }"
        guard case .ansible(let play)? = try kind(step) else {
            Issue.record("it is no playbook")
            return
        }
        #expect(play.playbook == "site.yml" && play.tags == ["a"])
        #expect(play.variables.mapValues(\.isJSON) == ["n": true, "t": true, "s": false, "c": false, "o": false])
        #expect(play.variables["c"]?.value == Template("red"))
    }

    @Test func ansibleIsRefusedByNameWhereItReachesNothing() {
        let plugin = "plugin: { command: driver }"
        let complaint = complaints("ansible: { playbook: site.yml }", creator: plugin)
        #expect(complaint.contains("lab.yaml:8:9: ansible reaches no nodes of 'plugin'"), "\(complaint)")
        #expect(complaints("script: { file: setup.sh }", creator: plugin) == "")
    }
}
