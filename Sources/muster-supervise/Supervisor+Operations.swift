import Glibc
import MusterSupervision

extension Supervisor {
    /// Starts an operation, or finds the one that was started before. Returns the answer when there is nothing to wait
    /// for.
    func start(_ spec: OperationSpec) -> SupervisorReply.Body? {
        let id = spec.operation
        if let record = records[id] { return .ended(record) }
        if operations[id] != nil { return nil }
        guard shutdown == nil else { return .refused(.busy, message: "the node is being destroyed") }
        let now = Clock.utc()
        do throws(SystemError) {
            guard let operationFolder = try makeFolder(of: id, spec: spec.json(requestedAt: now))
            else { return .lost(reason: "it was begun by a supervisor that is gone") }
            return try start(spec, in: operationFolder, at: now)
        } catch {
            return .refused(.system, message: "nothing was started: \(error)")
        }
    }

    private func makeFolder(of id: String, spec: String) throws(SystemError) -> OperationFolder? {
        if let spare = spareFolder {
            do throws(SystemError) {
                let made = try OperationFolder(spare, as: id, in: folder, spec: spec)
                if made != nil { spareFolder = nil }
                return made
            } catch {
                // Somebody has tidied up.
                spare.closeAll()
                spareFolder = nil
            }
        }
        return try OperationFolder(making: id, in: folder, spec: spec)
    }

    private func start(
        _ spec: OperationSpec,
        in operationFolder: OperationFolder,
        at now: Int64
    ) throws(SystemError)
        -> SupervisorReply.Body?
    {
        let pipe = try makePipe()
        var control: ControlSpool?
        var controlEnd: Int32?
        if let limit = spec.controlLimit {
            let ends: (read: Int32, write: Int32)
            do throws(SystemError) {
                ends = try makePipe()
            } catch {
                close(pipe.read)
                close(pipe.write)
                throw error
            }
            control = ControlSpool(pipe: ends.read, folder: operationFolder.descriptor, limit: limit)
            // Away from the number that it is to get: a duplicate of itself would be closed at the start.
            controlEnd = fcntl(ends.write, F_DUPFD_CLOEXEC, 10)
            let code = errno
            close(ends.write)
            guard controlEnd ?? -1 >= 0 else {
                close(pipe.read)
                close(pipe.write)
                control?.closeAll()
                throw SystemError("a pipe cannot be made", code)
            }
        }
        defer { if let controlEnd { close(controlEnd) } }
        var markers = [
            Markers.operation: spec.operation, Markers.node: folder.path, Markers.address: facts.address,
        ]
        if control != nil { for name in Markers.control { markers[name] = "\(Markers.controlDescriptor)" } }
        let environment = spec.environment(adding: markers)
        let pid: pid_t
        do throws(Spawn.Failure) {
            let program = try spec.program(environment: environment)
            let spawn = Spawn(
                path: program.path,
                arguments: program.arguments,
                environment: environment.map { "\($0)=\($1)" }.sorted(),
                directory: spec.directory,
                output: pipe.write,
                control: controlEnd,
                fileMask: fileMask
            )
            pid = try spawn.start(returningTo: folder.descriptor)
            close(pipe.write)
        } catch {
            close(pipe.write)
            close(pipe.read)
            control?.closeAll()
            var record = ExitRecord(operation: spec.operation, startedAt: now, endedAt: Clock.utc())
            record.notStarted = error.sentence
            write(record, in: operationFolder)
            return .ended(record)
        }
        wantsSpareFolder = wantsSpareFolder || control != nil
        // A child that has ended already is still there: only `reap` takes it away.
        let startTime = ProcessTable.entry(pid)?.identity.startTime ?? 0
        let main = ProcessIdentity(pid: pid, startTime: startTime)
        operationFolder.write(started: main, bootID: facts.bootID)
        var kept = spec
        kept.secrets = []
        kept.masked = []
        operations[spec.operation] = Operation(
            spec: kept,
            folder: operationFolder,
            main: main,
            startedAt: now,
            spool: Spool(
                pipe: pipe.read,
                folder: operationFolder.descriptor,
                limit: spec.outputLimit,
                secrets: spec.secrets.map(\.value) + spec.masked
            ),
            control: control
        )
        if spec.isServer {
            server = spec
            serverOperation = spec.operation
            loss = nil
        }
        return nil
    }

    /// An end that comes before its start: the start then finds it.
    func refuseLater(_ id: String) {
        guard records[id] == nil else { return }
        let now = Clock.utc()
        var record = ExitRecord(operation: id, startedAt: now, endedAt: now)
        record.interrupted = true
        var spec = JSONText()
        spec.add("format", 1)
        spec.add("operation", id)
        spec.add("ended_before_start", true)
        spec.add("requested_at", now)
        do throws(SystemError) {
            guard let made = try OperationFolder(making: id, in: folder, spec: spec.finished) else { return }
            write(record, in: made)
        } catch {
            Log.say("\(id) was ended before it began: \(error)")
            remember(record)
        }
    }

    /// Records how an operation ended, in memory whatever the disk says.
    func write(_ record: ExitRecord, in operationFolder: OperationFolder) {
        do throws(SystemError) {
            try operationFolder.write(exit: record)
        } catch {
            Log.say(error.description)
        }
        operationFolder.closeAll()
        remember(record)
    }

    // MARK: Ends of processes

    /// Takes away every child that has ended, and goes on with the operations that this concerns.
    func reap() {
        while true {
            var status: Int32 = 0
            let pid = waitpid(-1, &status, WNOHANG)
            guard pid > 0 else { break }
            if let operation = operations.values.first(where: { $0.isMainAlive && $0.main.pid == pid }) {
                operation.mainEnd = status
            } else {
                descendants.forget(pid)
            }
        }
        for operation in Array(operations.values) { advance(operation) }
    }

    func deadlinesPassed() {
        let now = Clock.monotonic()
        for operation in Array(operations.values) {
            guard let due = operation.nextDeadline, due <= now else { continue }
            switch operation.phase {
            case .running:
                operation.timedOut = operation.isMainAlive
                end(operation, grace: operation.spec.grace, interrupting: false)
            case .terminating: beginKilling(operation)
            case .killing:
                let names = members(of: operation).map { "\($0.pid)" }.joined(separator: " ")
                Log.say("\(operation.id): these processes could not be ended: \(names)")
                finish(operation)
            case .left: break
            }
        }
    }
}
