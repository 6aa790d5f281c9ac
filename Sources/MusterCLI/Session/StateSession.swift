import Foundation
import Logging
import MusterCore
import MusterDrivers
import MusterEngine
import MusterStore
import NIOCore
import NIOPosix

/// A state that a verb works on: its store, and the way to the one who conducts it.
struct StateSession {
    let state: StateDirectory
    let store: any Store
    let logger: Logger

    /// What a verb does with a state.
    enum Purpose {
        case read, write
        /// Write, also where there is no state yet: it is made.
        case make
    }

    /// Opens the state of these options. That it is not there is an error that says so, unless it is to be made.
    static func open(_ options: some VerbOptions, to purpose: Purpose) throws -> StateSession {
        let state = options.stateDirectory
        do {
            if purpose == .make {
                try state.create()
            } else if !FileManager.default.fileExists(atPath: state.database) {
                throw CLIError(
                    "there is no state in \(state.path) yet: nothing was ever brought up (muster up, muster test)"
                )
            }
            let logger = makeLogger(verbose: options.verbose)
            var storeOptions = SQLiteStore.Options(access: purpose == .read ? .reading : .writing)
            storeOptions.checkpointFailed = { logger.error("the log stays as it is for now: \($0)") }
            let store = try SQLiteStore(path: state.database, options: storeOptions)
            return StateSession(state: state, store: store, logger: logger)
        } catch let error as StoreError {
            throw CLIError(error.message, exitCode: error.code.exitCode)
        } catch let error as StateError {
            throw CLIError(error.description)
        }
    }

    private static func makeLogger(verbose: Bool) -> Logger {
        var logger = Logger(label: "muster") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = verbose ? .debug : .error
        return logger
    }

    /// The supervisor's program lies beside this one.
    static var supervisor: String {
        let own =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        return ((own as NSString).deletingLastPathComponent as NSString).appendingPathComponent("muster-supervise")
    }

    /// The drivers of this program, for this state.
    ///
    /// - Parameter hosts: those on which the state may have something, besides those that its nodes were given.
    func makeDrivers(
        hosts: [SSHHost] = [],
        _ events: @escaping @Sendable (DriverEvent) -> Void = { _ in }
    ) -> [any Driver] {
        let supervisor = Self.supervisor
        return [
            ProcessDriver(
                supervisor: supervisor,
                openFilesLimit: OpenFiles.usersLimit,
                events: events,
                logger: logger
            ),
            ProcessDriver(
                supervisor: supervisor,
                openFilesLimit: OpenFiles.usersLimit,
                place: .namespaces,
                events: events,
                logger: logger
            ),
            QEMUDriver(
                supervisor: supervisor,
                openFilesLimit: OpenFiles.usersLimit,
                options: QEMUDriver.Options(
                    state: store.stateName,
                    controlFolder: Environment.runtimeFolder,
                    path: Environment.value("PATH"),
                    secrets: { Environment.secretValues }
                ),
                events: events,
                logger: logger
            ),
            SSHDriver(
                options: SSHDriver.Options(
                    state: store.stateName,
                    holder: "\(Environment.user)@\(ProcessInfo.processInfo.hostName)",
                    nodes: state.nodes,
                    hosts: hosts,
                    controlFolder: Environment.runtimeFolder,
                    secrets: { Environment.secretValues }
                ),
                events: events,
                logger: logger
            ),
            PluginDriver(
                options: PluginDriver.Options(
                    state: store.stateName,
                    nodes: state.nodes,
                    secrets: { Environment.secretValues }
                ),
                events: events,
                logger: logger
            ),
            PodmanDriver(
                options: PodmanDriver.Options(
                    state: store.stateName,
                    secrets: { Environment.secretValues }
                ),
                events: events,
                logger: logger
            ),
        ]
    }

    func makeConductor(bell: Bell) throws -> Conductor {
        let supervisor = Self.supervisor
        guard FileManager.default.isExecutableFile(atPath: supervisor) else {
            throw CLIError("\(supervisor) is missing: build it beside muster (swift build --product muster-supervise)")
        }
        var identity = ConductorCore.Identity(
            host: ProcessInfo.processInfo.hostName,
            pid: getpid(),
            seed: UInt64.random(in: .min ... .max)
        )
        identity.policies = CommandLineTool.policies
        do {
            return try Conductor(
                store: store,
                state: state,
                identity: identity,
                bell: bell,
                surroundings: CommandBuilder.Surroundings(
                    environment: Environment.forCommands,
                    ofHost: Environment.ofHost,
                    secret: { Environment.secret($0) }
                ),
                time: HostTime(),
                logger: logger,
                makeDrivers: { makeDrivers($0) }
            )
        } catch {
            throw CLIError(error.message, exitCode: error.code.exitCode)
        }
    }
}

extension StoreError.Code {
    /// A corrupt or newer database is 2, a full disk 3 (`CONTRACT.md`).
    var exitCode: Int32 {
        switch self {
        case .corrupt, .newer, .permission: ExitCodes.usage
        case .fenced, .full, .failed: ExitCodes.infrastructure
        case .busy: ExitCodes.notObtained
        }
    }
}
