import ArgumentParser
import Foundation
import MusterCore
import MusterDrivers
import MusterEngine
import MusterLab
import MusterStore

struct GC: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc",
        abstract: "List, or remove, what nobody owns any more.",
        discussion: """
              muster gc             list processes, containers, machines and leases of nodes that are gone
              muster gc --remove    end and remove them, and the folders of nodes that are gone
              muster gc --older-than 30d --backup old.jsonl
                                    delete runs that ended longer ago, once each is in the backup
            """
    )
    @OptionGroup var options: GlobalOptions
    @Flag(help: "Remove what is listed.") var remove = false
    @Option(help: "Delete runs that ended longer ago: 30d, 12h.") var olderThan: String?
    @Option(help: "A file that gets each deleted run as a line of JSON.") var backup: String?

    func validate() throws {
        if backup != nil, olderThan == nil { throw ValidationError("--backup goes with --older-than") }
        if let olderThan, (try? DurationText.parse(olderThan)) == nil {
            throw ValidationError("--older-than '\(olderThan)' is no length of time: 30d, 12h, 90m")
        }
    }

    func run() async throws {
        if let age = olderThan.flatMap({ (try? DurationText.parse($0)) }) { return try clean(age) }
        let session = try StateSession.open(options, to: remove ? .write : .read)
        let outside = try await Outside(session, options: options)
        // What is there is looked up before what is on record. A node is on record before it is made, so what is not on
        // record then, or is gone, belongs to nobody.
        let found = await Leftovers.find(nodes: session.state.nodes)
        let present = folders(in: session.state)
        let nodes = try RunLookup(store: session.store).read { () throws(StoreError) in
            try session.store.nodes(lab: nil, includingGone: true)
        }
        let owned = Set(nodes.filter { $0.state != .gone }.map { session.state.node($0) })
        let leftovers = found.filter { !owned.contains(Performer.nodeFolder($0.directory)) }
        let folders = present.filter { !owned.contains($0) }
        if options.json {
            Output.json(
                Shape(
                    leftovers: leftovers.map(Shape.Leftover.init),
                    folders: folders,
                    outside: outside.orphans,
                    stale_leases: outside.staleLeases,
                    not_asked: outside.problems
                )
            )
        } else {
            show(leftovers, folders, outside)
        }
        guard remove else { return await outside.close() }
        let kept = try await outside.removeOrphans()
        await outside.close()
        let remaining = await Leftovers.end(leftovers)
        // What is noted there says where a machine is: it stays while one may be left.
        let needed = Set(kept.map { session.state.node($0.orphan.belonging) })
        for folder in folders
        where outside.problems.isEmpty && !needed.contains(folder)
            && !remaining.contains(where: { $0.directory == folder })
        {
            try? FileManager.default.removeItem(atPath: folder)
        }
        guard remaining.isEmpty else {
            let pids = remaining.map { String($0.pid) }.joined(separator: ", ")
            throw CLIError("these processes could not be ended: \(pids)", exitCode: ExitCodes.infrastructure)
        }
        guard kept.isEmpty else {
            let list = kept.map { "\($0.orphan.belonging.name): \($0.problem)" }.joined(separator: "\n")
            throw CLIError("these could not be removed:\n\(printable(list))", exitCode: ExitCodes.infrastructure)
        }
        guard outside.problems.isEmpty else {
            throw CLIError(
                "folders stay, as not everybody could be asked (see above): try again, or remove them by hand",
                exitCode: ExitCodes.infrastructure
            )
        }
        if !options.json {
            var parts = [counted(leftovers.count, "process"), counted(folders.count, "folder")]
            if !outside.orphans.isEmpty { parts.insert(counted(outside.orphans.count, "machine"), at: 1) }
            Output.line("removed \(parts.dropLast().joined(separator: ", ")) and \(parts[parts.count - 1])")
        }
    }

    /// Deletes old runs. Only the conductor writes, so nobody else may conduct meanwhile.
    private func clean(_ age: Duration) throws {
        let session = try StateSession.open(options, to: .write)
        do {
            guard let lock = try StateLock.take(session.state) else {
                throw CLIError(
                    "another command or program conducts this state; clean when it has ended, or from within it",
                    exitCode: ExitCodes.notObtained
                )
            }
            defer { lock.release() }
            let now = HostTime().now()
            let epoch = try session.store.register(host: ProcessInfo.processInfo.hostName, pid: getpid(), now: now)
            let cleaner = Cleaner(store: session.store, term: Term(conductor: .sole, epoch: epoch))
            let count = try cleaner.clean(
                endedBefore: now + (.zero - age),
                lab: nil,
                backup: backup.map(Paths.absolute)
            )
            if options.json {
                Output.json(Cleaned(deleted: count, backup: backup))
            } else {
                Output.line("deleted \(counted(count, "run"))" + (backup.map { "; they are in \($0)" } ?? ""))
            }
        } catch let error as StoreError {
            throw CLIError(error.message, exitCode: error.code.exitCode)
        } catch let error as StateError {
            throw CLIError(error.description)
        }
    }

    private struct Cleaned: Encodable {
        var format = 1
        var deleted: Int
        var backup: String?
    }

    private func folders(in state: StateDirectory) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: state.nodes)) ?? []).sorted().map {
            state.nodes + "/" + $0
        }
    }

    private func show(_ leftovers: [Leftover], _ folders: [String], _ outside: Outside) {
        outside.show()
        if leftovers.isEmpty { Output.line("no process is left behind") }
        if !leftovers.isEmpty {
            var table = TextTable(header: ["PID", "WHAT", "NODE", "COMMAND"])
            for leftover in leftovers {
                table.add([
                    String(leftover.pid), leftover.kind.rawValue, (leftover.directory as NSString).lastPathComponent,
                    printable(leftover.command),
                ])
            }
            Output.lines(table.lines)
        }
        if !folders.isEmpty {
            Output.line("\(counted(folders.count, "folder")) of nodes that are gone, with their logs")
        }
        if !remove, !(leftovers.isEmpty && folders.isEmpty && outside.orphans.isEmpty) {
            Output.line("remove it: muster gc --remove")
        }
    }

    private struct Shape: Encodable {
        struct Leftover: Encodable {
            var pid: Int32
            var kind: String
            var folder: String
            var command: String

            init(_ leftover: MusterDrivers.Leftover) {
                pid = leftover.pid
                kind = leftover.kind.rawValue
                folder = leftover.directory
                command = leftover.command
            }
        }
        var format = 1
        var leftovers: [Leftover]
        var folders: [String]
        var outside: [Outside.OrphanShape]
        var stale_leases: [Outside.LeaseShape]
        var not_asked: [String]
    }
}
