import ArgumentParser
import Foundation
import MusterCore
import MusterDrivers
import MusterStore

struct InventoryVerb: AsyncParsableCommand {
    enum Format: String, CaseIterable, ExpressibleByArgument {
        case ansible, ssh, hosts, json
    }

    static let configuration = CommandConfiguration(
        commandName: "inventory",
        abstract: "List nodes for Ansible, OpenSSH, /etc/hosts or programs.",
        discussion: """
              muster inventory > hosts.yaml && ansible-playbook -i hosts.yaml site.yaml
              ssh -F <(muster inventory --format ssh) app-0
              muster inventory --format hosts app db
              muster inventory --format json

            Node app/0 is called app-0 there. It only reads. What a format has no way to is named in a
            comment and on standard error.
            """
    )
    @OptionGroup var options: GlobalOptions
    @Option(help: "For whom: ansible, ssh, hosts, json.") var format: Format?
    @Argument(help: "Groups or nodes; all without.", completion: Completions.nodes) var names: [String] = []

    func run() async throws {
        let session = try StateSession.open(options, to: .read)
        let rows =
            try names.isEmpty
            ? RunLookup(store: session.store).read { () throws(StoreError) in
                try session.store.nodes(lab: nil, includingGone: false)
            } : NodeLookup(store: session.store).find(names)
        let inventory = try await NodeWays(session).inventory(of: rows, asksSSH: format == .ssh)
        let text: NodeInventory.Text
        switch options.json ? .json : format ?? .ansible {
        case .json: return Output.json(InventoryShape(inventory))
        case .ansible: text = inventory.ansible()
        case .ssh: text = inventory.sshConfiguration()
        case .hosts: text = inventory.hostsFile()
        }
        Output.raw(text.text.utf8)
        if !options.quiet {
            for left in text.leftOut { Output.note("left out: \(left.node): \(printable(left.reason))") }
        }
    }
}

extension NodeWays {
    private static let askedAtOnce = 16

    /// - Parameter asksSSH: whether OpenSSH is asked what it makes of the hosts by the user's configuration.
    func inventory(of rows: [NodeRow], asksSSH: Bool) async throws -> NodeInventory {
        var hosts = rows.map { row in
            var host = NodeInventory.Host(
                node: row.name,
                lab: row.lab,
                driver: row.driver,
                facts: row.facts,
                reach: nil
            )
            do {
                host.reach = try reach(row)
            } catch {
                host.problem = (error as? CLIError)?.message ?? "\(error)"
            }
            return host
        }
        guard asksSSH else { return NodeInventory(hosts) }
        await withTaskGroup(of: (Int, [SSHSetting]).self) { group in
            var waiting = hosts.indices.makeIterator()
            func begin() {
                while let place = waiting.next() {
                    guard case .ssh(let host)? = hosts[place].reach, host.configFile != "/dev/null" else { continue }
                    group.addTask { (place, await host.settings()) }
                    return
                }
            }
            for _ in 0..<Self.askedAtOnce { begin() }
            while let (place, settings) = await group.next() {
                hosts[place].settings = settings
                begin()
            }
        }
        return NodeInventory(hosts)
    }
}

/// `{"format": 1, "hosts": […], "left_out": […]}`
struct InventoryShape: Encodable {
    struct Host: Encodable {
        var name: String
        var node: String
        var group: String
        var lab: String
        var driver: String
        var address: String?
        var facts: [String: String]
        var reach: Reach
    }

    struct Reach: Encodable {
        var kind: String
        var folder: String?
        var host: String?
        var user: String?
        var port: Int?
        var identity: String?
        var config: String?
        var knownHosts: String?
        var options: [String]?
        var container: String?

        enum CodingKeys: String, CodingKey {
            case kind, folder, host, user, port, identity, config, options, container
            case knownHosts = "known_hosts"
        }

        init(_ reach: NodeReach) {
            kind = reach.kind
            switch reach {
            case .here(let folder), .namespaces(let folder): self.folder = folder
            case .ssh(let machine):
                host = machine.destination
                user = machine.user
                port = machine.port
                identity = machine.identityFile
                config = machine.configFile
                knownHosts = machine.knownHostsFile
                options = machine.options
            case .container(let name, _): container = name
            case .streams: break
            }
        }
    }

    var format = 1
    var hosts: [Host] = []
    var leftOut: [NodeInventory.LeftOut] = []

    enum CodingKeys: String, CodingKey {
        case format, hosts
        case leftOut = "left_out"
    }

    init(_ inventory: NodeInventory) {
        for host in inventory.hosts {
            guard let reach = host.reach else {
                leftOut.append(
                    NodeInventory.LeftOut(node: host.node.description, reason: host.problem ?? "nothing reaches it")
                )
                continue
            }
            hosts.append(
                Host(
                    name: host.name,
                    node: host.node.description,
                    group: host.node.group,
                    lab: host.lab,
                    driver: host.driver,
                    address: host.address,
                    facts: host.facts,
                    reach: Reach(reach)
                )
            )
        }
    }
}
