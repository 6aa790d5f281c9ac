import ArgumentParser
import Foundation
import MusterCore
import MusterDrivers
import MusterStore

struct Copy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cp",
        abstract: "Copy files and folders to nodes, or from them.",
        usage: "muster cp [<options>] <source> ... <target>",
        discussion: """
              muster cp conf app/1:etc/conf          a file, to a node
              muster cp site app:                    a folder, into the folder of each node of a group
              muster cp app/1:/var/log/syslog .      from a node's machine
              muster cp app:out results/             from each: results/app-0/out, results/app-1/out

            A relative path is one in the node's folder. A target that is a folder gets what is copied
            under its own name. It is written beside its place and renamed when it is whole; a folder
            that is there already is replaced with --replace alone. Links out of what is copied, and
            devices, are left out and named. docs/guides/reaching-nodes.md tells more.
            """
    )
    @OptionGroup var options: GlobalOptions
    @Flag(help: "A folder that is there already goes for the new one.") var replace = false
    @Option(help: ArgumentHelp("So many nodes at once.", valueName: "n")) var parallel = 8
    @Argument(help: ArgumentHelp("Files and folders, and at last where to.", valueName: "place"))
    var places: [String] = []

    func validate() throws {
        if !(1...256).contains(parallel) { throw ValidationError("--parallel wants a number from 1 to 256") }
    }

    func run() async throws {
        let plan = try CopyPlan(places)
        let session = try StateSession.open(options, to: .read)
        let ways = NodeWays(session)
        let jobs = try plan.direction == .toNodes ? pushes(plan, session, ways) : pulls(plan, session, ways)
        let signals = Signals()
        let progress = CopyProgress(isShown: !options.json && !options.quiet && Terminal.isTTY(STDERR_FILENO))
        let work = CopyWork(jobs: jobs, replaces: replace, parallel: parallel, progress: progress)
        // Awaited below.
        let task = Task { await work.run() }
        // Ends with the task that it belongs to.
        let listener = Task {
            for await signal in signals.stream where signal != .tell { task.cancel() }
        }
        let ends = await task.value
        listener.cancel()
        await ways.drivers.close()
        progress.clear()
        try report(ends)
    }

    // MARK: What is to be done

    private func pushes(_ plan: CopyPlan, _ session: StateSession, _ ways: NodeWays) throws -> [CopyJob] {
        guard case .node(let name, let path) = plan.target else { return [] }
        let sources = try plan.sources.map { source in
            let whole = Paths.absolute(CopyPlan.trimmed(source.path))
            guard FileManager.default.fileExists(atPath: whole) else {
                throw CLIError("'\(source.path)' is not there (this host: \(whole))")
            }
            return (whole, (whole as NSString).lastPathComponent)
        }
        let into = sources.count > 1 || path.hasSuffix("/")
        let short = CopyPlan.trimmed(path)
        return try nodes(name, session).flatMap { row in
            let target = try target(short, row, ways)
            return sources.map { source, base in
                CopyJob(
                    node: row.name,
                    from: source,
                    to: "\(row.name):\(path)",
                    work: .push(path: source, base: base, target, into: into)
                )
            }
        }
    }

    private func pulls(_ plan: CopyPlan, _ session: StateSession, _ ways: NodeWays) throws -> [CopyJob] {
        var wanted: [(row: NodeRow, path: String, isGroup: Bool)] = []
        for source in plan.sources {
            guard case .node(let name, let path) = source else { continue }
            let rows = try nodes(name, session)
            wanted += rows.map { ($0, CopyPlan.trimmed(path), NodeName(name) == nil) }
        }
        let isShared = Set(wanted.map(\.row.id)).count > 1 || wanted.contains { $0.isGroup }
        let target = plan.target.path
        let root = Paths.absolute(CopyPlan.trimmed(target))
        var isFolder: ObjCBool = false
        let isThere = FileManager.default.fileExists(atPath: root, isDirectory: &isFolder)
        if isThere, !isFolder.boolValue, isShared || wanted.count > 1 || target.hasSuffix("/") {
            throw CLIError("'\(target)' is a file; what is copied from several places goes into a folder")
        }
        let into = isShared || wanted.count > 1 || target.hasSuffix("/") || isFolder.boolValue
        if into, !isThere, !isShared { throw CLIError("there is no folder '\(target)': make it first") }
        let jobs = try wanted.map { row, path, _ in
            let name = NodeInventory.name(of: row.name)
            let base = CopyPlan.base(path) ?? name
            let folder = isShared ? "\(root)/\(name)" : root
            return CopyJob(
                node: row.name,
                from: "\(row.name):\(path)",
                to: into ? "\(folder)/\(base)" : root,
                work: .pull(try self.target(path, row, ways), to: into ? "\(folder)/\(base)" : root)
            )
        }
        if let twice = Dictionary(grouping: jobs, by: \.to).values.first(where: { $0.count > 1 }) {
            throw CLIError("\(twice[0].from) and \(twice[1].from) would both become \(Paths.short(twice[0].to))")
        }
        if isShared { try makeFolders(Set(jobs.map { ($0.to as NSString).deletingLastPathComponent }), in: root) }
        return jobs
    }

    /// The folder for all nodes and one for each.
    private func makeFolders(_ folders: Set<String>, in root: String) throws {
        for folder in [root] + folders.sorted() {
            guard mkdir(folder, 0o777) != 0, errno != EEXIST else { continue }
            throw CLIError("the folder \(Paths.short(folder)) cannot be made: \(String(cString: strerror(errno)))")
        }
    }

    private func nodes(_ name: String, _ session: StateSession) throws -> [NodeRow] {
        do {
            return try NodeLookup(store: session.store).find([name])
        } catch let error as CLIError {
            throw CLIError("\(error.message). A file of this host with a colon in its name is written ./\(name):…")
        }
    }

    private func target(_ path: String, _ row: NodeRow, _ ways: NodeWays) throws -> NodeCopy.Target {
        let reach = try ways.reach(row)
        do throws(StepError) {
            let handle = ways.handle(row)
            let place = try ways.drivers.reachedPlace(of: handle)
            return NodeCopy.Target(node: handle, place: place, hasOwnFiles: reach.hasOwnFiles, path: path)
        } catch {
            throw CLIError(error.message, exitCode: ExitCodes.infrastructure)
        }
    }

    // MARK: What came of it

    private func report(_ ends: [CopyWork.End]) throws {
        if options.json {
            Output.json(CopyShape(ends))
        } else {
            for end in ends {
                switch end.result {
                case .success(let report):
                    for left in report.leftOut { Output.note("left out: \(printable(left))") }
                    guard !options.quiet else { continue }
                    let files = report.files == 1 ? "" : ", \(report.files) files"
                    let to = end.job.isPush ? "\(end.job.node):\(report.path)" : Paths.short(report.path)
                    Output.line(
                        printable("\(end.job.shortFrom) -> \(to)  \(ByteText.short(report.bytes))\(files)")
                    )
                case .failure(let error): Output.error("not copied: \(printable(error.message))")
                }
            }
        }
        let code = CopyWork.exitCode(ends)
        if code != ExitCodes.passed { throw RunEnd(exitCode: code) }
    }
}

