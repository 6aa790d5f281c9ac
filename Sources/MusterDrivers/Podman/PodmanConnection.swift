import MusterCore

/// The `sh` of a container, by `podman exec`.
///
/// When this process ends, podman ends the standard input of what it has started there, as a connection that breaks.
final class PodmanConnection: Connection {
    private let podman: Podman
    private let container: String
    private let gate: Gate
    private let shells: KeptShells

    var title: String { "container \(container)" }

    init(_ podman: Podman, _ container: String, gate: Gate) {
        self.podman = podman
        self.container = container
        self.gate = gate
        shells = KeptShells(prefix: Self.exactHead) { Self.command($0, podman, container) }
    }

    func run(_ request: RemoteRequest) async throws(ConnectionFailure) -> RemoteEnd {
        // Those that wait for something need no turn.
        let isShort = !request.holdsInput
        if isShort { await gate.enter() }
        defer { if isShort { gate.leave() } }
        if !request.functions.isEmpty, request.input.isEmpty {
            let (end, isOver) = try await shells.run(request)
            if isOver, let failure = Self.failure(end, container) { throw failure }
            return end
        }
        let program = ShellText.sent(Self.exactHead + request.wholeProgram)
        let end = try await ChildProcess.run(
            ChildProcess.Request(
                arguments: Self.command(program.count, podman, container),
                input: [.bytes(program)] + request.input,
                holdsInput: request.holdsInput,
                outputLimit: request.outputLimit,
                within: request.within,
                onOutput: request.onOutput
            )
        )
        if let failure = Self.failure(end, container) { throw failure }
        return end
    }

    func close() async { await shells.close() }

    private static func command(_ count: Int, _ podman: Podman, _ container: String) -> [String] {
        podman.program + ["exec", "--interactive", container, "/bin/sh", "-c", boot(count)]
    }

    /// Takes so many bytes for a program and leaves the rest to that. Not every `head` leaves the rest: busybox's reads
    /// ahead.
    private static func boot(_ count: Int) -> String {
        "LC_ALL=C; export LC_ALL; m_prog=$(dd bs=\(count) count=1 iflag=fullblock 2>/dev/null); "
            + "case $m_prog in *:end) eval \"$m_prog\";; *) exit 254;; esac"
    }

    /// A `head -c` that takes no byte more than it gives, in the place of one that reads ahead.
    private static let exactHead = """
        head() {
            if [ "$1" != -c ] || [ $# -gt 2 ]; then command head "$@"; return; fi
            [ -n "$m_exact" ] || m_exact=$(printf ab | { command head -c 1 >/dev/null; cat; })
            [ -n "$m_exact" ] || m_exact=no
            if [ "$m_exact" = b ]; then command head "$@"; return; fi
            [ "$2" -lt 65536 ] || dd bs=65536 count=$(($2 / 65536)) iflag=fullblock 2>/dev/null
            [ $(($2 % 65536)) -eq 0 ] || dd bs=$(($2 % 65536)) count=1 iflag=fullblock 2>/dev/null
        }

        """

    /// What an end of `podman exec` says of podman itself and of the container; nil when it is the program's own.
    private static func failure(_ end: RemoteEnd, _ container: String) -> ConnectionFailure? {
        guard let status = end.status else { return .broken("podman exec in \(container) was killed") }
        guard [125, 126, 127, 137, 254, 255].contains(status), !end.error.hasSuffix(ShellText.status255 + "\n") else {
            return nil
        }
        if status == 137 { return .broken("what was asked of container \(container) was killed there") }
        if status == 254 { return .refused("container \(container): its dd cannot read a pipe (iflag=fullblock)") }
        guard end.error.contains("Error:") else { return nil }
        let said = Podman.said(end)
        let text = said.lowercased()
        func any(_ parts: String...) -> Bool { parts.contains { text.contains($0) } }
        if any("no such container", "no container with name", "state improper", "not running", "is not created") {
            return .refused("container \(container) does not run: \(said)")
        }
        if status == 127 || status == 126 {
            return .refused("container \(container) has no /bin/sh, which is needed to run anything on it: \(said)")
        }
        return .unreachable("podman exec in \(container): \(said)")
    }
}
