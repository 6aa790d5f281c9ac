import MusterCore
import Testing

@testable import MusterLab

@Suite struct InterpolationTests {
    /// The command of the last step of `app`.
    private func command(_ run: String, variables: [String: String] = [:]) throws -> Template {
        let lab = try parse(labWithStep("run: |\n          \(run)"), variables: variables)
        guard case .run(let command)? = lab.groups.last?.steps.last?.kind else { return Template("") }
        return command
    }

    private func complaint(_ run: String) -> String { complaints(labWithStep("run: \(run)")) }

    @Test func valuesInCommandsAreOneQuotedWordEach() throws {
        #expect(try command("echo ${vars.colour} ${size}").source == "echo 'it'\\''s red' '3'\n")
        let evil = "$(rm -rf /); `x` \\ \" '"
        let text = try command("echo ${colour}", variables: ["colour": evil]).source
        #expect(text == "echo " + Template.shellQuoted(evil) + "\n")
        // A value is never read again for references.
        #expect(try command("echo ${colour}", variables: ["colour": "${db.0.address}"]).nodes.isEmpty)
    }

    @Test func valuesElsewhereAreAsTheyAre() throws {
        let text = "files: [{ to: x, text: 'c=${vars.colour} h=${env.HOME} a=${db.1.address}' }]"
        guard case .files(let files)? = try parse(labWithStep(text)).groups.last?.steps.last?.kind else {
            Issue.record("no files")
            return
        }
        let expected = Template(segments: [
            .literal("c=it's red h=/u/ana a="), .node(NodeName(group: "db", index: 1), field: "address"),
        ])
        #expect(files == [FileSpec(source: .text(expected), to: "x")])
    }

    @Test func doubledDollarsAreLiteralBraces() throws {
        #expect(try command("echo $${HOME} $$ $${x:-${size}} $x").source == "echo ${HOME} $$ ${x:-'3'} $x\n")
        #expect(try command("echo $$${size}").source == "echo $${size}\n")
        #expect(try command("echo {$} ${size}{").source == "echo {$} '3'{\n")
    }

    @Test func secretsStaySegmentsAndNeverShow() throws {
        let template = try command("login ${secret.db-token}")
        #expect(template.secrets == ["db-token"])
        #expect(template.source == "login ${secret.db-token}\n")
        #expect(
            messages("lab: ${secret.x}\ngroups: {g: {}}") == [
                "'${secret.x}' is known only while the lab runs and cannot stand here"
            ]
        )
    }

    @Test func referencesImplyNeeds() throws {
        let lab = try parse(labWithStep("{ run: 'a ${db.1.name}', undo: 'b ${app.0.address}' }"))
        #expect(lab.groups.last?.needs == [Need(group: "db")])
        let suite = """
            tests:
              t:
                where: app
                discover: { list: [{ name: a, run: "x ${db.0.address} ${app.0.address}" }] }
            """
        #expect(try parse(labWithStep("{ run: a }", more: suite)).suites[0].spec.needs == [Need(group: "db")])
    }

    static let mistakes: [(run: String, expected: String)] = [
        ("echo ${HOME}", "lab.yaml:11:19: '${HOME}' is no var of this lab"),
        ("echo ${HOME}", "^^^^^^^ write $HOME or $${HOME} for the shell's"),
        ("echo ${color}", "did you mean ${colour}? Otherwise write $color or $${color} for the shell's"),
        ("echo ${vars.color}", "did you mean 'colour'?"),
        ("echo ${vars.xyzzy}", "the vars are colour, size"),
        ("'echo ${NAME:-x}'", "lab.yaml:11:20: '${NAME:-x}' is an expansion of the shell"),
        ("'echo ${NAME:-x}'", "write $${NAME:-x} to leave it to the shell"),
        ("echo ${}", "'${}' names no value"),
        ("echo ${vars.x", "lab.yaml:11:19: '${' without '}'"),
        ("echo ${env.NOT_SET}", "the environment variable NOT_SET is not set"),
        ("echo ${db.address}", "did you mean ${db.0.address}?"),
        ("echo ${a.b}", "'${a.b}' names no value"),
        ("echo ${env.a.b}", "'${env.a.b}' has too many parts"),
        ("echo ${db.0.adress}", "'${db.0.adress}': a node has no field 'adress'"),
        ("echo ${db.0.adress}", "did you mean 'address'?"),
        ("echo ${db.0.port}", "the fields of a node are address, name"),
        ("echo ${db.2.address}", "group 'db' has no node 2"),
        ("echo ${db.2.address}", "^^^^^^^^^^^^^^^ its nodes are db.0 to db.1"),
        ("echo ${db.x.address}", "'x' is no index of a node"),
        ("echo ${db.01.address}", "'01' is no index of a node"),
        ("echo ${dbb.0.address}", "unknown group 'dbb'"),
        ("echo ${app.0.address}", "group 'app' reads its own nodes before they all exist"),
    ]

    @Test(arguments: mistakes) func whatCannotResolveIsNamed(_ example: (run: String, expected: String)) {
        let text = complaint(example.run)
        #expect(text.contains(example.expected), "\(text)")
        #expect(text.hasSuffix("1 error; nothing was started\n"), "\(text)")
    }

    @Test func mistakesInBlocksAreLocatedOnTheirOwnLine() {
        let step = """
            run: |  # not this: ${x}
                      echo $${fine} ${size}
                      echo ${one} é ${two}
            """
        let text = complaints(labWithStep(step))
        #expect(text.contains("lab.yaml:13:16: '${one}' is no var of this lab"), "\(text)")
        #expect(text.contains("lab.yaml:13:25: '${two}' is no var of this lab"), "\(text)")
    }

    @Test func varsMayUseThoseAboveThem() throws {
        let lab = try parse("{lab: a, vars: {a: x, b: \"${a}${vars.a}\", c: \"${b}\"}, groups: {g: {}}}")
        #expect(lab.vars["c"] == "xx")
        #expect(
            messages("{lab: a, vars: {b: \"${vars.c}\", c: x}, groups: {g: {}}}") == ["'${vars.c}' stands further down"]
        )
        #expect(messages("{lab: a, vars: {b: \"${vars.b}\"}, groups: {g: {}}}") == ["'${vars.b}' stands further down"])
    }

    @Test func aValueInsideQuotesIsWarnedOf() throws {
        func warnings(_ run: String) throws -> [String] {
            try parse(labWithStep("run: |\n          \(run)")).warnings.map(\.message)
        }
        let double = "${db.0.address} is put in as one quoted word; here it stands inside double quotes"
        #expect(try warnings(#"a "${db.0.address}:80""#) == [double])
        #expect(
            try warnings("a '${size}'") == ["${size} is put in as one quoted word; here it stands inside single quotes"]
        )
        #expect(try warnings(#"a "b" 'c' ${size}"#) == [])
        #expect(try warnings(#"a # don't"# + "\n          b ${size}") == [])
        #expect(try warnings(#"a "$(b ${size})""#) == [])
        #expect(try warnings(#"a \" ${size}"#) == [])
    }
}
