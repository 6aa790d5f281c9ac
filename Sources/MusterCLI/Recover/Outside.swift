import Foundation
import MusterCore
import MusterDrivers
import MusterEngine
import MusterLab
import MusterStore

/// What exists outside for a state and nobody owns, for `gc` and `reconcile`.
struct Outside {
    let session: StateSession
    let drivers: Drivers
    let census: Census

    /// Asks what exists.
    init(_ session: StateSession, options: some VerbOptions) async throws {
        self.session = session
        let hosts = Self.hosts(of: options)
        drivers = Drivers(session.makeDrivers(hosts: hosts))
        do {
            census = try await Census(
                of: session.store,
                state: session.state,
                drivers: drivers,
                kinds: hosts.isEmpty ? [] : ["ssh"]
            )
        } catch {
            throw CLIError(error.message, exitCode: error.code.exitCode)
        }
    }

    /// The hosts of the lab file's pools: where that cannot be read, those that nodes were given are asked.
    private static func hosts(of options: some VerbOptions) -> [SSHHost] {
        guard let lab = try? LabParser.load(path: options.labFile, environment: Environment.all),
            let spec = try? lab.runSpec(.up, directory: options.labDirectory)
        else { return [] }
        var hosts: [SSHHost] = []
        for case .ssh(let pool)? in spec.groups.map(\.machine) {
            for host in pool.hosts where !hosts.contains(where: { $0.name == host.name }) { hosts.append(host) }
        }
        return hosts
    }

    /// Removes what nobody owns, with the right to conduct, so that nobody acts on it at the same time.
    ///
    /// - Returns: what could not be removed, with the reasons.
    func removeOrphans() async throws -> [(orphan: Census.Orphan, problem: String)] {
        if census.orphans.isEmpty { return [] }
        let lock: StateLock?
        do {
            lock = try StateLock.take(session.state)
        } catch {
            throw CLIError(error.description)
        }
        guard let lock else {
            throw CLIError(
                "another command conducts this state; remove what is left when it has ended",
                exitCode: ExitCodes.notObtained
            )
        }
        defer { lock.release() }
        let epoch: Epoch
        do {
            epoch = try session.store.register(
                host: ProcessInfo.processInfo.hostName,
                pid: getpid(),
                now: HostTime().now()
            )
        } catch {
            throw CLIError(error.message, exitCode: error.code.exitCode)
        }
        let tenure = Tenure(epoch)
        return await withTaskGroup(of: (Census.Orphan, String)?.self) { group in
            // One after another for each node, as two things may be one node's.
            for (_, orphans) in Dictionary(grouping: census.orphans, by: \.belonging.node) {
                group.addTask { [census, drivers] in
                    for orphan in orphans {
                        do throws(StepError) {
                            try await census.remove(orphan, by: drivers, tenure)
                        } catch {
                            return (orphan, error.message)
                        }
                    }
                    return nil
                }
            }
            return await group.reduce(into: []) { problems, problem in
                if let problem { problems.append(problem) }
            }
        }
    }

    /// Ends the connections that were made to ask.
    func close() async { await drivers.close() }

    // MARK: Showing

    func show() {
        if !census.orphans.isEmpty {
            var table = TextTable(header: ["DRIVER", "NAME", "NODE", "STATUS", "WHY"])
            for orphan in census.orphans {
                let belonging = orphan.belonging
                table.add([
                    belonging.driver, printable(belonging.name), printable(belonging.nodeName),
                    printable(belonging.status), printable(orphan.reason),
                ])
            }
            Output.lines(table.lines)
        }
        for lease in census.staleLeases {
            Output.line(
                "the lease of host \(lease.host) has ended, held \(printable(lease.holder)); whoever wants it takes it"
            )
        }
        for problem in census.problems { Output.note("not asked: \(printable(problem.message))") }
    }

    var orphans: [OrphanShape] { census.orphans.map(OrphanShape.init) }
    var staleLeases: [LeaseShape] { census.staleLeases.map { LeaseShape(host: $0.host, holder: $0.holder) } }
    var problems: [String] { census.problems.map(\.message) }

    struct OrphanShape: Encodable {
        var driver: String
        var name: String
        var lab: String
        var node: String
        var number: Int64
        var status: String
        var reason: String

        init(_ orphan: Census.Orphan) {
            driver = orphan.belonging.driver
            name = orphan.belonging.name
            lab = orphan.belonging.lab
            node = orphan.belonging.nodeName
            number = orphan.belonging.node.rawValue
            status = orphan.belonging.status
            reason = orphan.reason
        }
    }

    struct LeaseShape: Encodable {
        var host: String
        var holder: String
    }
}
