import Testing

@testable import MusterLab

@Suite struct InventoryTests {
    private func read(_ text: String, _ file: String = "hosts.ini") throws -> Inventory {
        try InventoryReader.read(Array(text.utf8), file: file)
    }

    private static let ini = """
        # what is before all sections is in no group
        lone ansible_host=10.0.0.9

        [web]
        web[01:03].example.org ansible_port=2222
        front:8022 ansible_user="ana b" # quoted

        [db]
        db-[a:c]

        [db:vars]
        ansible_user = postgres
        level=child

        [all:vars]
        level=all
        region=north

        [site:children]
        web
        db

        [site:vars]
        level=parent
        """

    private static let yaml = """
        all:
          hosts:
            lone: { ansible_host: 10.0.0.9 }
          vars: { level: all, region: north }
          children:
            site:
              vars: { level: parent }
              children:
                web:
                  hosts:
                    web[01:03].example.org: { ansible_port: 2222 }
                    front: { ansible_port: 8022, ansible_user: ana b }
                db:
                  hosts: { "db-[a:c]": }
                  vars: { ansible_user: postgres, level: child }
        """

    @Test(arguments: [(ini, "hosts.ini"), (yaml, "hosts.yml")]) func bothFormatsSayTheSame(
        text: String,
        file: String
    ) throws {
        let inventory = try read(text, file)
        let web = ["web01.example.org", "web02.example.org", "web03.example.org", "front"]
        #expect(inventory.hosts(in: "all") == ["lone"] + web + ["db-a", "db-b", "db-c"])
        #expect(inventory.hosts(in: "web") == web)
        #expect(inventory.hosts(in: "site") == web + ["db-a", "db-b", "db-c"])
        #expect(inventory.hosts(in: "nobody") == nil)
        let variables = inventory.variables()
        #expect(variables["lone"] == ["ansible_host": "10.0.0.9", "level": "all", "region": "north"])
        #expect(variables["front"]?["ansible_user"] == "ana b" && variables["front"]?["ansible_port"] == "8022")
        #expect(variables["front"]?["level"] == "parent")
        #expect(variables["db-b"] == ["ansible_user": "postgres", "level": "child", "region": "north"])
        #expect(variables["web02.example.org"]?["ansible_port"] == "2222")
    }

    @Test(
        arguments: [
            ("a[1:2]", ["a1", "a2"]), ("n[8:10]", ["n8", "n9", "n10"]), ("n[08:10]", ["n08", "n09", "n10"]),
            ("x[0:9:4]y", ["x0y", "x4y", "x8y"]), ("[a:b][1:2]", ["a1", "a2", "b1", "b2"]), ("plain", ["plain"]),
            ("n[2:1]", nil), ("n[1:2", nil), ("n1:2]", nil), ("n[1]", nil), ("n[a:1]", nil), ("n[1:3:0]", nil),
            ("n[0:99999999999]", nil), ("n[0:9999][0:9999]", nil), ("n[é:ü]", nil),
        ] as [(String, [String]?)]
    ) func rangesStandForNames(pattern: String, names: [String]?) {
        #expect(HostRange.names(pattern) == names)
    }

    @Test(arguments: [
        ("[web\na", 1), ("[web:nothing]\n", 1), ("a b=1\n\nc 'd", 3), ("[a:vars]\nnonsense\n", 2), ("a[2:1]\n", 1),
        ("a word\n", 1),
    ]) func whatIsWrongIsSaidWithItsLine(text: String, line: Int) throws {
        let error = try #require(throws: LabError.self) { try read(text) }
        #expect(error.diagnostics.first?.line == line, "\(error.diagnostics)")
        #expect(error.diagnostics.first?.file == "hosts.ini")
    }

    /// Groups that are in each other end the reading no less.
    @Test func groupsMayBeInACircle() throws {
        let inventory = try read("[a:children]\nb\n[b:children]\na\n[b]\nh x=1\n[a:vars]\ny=2\n")
        #expect(inventory.hosts(in: "a") == ["h"])
        #expect(inventory.variables()["h"]?["x"] == "1" && inventory.variables()["h"]?["y"] == "2")
    }

    @Test func aConfigurationNamesHosts() {
        let text =
            "Host build-1 build-2\n  User x\nHost *.example.org !bad\nhost=gate\nMatch host y\nHost build-1 # z\n"
        #expect(InventoryReader.hosts(inConfiguration: Array(text.utf8)) == ["build-1", "build-2", "gate"])
    }
}
