import MusterCore
import Testing

@testable import MusterLab

@Suite struct LabDraftTests {
    private static let compose = """
        name: Web Shop
        x-common: &common
          restart: always
          environment:
            LANG: C
        services:
          web_app:
            <<: *common
            image: "registry/shop:${TAG:-1.2}"
            command: ./serve --name "the shop" $$HOME
            depends_on:
              db: { condition: service_healthy }
              cache: { condition: service_started }
            environment:
              - MODE=fast
              - REGION=${REGION}
              - DB_PASSWORD=hunter2
              - DB_URL=postgres://ana:hunter2@db/shop
              - PRICE=5$$
            ports: ["8080:80", "127.0.0.1:5353:53/udp", "9000", "3000-3005:3000-3005"]
            volumes: ["data:/var/lib/data", "./conf:/etc/app:ro", "/cache"]
            user: "1000:1000"
            deploy:
              resources: { limits: { memory: 512m, cpus: "0.5" } }
          db:
            image: localhost/db
            environment: { POSTGRES_PASSWORD: hunter2, POSTGRES_USER: ana, EMPTY: }
            healthcheck:
              test: ["CMD-SHELL", "pg_isready -U $${POSTGRES_USER}"]
              interval: 2s
              timeout: 1s
              retries: 5
              start_period: 10s
            networks: [back]
          cache:
            build: ./cache
            scale: 2
            mem_limit: 1g
            ports: [{ target: 11211, published: 11211 }]
            healthcheck: { test: ["CMD", "nc", "-z", "it's", "11211"] }
        networks: { back: {} }
        volumes: { data: }
        """

    private static func parsed(_ draft: LabDraft, _ files: [String: String] = [:]) throws -> Lab {
        do throws(LabError) {
            return try LabParser.parse(text: draft.text, files: MemoryFiles(texts: files))
        } catch {
            Issue.record("\(draft.text)\n\(error.diagnostics.map { "\($0.line): \($0.message)" })")
            throw error
        }
    }

    private static func container(_ lab: Lab, _ group: String) throws -> ContainerMachine {
        let group = try #require(lab.groups.first { $0.name == group })
        guard case .podman(let container)? = group.machine else { throw StepError(.unresolved, "no container") }
        return container
    }

    @Test func servicesBecomeGroupsOfContainers() throws {
        let draft = try ComposeDraft.draft(Array(Self.compose.utf8), file: "compose.yaml", name: "folder")
        let lab = try Self.parsed(draft)
        #expect(lab.name == "web-shop")
        let web = try Self.container(lab, "web-app")
        #expect(web.image == "registry/shop:1.2" && web.pull == .missing)
        #expect(web.command == ["./serve", "--name", "the shop", "$HOME"])
        #expect(web.environment == ["MODE": "fast", "REGION": "", "PRICE": "5$"])
        #expect(web.ports == ["8080:80", "127.0.0.1:5353:53/udp"])
        #expect(web.volumes.count == 2 && web.user == "1000:1000" && web.memory == 512 << 20 && web.cpus == 0.5)
        #expect(lab.groups.first { $0.name == "web-app" }?.needs.map(\.group).sorted() == ["cache", "db"])
        let database = try #require(lab.groups.first { $0.name == "db" })
        #expect(database.ready.count == 1)
        #expect(draft.text.contains("within: 25s"))
        #expect(try Self.container(lab, "db").environment == ["POSTGRES_USER": "ana", "EMPTY": ""])
        let cache = try #require(lab.groups.first { $0.name == "cache" })
        #expect(cache.count == 2)
        #expect(try Self.container(lab, "cache").ports.isEmpty)
        #expect(draft.text.contains(#"nc -z 'it'\\''s' 11211"#))
    }

    @Test func secretsStayWhereTheyAre() throws {
        let draft = try ComposeDraft.draft(Array(Self.compose.utf8), file: "compose.yaml", name: "folder")
        #expect(!draft.text.contains("hunter2"))
        #expect(!draft.leftOut.contains { $0.what.contains("hunter2") || $0.reason.contains("hunter2") })
        for name in ["DB_PASSWORD", "DB_URL", "POSTGRES_PASSWORD"] {
            #expect(draft.text.contains("${secret.\(name.lowercased())}"), "\(name)")
            #expect(draft.leftOut.contains { $0.what.hasSuffix(name) && $0.reason.contains("${secret.") }, "\(name)")
        }
    }

