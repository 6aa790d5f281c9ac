import MusterCore

/// What starts a member of a test on several nodes, in POSIX sh: with the way to its partners in its `PATH`, which is
/// the machine's own.
enum TeamProgram {
    /// - Parameters:
    ///   - programs: the folder that comes first in `PATH`.
    ///   - words: the program and its arguments. When it cannot be started, the result of the test is an error that
    ///     says so, as it is for a test on one node.
    static func arguments(programs: String, words: [String]) -> [String] {
        ["/bin/sh", "-c", text, "sh", programs] + words
    }

    // Most shells end when they cannot replace themselves; bash goes on where it is told to, or it forgets its trap.
    private static let text = #"""
        PATH=$1:$PATH
        export PATH
        shift
        program=$1
        trap '
            status=$?
            note=$(printf "cannot start %s: %s" "$program" "$why" | tr -cd "\040-\176" | sed "s/[\"\\\\]/\\\\&/g")
            word="\"\#(PackageProgram.resultKey)\":\"\#(PackageProgram.resultValue)\""
            note="{\"status\":\"error\",$word,\"note\":\"$note\"}"
            fd=${MUSTER_TEST_CONTROL-}
            [ -z "$fd" ] || printf "result %s\n%s" "${#note}" "$note" >&"$fd"
            exit "$status"
        ' EXIT
        why="it cannot be run, or what its first line names is not there"
        [ -e "$program" ] || why="there is no such file"
        [ -z "${BASH_VERSION-}" ] || shopt -s execfail
        exec "$@"
        exit
        """#
}
