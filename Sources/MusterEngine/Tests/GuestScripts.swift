import MusterCore

/// The commands of tmt that tests call where they run, as small scripts of POSIX sh over the control descriptor
/// (`docs/formats/test-control.md`).
enum GuestScripts {
    /// By name; each alias is a script of its own, as a link cannot be put.
    static let all: [(String, String)] =
        [
            ("tmt-report-result", library + report), ("rhts-report-result", library + report),
            ("rstrnt-report-result", library + report), ("tmt-file-submit", library + submit),
            ("rhts-submit-log", library + submit), ("rstrnt-report-log", library + submit),
            ("tmt-reboot", library + reboot), ("rhts-reboot", library + reboot), ("rstrnt-reboot", library + reboot),
            ("tmt-abort", library + abort), ("rstrnt-abort", library + abort),
            (PackageProgram.name, PackageProgram.text),
        ] + CheckScripts.all(library: library)

    /// Waits until every member of a test on several nodes has come to this point: see `NodeBarriers`.
    static let barrier = #"""
        #!/bin/sh
        dir=${MUSTER_TEAM:?muster-barrier is for tests with roles, which run on several nodes}
        case ${1-} in
            '' | .* | *[!A-Za-z0-9._-]*)
                echo "muster-barrier: give one name of letters, digits, '.', '_' and '-', not '${1-}'" >&2
                exit 2
                ;;
        esac
        if [ ${#1} -gt 64 ]; then
            echo "muster-barrier: the name has ${#1} characters; 64 are enough" >&2
            exit 2
        fi
        umask 077
        { [ -d "$dir" ] || mkdir "$dir" 2>/dev/null || [ -d "$dir" ]; } && cd "$dir" || exit 2
        # No name has a '+': nobody else's pipe is meant by its beginning.
        own=wait.$1+$$
        trap 'rm -f "$own"' EXIT
        trap 'exit 143' HUP INT TERM
        rm -f "$own"
        mkfifo "$own" || exit 2
        exec 9<>"$own"
        : >"at.$1" || exit 2
        for ask in ask.*; do
            [ -p "$ask" ] && printf '%s\n' "$1" 1<>"$ask"
        done
        while ! [ -f "go.$1" ]; do read -r word <&9; done
        word= why=
        read -r word why <"go.$1"
        [ "$word" = go ] && exit 0
        echo "muster-barrier: $1: $why" >&2
        exit 1

        """#

    /// One writer at a time, where the system has what keeps others out.
    private static let library = #"""
        #!/bin/sh
        fd=${MUSTER_TEST_CONTROL:?this is to be called by a test that Muster runs}
        if command -v flock >/dev/null 2>&1; then
            exec 9>>"${TMT_TEST_DATA:-/tmp}/.control-lock"
            flock 9
        fi
        text() {
            printf '%s' "$1" | tr '\n\t\r' '   ' | tr -d '\000-\037' | sed 's/\\/\\\\/g; s/"/\\"/g'
        }
        length() { printf '%s' "$1" | wc -c | tr -d ' '; }
        say() { printf 'result %s\n%s' "$(length "$1")" "$1" >&"$fd"; }
        fail() { echo "${0##*/}: $*" >&2; exit 2; }

        """#

    private static let report = #"""
        message= output= 
        while [ $# -gt 0 ]; do
            case $1 in
                -m | --message) message=$2; shift 2 ;;
                -o | --outputFile) output=$2; shift 2 ;;
                -s | --skip) shift 2 ;;
                -*) shift ;;
                *) break ;;
            esac
        done
        [ $# -ge 2 ] || fail 'give the name of a result and PASS, FAIL, INFO, WARN, SKIP or ERROR'
        case $(printf '%s' "$2" | tr '[:lower:]' '[:upper:]') in
            PASS) status=pass ;;
            FAIL) status=fail ;;
            INFO | DONE) status=info ;;
            WARN) status=warn ;;
            SKIP) status=skip ;;
            ERROR) status=error ;;
            *) fail "'$2' is no result" ;;
        esac
        name=${1#/}
        [ -n "$output" ] || output=${3-}
        files=
        if [ -n "$output" ] && [ -f "$output" ]; then
            size=$(wc -c <"$output" | tr -d ' ')
            files=",\"files\":[{\"name\":\"$(text "${output##*/}")\",\"length\":$size}]"
        fi
        note=
        [ -z "$message" ] || note=",\"note\":\"$(text "$message")\""
        say "{\"status\":\"$status\",\"name\":\"$(text "${name:-result}")\"$note$files}"
        [ -z "$files" ] || head -c "$size" "$output" >&"$fd"
        """#

    private static let submit = #"""
        file=
        while [ $# -gt 0 ]; do
            case $1 in
                -l) file=$2; shift 2 ;;
                -T | -S | -server) shift 2 ;;
                -*) shift ;;
                *) file=$1; shift ;;
            esac
        done
        [ -f "$file" ] || fail "there is no file '$file'"
        size=$(wc -c <"$file" | tr -d ' ')
        say "{\"partial\":true,\"files\":[{\"name\":\"$(text "${file##*/}")\",\"length\":$size}]}"
        head -c "$size" "$file" >&"$fd"
        """#

    /// The test goes away and is started again; the machine is rebooted only where its owner has named the command.
    private static let reboot = #"""
        command=$MUSTER_REBOOT_COMMAND
        while [ $# -gt 0 ]; do
            case $1 in
                -c | --command) [ -z "$command" ] || command=$2; shift 2 ;;
                -t | --timeout) shift 2 ;;
                *) shift ;;
            esac
        done
        trap '' PIPE
        printf 'disconnect\n' >&"$fd"
        while printf 'noop\n' >&"$fd"; do :; done 2>/dev/null
        [ -n "$command" ] || kill -TERM 0
        sync
        if sh -c "$command"; then sleep 3600; else echo "${0##*/}: the machine is not rebooted: '$command' fails" >&2; fi
        kill -TERM 0
        """#

    private static let abort = #"""
        say '{"status":"error","note":"aborted by the test"}'
        kill -TERM 0
        """#
}
