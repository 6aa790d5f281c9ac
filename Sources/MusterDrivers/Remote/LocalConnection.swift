/// The `sh` of this host in the place of a machine's.
package final class LocalConnection: Connection {
    package let title = "this host"
    private let shell: [String]
    private let shells: KeptShells

    /// - Parameter shell: the program that understands `-c` as `sh` does, with what stands before that.
    package init(shell: [String] = ["/bin/sh"]) {
        self.shell = shell
        shells = KeptShells { shell + ["-c", ShellText.boot($0)] }
    }

    package func run(_ request: RemoteRequest) async throws(ConnectionFailure) -> RemoteEnd {
        if !request.functions.isEmpty, request.input.isEmpty { return try await shells.run(request).end }
        let program = ShellText.sent(request.wholeProgram)
        return try await ChildProcess.run(
            ChildProcess.Request(
                arguments: shell + ["-c", ShellText.boot(program.count)],
                input: [.bytes(program)] + request.input,
                holdsInput: request.holdsInput,
                outputLimit: request.outputLimit,
                within: request.within,
                onOutput: request.onOutput
            )
        )
    }

    package func close() async { await shells.close() }
}
