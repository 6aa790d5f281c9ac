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

    /// What the shell that serves a request says of itself.
    private static func said(
        _ connection: any Connection,
        _ program: String,
        _ body: (inout RemoteRequest) -> Void = { _ in }
    ) async throws -> String {
        var request = RemoteRequest(
            functions: "\(ShellText.library)said() { echo \"$$ $*\"; m_over; }\n",
            program: program
        )
        request.within = .seconds(50)
        body(&request)
        let end = try await connection.run(request)
        #expect(end.status == 0, "\(end)")
        return String(decoding: end.output, as: UTF8.self)
    }

    @Test(arguments: RemoteWay.allCases)
    func aShellIsKeptForOneRequestAfterTheOther(_ way: RemoteWay) async throws {
        try await Self.with(way) { connection in
            let first = try await Self.said(connection, "variable=1; cd /; umask 0; said \"$variable\"")
            let shell = first.prefix { $0 != " " }
            #expect(first == "\(shell) 1\n")
            // Nothing of the first is left there; its exit ended a part of the shell alone.
            #expect(try await Self.said(connection, "said \"[$variable]\"") == "\(shell) []\n")
            // Those that wait go on when they have their answer, whoever waited for whom.
            for _ in 0..<3 {
                let waited = try await Self.said(connection, "m_leash; said waited") { $0.holdsInput = true }
                #expect(waited == "\(shell) waited\n")
                let short = try await Self.said(connection, "said short") { $0.holdsInput = true }
                #expect(short == "\(shell) short\n")
            }
            // What looks like an end is none, and what is said without a line's end is not lost.
            let odd = "printf 'm1 0\\n\\nm2 0\\nx'; m_over"
            #expect(try await Self.said(connection, odd) == "m1 0\n\nm2 0\nx")
            // Two at once have two shells.
            async let one = Self.said(connection, "sleep 0.3; said one")
            async let two = Self.said(connection, "sleep 0.3; said two")
            let (a, b) = try await (one, two)
            #expect(a.hasSuffix(" one\n") && b.hasSuffix(" two\n") && a.prefix { $0 != " " } != b.prefix { $0 != " " })
        }
    }

    /// Some programs take more from a pipe than they give: what is sent behind a shell's functions would be lost.
    @Test func aShellWhoseProgramsReadAheadLosesNoRequest() async throws {
        let folder = try temporaryFolder("ahead")
        let greedy = "#!/bin/sh\n/usr/bin/head \"$@\"\ntimeout 0.3 cat >/dev/null\nexit 0\n"
        try SpawnedProgram.put(greedy, as: ["\(folder)/head"], folder: folder)
        let connection = LocalConnection(shell: ["/usr/bin/env", "PATH=\(folder):/usr/bin:/bin", "/bin/sh"])
        for _ in 0..<2 { #expect(try await Self.said(connection, "said once").hasSuffix(" once\n")) }
        await connection.close()
        try FileManager.default.removeItem(atPath: folder)
    }

    @Test(arguments: RemoteWay.allCases)
    func aKeptShellThatEndsIsReplaced(_ way: RemoteWay) async throws {
        try await Self.with(way) { connection in
            let first = try await Self.said(connection, "said")
            await #expect(throws: ConnectionFailure.silent("no answer came within 200ms")) {
                _ = try await Self.said(connection, "sleep 1000") { $0.within = .milliseconds(200) }
            }
            let second = try await Self.said(connection, "said")
            #expect(first != second)
            // It ends beneath a request, whose own end is not known then.
            var request = RemoteRequest(functions: "\(ShellText.library)\n", program: "kill -9 $$; exit 0")
            request.within = .seconds(50)
            if let end = try? await connection.run(request) { #expect(end.status != 0) }
            let third = try await Self.said(connection, "said")
            #expect(third != second)
            // A status of its own, and errors, come back.
            request.functions = ShellText.library
            request.program = "echo no >&2; exit 7"
            #expect(try await connection.run(request).status == 7)
            // So does that a signal ended it.
            request.program = "m_this; kill -9 $m_self"
            #expect(try await connection.run(request).status == nil)
        }
    }

    @Test(arguments: RemoteWay.allCases)
    func whoeverWaitsInAKeptShellEndsWithItsConnection(_ way: RemoteWay) async throws {
        try await Self.with(way) { connection in
            let folder = try temporaryFolder("leash")
            try #require(mkfifo("\(folder)/pipe", 0o600) == 0 && mkfifo("\(folder)/none", 0o600) == 0)
            // Awaited below.
            let running = Task {
                let program = "m_leash; exec 3>\(folder)/pipe; echo up >&3; read -r x <\(folder)/none"
                return try await Self.said(connection, program) { $0.holdsInput = true }
            }
            // Read on a thread, as it blocks: to the end, when the shell and all its parts are gone.
            let heard: Data = await withCheckedContinuation { done in
                Thread.detachNewThread {
                    let pipe = FileHandle(forReadingAtPath: "\(folder)/pipe")
                    var data = pipe?.availableData ?? Data()
                    running.cancel()
                    while let more = pipe?.availableData, !more.isEmpty { data += more }
                    done.resume(returning: data)
                }
            }
            #expect(heard == Data("up\n".utf8))
            _ = await running.result
            try FileManager.default.removeItem(atPath: folder)
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