/// A file or folder for one node.
struct CopyJob: Sendable {
    enum Work: Sendable {
        case push(path: String, base: String, NodeCopy.Target, into: Bool)
        case pull(NodeCopy.Target, to: String)
    }

    var node: NodeName
    var from: String
    var to: String
    var work: Work

    var isPush: Bool { if case .push = work { true } else { false } }
    var shortFrom: String { isPush ? Paths.short(from) : from }
}

/// Does copies, some at once.
struct CopyWork: Sendable {
    struct End: Sendable {
        var job: CopyJob
        var result: Result<NodeCopy.Report, StepError>
    }

    let jobs: [CopyJob]
    let replaces: Bool
    let parallel: Int
    let progress: CopyProgress

    /// How all ended, in the order in which they were wanted.
    func run() async -> [End] {
        await withTaskGroup(of: (Int, End).self) { group in
            var waiting = jobs.enumerated().makeIterator()
            var ends: [(Int, End)] = []
            func begin() {
                guard let (place, job) = waiting.next() else { return }
                group.addTask { (place, End(job: job, result: await one(job))) }
            }
            for _ in 0..<parallel { begin() }
            while let end = await group.next() {
                ends.append(end)
                begin()
            }
            return ends.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    private func one(_ job: CopyJob) async -> Result<NodeCopy.Report, StepError> {
        if Task.isCancelled { return .failure(StepError(.cancelled, "\(job.node): not begun any more")) }
        let progress = progress
        let copy = NodeCopy { progress.add($0) }
        do throws(StepError) {
            switch job.work {
            case .push(let path, let base, let target, let into):
                return .success(
                    try await copy.push(path, named: base, to: target, into: into, replaces: replaces)
                )
            case .pull(let target, let path):
                return .success(try await copy.pull(target, to: path, replaces: replaces))
            }
        } catch {
            return .failure(error)
        }
    }

    /// What was wanted wrongly is 2 where nothing was copied; machines are 3.
    static func exitCode(_ ends: [End]) -> Int32 {
        let codes = ends.compactMap { end -> StepError.Code? in
            if case .failure(let error) = end.result { error.code } else { nil }
        }
        if codes.isEmpty { return ExitCodes.passed }
        if codes.contains(.cancelled) { return ExitCodes.interrupted }
        return codes.allSatisfy { $0 == .file } && codes.count == ends.count
            ? ExitCodes.usage : ExitCodes.infrastructure
    }
}

/// `{"format": 1, "copied": […], "failed": […]}`
struct CopyShape: Encodable {
    struct Copied: Encodable {
        var node: String
        var from: String
        var to: String
        var bytes: Int64
        var files: Int
        var leftOut: [String]

        enum CodingKeys: String, CodingKey {
            case node, from, to, bytes, files
            case leftOut = "left_out"
        }
    }

    struct Failed: Encodable {
        var node: String
        var from: String
        var to: String
        var code: String
        var reason: String
    }

    var format = 1
    var copied: [Copied] = []
    var failed: [Failed] = []

    init(_ ends: [CopyWork.End]) {
        for end in ends {
            let (node, from) = (end.job.node.description, end.job.from)
            switch end.result {
            case .success(let report):
                copied.append(
                    Copied(
                        node: node,
                        from: from,
                        to: end.job.isPush ? "\(node):\(report.path)" : report.path,
                        bytes: report.bytes,
                        files: report.files,
                        leftOut: report.leftOut
                    )
                )
            case .failure(let error):
                failed.append(
                    Failed(node: node, from: from, to: end.job.to, code: error.code.rawValue, reason: error.message)
                )
            }
        }
    }
}
