package import MusterCore
import Synchronization

/// The barriers of a test on several nodes, on one of its nodes: to which the test has come there, and which it may
/// pass.
///
/// They are files in a folder of the node, so that they outlive connections and conductors: `at.NAME` where the test
/// has come, `go.NAME` what it was told. Whoever listens has a pipe there, `ask.*`, into which `muster-barrier` writes
/// what is new, and who waits has one, `wait.NAME+*`, so that nobody looks again and again.
package struct NodeBarriers: Sendable {
    package enum Sighting: Hashable, Sendable {
        /// The test has come to this barrier.
        case arrival(String)
        /// All that were there when the listening began have been told.
        case allThereWere
    }

    private let place: RemotePlace
    /// Of the node's folder.
    private let folder: String

    package init(at place: RemotePlace, folder: String) {
        self.place = place
        self.folder = folder
    }

    private static let entering = #"""
        umask 077
        case $m_root in '~') m_root=$HOME ;; '~/'*) m_root=$HOME/${m_root#'~/'} ;; esac
        cd -P "$m_root/$m_name" && { [ -d "$m_team" ] || mkdir "$m_team" 2>/dev/null || [ -d "$m_team" ]; } && cd "$m_team" || exit 3

        """#

    private static let listening = #"""
        trap 'rm -f "ask.$$"; exit 0' HUP INT TERM
        [ -p "ask.$$" ] || mkfifo "ask.$$" || exit 3
        exec 5<>"ask.$$" 6<&0
        (exec 5>&-; cat <&6 >/dev/null; kill -TERM $$) >/dev/null 2>&1 &
        exec 6<&-
        for m_a in at.*; do [ -f "$m_a" ] && printf 'at %s\n' "${m_a#at.}"; done
        printf 'all\n'
        while read -r m_a <&5; do printf 'at %s\n' "$m_a"; done

        """#

    private static let releasing = #"""
        [ -f "go.$m_barrier" ] || { printf '%s\n' "$m_verdict" >".go.$$" && mv -f ".go.$$" "go.$m_barrier"; } || exit 4
        for m_a in wait."$m_barrier"+*; do [ -p "$m_a" ] && echo go 1<>"$m_a"; done
        exit 0

        """#

    private func program(_ text: String, _ values: KeyValuePairs<String, String> = [:]) -> String {
        var head = ""
        let own: KeyValuePairs = ["root": place.root, "name": place.folder, "team": folder]
        for (name, value) in Array(own) + Array(values) { head += "m_\(name)=\(ShellText.quoted(value))\n" }
        return head + Self.entering + text
    }

    /// Tells of what there is, and of what comes, until the task is cancelled or the connection breaks.
    ///
    /// - Throws: always, at last.
    package func listen(_ tell: @escaping @Sendable (Sighting) -> Void) async throws(ConnectionFailure) {
        let rest = Mutex<[UInt8]>([])
        let end = try await place.connection.run(
            RemoteRequest(
                program: program(Self.listening),
                holdsInput: true,
                onOutput: { bytes in
                    let lines = rest.withLock { rest in
                        rest += bytes
                        var lines: [Substring] = []
                        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                            lines.append(Substring(decoding: rest[..<end], as: UTF8.self))
                            rest.removeSubrange(...end)
                        }
                        return rest.count > 4 * Barriers.nameMax ? nil : lines
                    }
                    guard let lines else { return false }
                    for line in lines {
                        if line == "all" { tell(.allThereWere) }
                        if line.hasPrefix("at "), Barriers.isName(line.dropFirst(3)) {
                            tell(.arrival(String(line.dropFirst(3))))
                        }
                    }
                    return true
                }
            )
        )
        let said = end.error.split(separator: "\n").last.map(String.init) ?? "status \(end.status ?? -1)"
        throw .broken("\(place.connection.title): nobody listens for barriers any more: \(said)")
    }

    /// Lets the test on this node go on from a barrier, or tells it why not; told again, the first word stays.
    package func release(_ barrier: String, _ verdict: Barriers.Verdict) async throws(ConnectionFailure) {
        let word =
            switch verdict {
            case .go: "go"
            case .stop(let reason): "stop \(reason)"
            }
        let end = try await place.connection.run(
            RemoteRequest(
                program: program(Self.releasing, ["barrier": barrier, "verdict": word]),
                within: .seconds(60)
            )
        )
        guard end.succeeded else {
            throw .broken("\(place.connection.title): '\(barrier)' is not opened: \(end.error.prefix(300))")
        }
    }
}
