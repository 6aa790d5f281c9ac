import MusterCore

/// What starts a test of a tree where it runs, in POSIX sh: in its folder, with what it needs, by bash where there is
/// one, as tmt does.
enum FrameProgram {
    /// - Parameters:
    ///   - place: the test's folder.
    ///   - command: the text that the shell is given.
    ///   - packages: what `PackageProgram` is called with; empty when there is nothing to see to.
    static func arguments(_ frame: TestFrame, in place: String, command: String, packages: [String]) -> [String] {
        let terminal = frame.hasTerminal == true ? "tty" : "-"
        let checks = frame.checks.map { "\(CheckScripts.program(of: $0)):\($1.rawValue)" }.joined(separator: " ")
        return ["/bin/sh", "-c", text, "test", place, command, terminal, checks.isEmpty ? "-" : checks] + packages
    }

    private static let text = #"""
        cd -- "$1" || { echo "the folder of the test is not there: $1" >&2; exit 2; }
        mkdir -p -- "$TMT_TEST_DATA" "$TMT_PLAN_DATA" || exit 2
        text=$2 tty=$3 checks=$4
        shift 4
        if [ -s "$TMT_PLAN_ENVIRONMENT_FILE" ]; then
            set -a
            . "$TMT_PLAN_ENVIRONMENT_FILE"
            set +a
        fi
        [ $# = 0 ] || "$TMT_SCRIPTS_DIR/muster-install" "$@" || exit 2
        PATH=$TMT_SCRIPTS_DIR:$PATH
        export PATH
        shell='sh -e'
        if command -v bash >/dev/null 2>&1; then shell='bash -eo pipefail'; fi
        set -- $shell -c "$text"
        if [ "$tty" = tty ]; then
            if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
                # It takes a text for $SHELL, and nothing else.
                MUSTER_TEST_TEXT=$text SHELL=/bin/sh TERM=${TERM:-vt100}
                export MUSTER_TEST_TEXT SHELL TERM
                text='text=$MUSTER_TEST_TEXT; unset MUSTER_TEST_TEXT; stty rows 24 cols 80; exec'
                set -- script -qec "$text $shell -c \"\$text\"" /dev/null
            else
                echo 'muster: the test has no terminal, as there is no "script" of util-linux' >&2
            fi
        fi
        [ "$checks" = - ] && exec "$@"

        for check in $checks; do "$TMT_SCRIPTS_DIR/${check%:*}" before; done
        "$@"
        status=$?
        for check in $checks; do "$TMT_SCRIPTS_DIR/${check%:*}" after "${check##*:}"; done
        # As if there had been nothing in between.
        [ "$status" -le 128 ] || kill -s "$(kill -l "$status")" $$ 2>/dev/null
        exit "$status"
        """#
}
