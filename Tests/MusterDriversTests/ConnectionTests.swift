import Foundation
import Glibc
import MusterCore
import MusterDrivers
import MusterSupervision
import MusterTestKit
import Testing

/// What every connection must do, on each of them.
@Suite(.timeLimit(.minutes(1))) struct ConnectionTests {
    /// A connection for a test, closed after it.
    private static func with(_ way: RemoteWay, _ body: (any Connection) async throws -> Void) async throws {
        switch way {
        case .local: try await body(LocalConnection())
        case .ssh:
            guard let server = try? SSHServer.shared.get() else { return }
            let folder = try temporaryFolder("way")
            let connection = SSHConnection(server.host(0, root: folder), controlPath: "\(folder)/c")
            do {
                try await body(connection)
            } catch {
                await connection.close()
                throw error
            }
            await connection.close()
            try FileManager.default.removeItem(atPath: folder)
        }
    }

    @Test(arguments: RemoteWay.allCases)
    func argumentsInputAndStatusGoThroughAsTheyAre(_ way: RemoteWay) async throws {
        try await Self.with(way) { connection in
            let words = ["a b", "'", "\"$HOME\"", "\\", "!", "*", "", "ü\n", "-n", "a\\"]
            let end = try await connection.run(["printf", "%s|"] + words)
            #expect(String(decoding: end.output, as: UTF8.self) == words.map { $0 + "|" }.joined())
            let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0) }
            #expect(try await connection.run(["cat"], input: bytes).output == bytes)
            for status in [0, 1, 254, 255] {
                let end = try await connection.run(["sh", "-c", "echo said >&2; exit \(status)"])
                #expect(end.status == status)
                #expect(end.error == "said\n")
            }
        }
    }

    @Test(arguments: RemoteWay.allCases)
    func outputHasALimitAndAProgramATime(_ way: RemoteWay) async throws {
        try await Self.with(way) { connection in
            let end = try await connection.run(["sh", "-c", "yes | head -c 1000000"], outputLimit: 10)
            #expect(end.output.count == 10 && end.outputDropped == 999_990)
            await #expect(throws: ConnectionFailure.silent("no answer came within 100ms")) {
                try await connection.run(["sleep", "1000"], within: .milliseconds(100))
            }
        }
    }

    @Test(arguments: RemoteWay.allCases)
    func whoNoLongerWaitsCutsTheConnection(_ way: RemoteWay) async throws {
        try await Self.with(way) { connection in
            let (begun, teller) = AsyncStream.makeStream(of: Void.self)
            // Awaited below.
            let running = Task {
                try await connection.run(
                    RemoteRequest(
                        program: "echo up; cat; echo gone >&2",
                        holdsInput: true,
                        onOutput: { _ in
                            teller.finish()
                            return true
                        }
                    )
                )
            }
            for await _ in begun {}
            running.cancel()
            await #expect(throws: ConnectionFailure.cancelled) { try await running.value }
        }
    }

    @Test(.disabled(if: SSHServer.absence != nil, "\(SSHServer.absence ?? "")"))
    func aConnectionThatBreaksIsNoEndOfTheProgram() async throws {
        try await Self.with(.ssh) { connection in
            let path = try #require(connection as? SSHConnection).controlPath
            let failure = await #expect(throws: ConnectionFailure.self) {
                try await connection.run(
                    RemoteRequest(
                        program: "echo up; cat",
                        holdsInput: true,
                        onOutput: { _ in
                            for pid in ProcessTable.all().map(\.pid)
                            where ProcessTable.command(of: pid).contains(path)
                                && ProcessTable.command(of: pid).contains("ControlMaster=yes")
                            {
                                kill(pid, SIGKILL)
                            }
                            return true
                        }
                    )
                )
            }
            guard case .broken? = failure else {
                Issue.record("\(String(describing: failure))")
                return
            }
            // The next one makes a new connection.
            #expect(try await connection.run(["echo", "again"]).output == Array("again\n".utf8))
        }
    }

    @Test func noPartOfAProgramIsRun() async throws {
        let cut = LocalConnection(shell: ["/bin/sh", "-c", "head -c 20 | exec \"$0\" \"$@\"", "/bin/sh"])
        #expect(try await cut.run(RemoteRequest(program: "echo a")).output == Array("a\n".utf8))
        #expect(try await cut.run(RemoteRequest(program: "echo a\necho b\necho c\n")).output.isEmpty)
    }

    @Test func aProgramThatIsNotInstalledIsSaid() async throws {
        await #expect(throws: ConnectionFailure.refused("'/no/such/shell' is not installed on this host")) {
            try await LocalConnection(shell: ["/no/such/shell"]).run(["true"])
        }
    }
}
