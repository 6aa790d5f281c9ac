/// The `sh` of this host in the place of a machine's.
package struct LocalConnection: Connection {
    package let title = "this host"
    private let shell: [String]

    /// - Parameter shell: the program that understands `-c` as `sh` does, with what stands before that.
    package init(shell: [String] = ["/bin/sh"]) { self.shell = shell }

    package func run(_ request: RemoteRequest) async throws(ConnectionFailure) -> RemoteEnd {
        let program = ShellText.sent(request.program)
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

    package func close() async {}
}