    @Test func whatIsLeftOutIsNamedWithItsLine() throws {
        let draft = try ComposeDraft.draft(Array(Self.compose.utf8), file: "compose.yaml", name: "folder")
        let lines = Self.compose.split(separator: "\n", omittingEmptySubsequences: false)
        for (what, part) in [
            ("services.web_app.restart", "restart: always"),
            ("services.web_app.environment.DB_PASSWORD", "DB_PASSWORD"),
            ("services.db.networks", "networks: [back]"), ("services.cache.build", "build:"),
            ("networks", "networks: { back"),
            ("services.cache.ports", "published"),
        ] {
            let left = try #require(draft.leftOut.first { $0.what == what }, "\(what) is not named")
            let line = try #require(left.line)
            #expect(lines[line - 1].contains(part), "\(what): line \(line)")
        }
        #expect(
            draft.leftOut.contains { $0.what.contains("'9000'") }
                && draft.leftOut.contains { $0.what.contains("/cache") }
        )
    }

    @Test(arguments: [
        "services: {}", "a: b", "[]", "", "services:\n  a: {image: x\n", "services: { a: }", "services: [a]",
        "services: { a: { image: [] , ports: 1, environment: x, healthcheck: [], deploy: [] } }",
        "services: { '': { image: '-x' } , '-': { image: ' ' }, A: { image: a, depends_on: [A, B, a] } }",
        "services: { a: { image: \"a\\u0000b\", command: \"'\", user: '-x', cpus: abc, mem_limit: -1 } }",
        "services: { a: &a { image: x, <<: *a } }",
    ])
    func oddFilesAreToldOrDraftedRight(_ text: String) throws {
        do throws(LabError) {
            let draft = try ComposeDraft.draft(Array(text.utf8), file: "compose.yaml", name: "-")
            _ = try? LabParser.parse(text: draft.text, files: MemoryFiles())
        } catch {
            #expect(!error.diagnostics.isEmpty)
        }
    }

    @Test func sizesAndTimesAreThoseOfCompose() {
        #expect(ComposeText.size("512m") == "512MiB" && ComposeText.size("1.5gb") == "1536MiB")
        #expect(ComposeText.size("100") == "100B" && ComposeText.size("1x") == nil && ComposeText.size("ib") == nil)
    }

    private static let inventory = """
        lone ansible_host=10.0.0.9
        [web]
        web[1:3] ansible_user=ana
        [db-Servers]
        db1 app_version=7
        web1
        [empty]
        [web:vars]
        ansible_port=2222
        vault_password=hunter2
        """

    @Test func groupsOfAnInventoryBecomePools() throws {
        let draft = try InventoryDraft.draft(
            inventory: Array(Self.inventory.utf8),
            file: "hosts.ini",
            path: "hosts.ini",
            name: "Rack 7"
        )
        let lab = try Self.parsed(draft, ["hosts.ini": Self.inventory])
        #expect(lab.name == "rack-7")
        #expect(lab.groups.map(\.name).sorted() == ["db-servers", "web"])
        #expect(lab.groups.map(\.count).sorted() == [2, 2])
        #expect(!draft.text.contains("hunter2"))
        #expect(
            draft.leftOut.map(\.what).sorted() == [
                "group empty", "host lone", "variable app_version", "variable vault_password",
            ]
        )
        #expect(draft.leftOut.first { $0.what == "variable app_version" }?.line == 5)
    }

    @Test func hostsOfAConfigurationBecomeOnePool() throws {
        let text = "Host a b\n  User ana\nHost *.example\nMatch all\n"
        let draft = try InventoryDraft.draft(configuration: Array(text.utf8), file: "c", path: "c", name: "x")
        let lab = try Self.parsed(draft, ["c": text])
        #expect(lab.groups.first?.count == 2)
        #expect(throws: LabError.self) {
            try InventoryDraft.draft(configuration: Array("Host *".utf8), file: "c", path: "c", name: "x")
        }
    }
}
