import Glibc
import MusterSupervision

/// `muster-supervise launch DIRECTORY OPERATION [FILES]` prints the address of the node in that folder, and starts its
/// supervisor where there is none. `serve` is that supervisor, which only `launch` starts. FILES is how many files the
/// node's commands may open. `launch-apart DIRECTORY OPERATION FILES ADDRESS...` does the same in namespaces of the
/// node's own, at the first of these addresses that nobody has; FILES is `-` for as many as this program.
@main
struct Supervise {
    static func main() {
        let arguments = CommandLine.arguments
        switch arguments.count > 1 ? arguments[1] : "" {
        case "launch" where (4...5).contains(arguments.count) && SupervisorFiles.isOperation(arguments[3]):
            closeDescriptors(from: 3)
            // Muster raises its own limit, and commands are to find the one that their user has set: a program may
            // count on small descriptors (select) or close every one there can be. A limit is inherited, so it is set
            // here, once, before the supervisor is started, and not for each command: the supervisor itself needs few.
            launch(arguments, files: arguments.count == 5 ? arguments[4] : "-", .host)
        case "launch-apart" where arguments.count > 5 && SupervisorFiles.isOperation(arguments[3]):
            closeDescriptors(from: 3)
            launch(arguments, files: arguments[4], .namespaces(addresses: Array(arguments[5...])))
        case "serve" where (5...6).contains(arguments.count) && SupervisorFiles.isOperation(arguments[3]):
            serve(
                directory: arguments[2],
                operation: arguments[3],
                fileMask: mode_t(arguments[4], radix: 8) ?? 0o022,
                address: arguments.count == 6 ? arguments[5] : nil
            )
        default:
            writeAll(
                STDERR_FILENO,
                "muster starts this program itself; usage: muster-supervise launch DIRECTORY OPERATION\n"
            )
            exit(2)
        }
    }

    private static func launch(_ arguments: [String], files: String, _ place: Launch.Place) {
        if let files = UInt64(files) { limitOpenFiles(to: files) }
        do throws(SystemError) {
            print(try Launch.run(directory: arguments[2], operation: arguments[3], place: place))
        } catch {
            writeAll(STDERR_FILENO, error.description + "\n")
            exit(1)
        }
    }

    /// Gets ready, says so, and supervises until everything has been ended on request.
    ///
    /// - Parameter address: where it is the first process in namespaces of its own, its address, which is held for it.
    private static func serve(directory: String, operation: String, fileMask: mode_t, address held: String?) {
        let supervisor: Supervisor
        do throws(SystemError) {
            closeDescriptors(from: held == nil ? Launch.lockDescriptor + 1 : Namespaces.addressDescriptor + 1)
            if held != nil { closeOnExec(Namespaces.addressDescriptor) }
            closeOnExec(Launch.readyDescriptor)
            closeOnExec(Launch.lockDescriptor)
            umask(0o077)
            try becomeSubreaper()
            let folder = try NodeFolder(making: directory)
            guard fchdir(folder.descriptor) == 0 else { throw SystemError("\(directory) cannot be entered") }
            let address: String
            if let held { address = held } else { address = try takeAddress(for: operation) }
            // As the host sees it, whose /proc is still there.
            let identity = ProcessTable.own()?.identity ?? ProcessIdentity(pid: getpid(), startTime: 0)
            if held != nil { try Namespaces.settle() }
            let listener = try listen(in: folder)
            let facts = SupervisorFacts(identity: identity, bootID: ProcessTable.bootID(), address: address)
            try folder.replace(SupervisorFiles.facts, facts.json(directory: directory, startedAt: Clock.utc()))
            supervisor = Supervisor(
                folder: folder,
                facts: facts,
                fileMask: fileMask,
                listener: listener,
                signals: try Signals.install()
            )
        } catch {
            Log.say(error.description)
            writeAll(Launch.readyDescriptor, "!\(error)\n")
            exit(1)
        }
        writeAll(Launch.readyDescriptor, "=\(supervisor.facts.address)\n")
        close(Launch.readyDescriptor)
        close(Launch.lockDescriptor)
        supervisor.run()
    }

    /// Holds the first free address of this host that follows from the operation's id, until this process ends.
    private static func takeAddress(for operation: String) throws(SystemError) -> String {
        let descriptor = try makeSocket()
        for number in 0..<NodeAddress.triesMax {
            let address = NodeAddress.candidate(number, for: operation)
            let name = Array(NodeAddress.socketName(address).utf8)
            let code = withSocketAddress(name, isAbstract: true) { bind(descriptor, $0, $1) }
            if code == 0 { return address }
            guard errno == EADDRINUSE else { break }
        }
        throw SystemError("no free address of 127.64.0.0/10 was found")
    }

    /// Listens on the socket in the node's folder. One that is there is a dead supervisor's: the launcher holds the
    /// lock.
    private static func listen(in folder: NodeFolder) throws(SystemError) -> Int32 {
        let descriptor = try makeSocket()
        unlinkat(folder.descriptor, SupervisorFiles.socket, 0)
        let code = withSocketAddress(folder.socketPath, isAbstract: false) { bind(descriptor, $0, $1) }
        guard code == 0, Glibc.listen(descriptor, 64) == 0 else {
            throw SystemError("the socket in \(folder.path) cannot be made")
        }
        return descriptor
    }
}

extension SupervisorFacts {
    func json(directory: String, startedAt: Int64) -> String {
        var json = JSONText()
        json.add("format", 1)
        json.add("pid", identity.pid)
        json.add("start_time", identity.startTime)
        json.add("boot_id", bootID)
        json.add("address", address)
        json.add("directory", directory)
        json.add("started_at", startedAt)
        return json.finished
    }
}
