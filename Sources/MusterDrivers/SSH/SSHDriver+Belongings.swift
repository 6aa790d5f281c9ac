import Foundation
package import MusterCore

/// What a state has on hosts, and leases that others have left.
extension SSHDriver {
    /// How long a host may be out of reach before it is said that it could not be asked.
    private static let patience: Duration = .seconds(5)

    package func belongings() async -> Belongings {
        await withTaskGroup(of: Belongings.self) { group in
            for host in knownHosts { group.addTask { await self.belongings(on: host) } }
            var all = await group.reduce(Belongings(), +)
            all.found.sort { ($0.name, $0.node) < ($1.name, $1.node) }
            all.staleLeases.sort { $0.host < $1.host }
            all.problems.sort { $0.message < $1.message }
            return all
        }
    }

    /// Ends what runs there for the node, removes its folder, and gives the host back.
    package func remove(_ belonging: Belonging, of node: NodeHandle) async throws(StepError) {
        guard let host = knownHosts.first(where: { $0.name == belonging.name }) else {
            throw StepError(.refused, "no host is called \(belonging.name) any more")
        }
        try await nodes.destroy(node, at: place(of: node, on: host))
        if Self.note(of: node)?.host.name == host.name { unlink(Self.notePath(node)) }
    }

    /// The hosts that nodes of the state have or had, and those that are named besides; each once.
    private var knownHosts: [SSHHost] {
        var hosts: [SSHHost] = []
        let folders = (try? FileManager.default.contentsOfDirectory(atPath: options.nodes)) ?? []
        for folder in folders.sorted() {
            guard let note = Self.note(inFolder: "\(options.nodes)/\(folder)") else { continue }
            for host in [note.host] + note.tried where !hosts.contains(where: { $0.name == host.name }) {
                hosts.append(host)
            }
        }
        for host in options.hosts where !hosts.contains(where: { $0.name == host.name }) { hosts.append(host) }
        return hosts
    }

    private func belongings(on host: SSHHost) async -> Belongings {
        // No node of any state has this number.
        let asker = NodeHandle(
            id: NodeID(0),
            name: NodeName(group: host.name, index: 0),
            lab: "",
            driver: kind,
            directory: "",
            facts: [:],
            tenure: Tenure(Epoch(0))
        )
        var call = ShellCall(.survey)
        call.words = [[options.state]]
        call.within = .seconds(30)
        do throws(StepError) {
            let place = place(of: asker, on: host, address: host.destination)
            return read(try await nodes.ask(call, asker, at: place, patience: Self.patience), host)
        } catch {
            return Belongings(problems: [StepError(error.code, "\(host.name): \(error.message)")])
        }
    }

    private func read(_ reply: ShellReply, _ host: SSHHost) -> Belongings {
        var belongings = Belongings()
        var statuses: [NodeID: [String]] = [:]
        for line in reply.lines {
            switch line.word {
            case "node":
                if let node = number(line.text, after: "\(options.state)-n") {
                    statuses[node, default: []].append("folder")
                }
            case "lease":
                // now token expiry holder
                let words = line.text.split(separator: " ", maxSplits: 3).map(String.init)
                guard words.count == 4, let now = Int64(words[0]), let end = Int64(words[2]) else { continue }
                if let node = number(words[1], after: "\(options.state)/n") {
                    statuses[node, default: []].append("lease")
                } else if end <= now {
                    let holder = RemoteNodes.holder("\(end) \(words[3])")
                    belongings.staleLeases.append(StaleLease(host: host.name, holder: holder))
                }
            default: break
            }
        }
        belongings.found = statuses.map { node, words in
            Belonging(
                driver: kind,
                name: host.name,
                lab: "",
                node: node,
                nodeName: "",
                operation: nil,
                status: words.sorted().joined(separator: " and ")
            )
        }
        return belongings
    }

    private func number(_ text: String, after prefix: String) -> NodeID? {
        guard text.hasPrefix(prefix) else { return nil }
        return Int64(text.dropFirst(prefix.count)).map { NodeID($0) }
    }
}
