import MusterCore

/// tmt's checks around a test, as small scripts of POSIX sh: each is called before it and after it, and tells a part of
/// its results.
enum CheckScripts {
    /// By the names of the programs, each behind what all programs of tests share.
    static func all(library: String) -> [(String, String)] {
        TestFrame.Check.allCases.map { check in
            (program(of: check), library + "\ncheck=\(check.rawValue)\n" + verdict + text(of: check))
        }
    }

    static func program(of check: TestFrame.Check) -> String { "muster-\(check.rawValue)" }

    private static func text(of check: TestFrame.Check) -> String {
        switch check {
        case .dmesg: dmesg
        case .avc: avc
        case .coredump: coredump
        }
    }

    /// What is found of new lines goes into `$log`, and from there into the results.
    private static let verdict = #"""
        [ -n "$TMT_TEST_DATA" ] || fail 'this is to be called around a test'
        log=${TMT_TEST_DATA%/*}/$check
        skip() {
            say "{\"status\":\"skip\",\"name\":\"check/$check\",\"note\":\"$1\"}"
            rm -f "$log" "$log".*
            exit 0
        }
        # The rule, the line that tells what is wrong, and what is said where nothing is and something is expected.
        judge() {
            status=pass note=
            [ -z "$2" ] || status=fail note=",\"note\":\"$(text "$2")\""
            case $1-$status in
                info-*) status=info ;;
                xfail-fail) status=pass ;;
                xfail-pass) status=fail note=",\"note\":\"$3, and one is expected\"" ;;
            esac
            size=$(wc -c <"$log" | tr -d ' ')
            files=
            [ "$size" = 0 ] || files=",\"files\":[{\"name\":\"$check.txt\",\"length\":$size}]"
            say "{\"status\":\"$status\",\"name\":\"check/$check\"$note$files}"
            [ "$size" = 0 ] || head -c "$size" "$log" >&"$fd"
            rm -f "$log" "$log".*
        }
        # What stands behind the last line of before; everything, when that has gone.
        keep_new() {
            last=$(tail -n 1 "$log")
            line=
            [ -z "$last" ] || line=$(grep -nxF -e "$last" "$log.after" | tail -n 1 | cut -d : -f 1)
            tail -n "+$((${line:-0} + 1))" "$log.after" >"$log"
        }

        """#

    /// Whether the kernel has told of a crash.
    private static let dmesg = #"""
        if [ "$1" = before ]; then
            dmesg >"$log" 2>/dev/null || rm -f "$log"
            exit 0
        fi
        [ -e "$log" ] && dmesg >"$log.after" 2>/dev/null || skip 'dmesg cannot be read here: it needs root'
        keep_new
        found=$(grep -E -m 1 'Call Trace:|[[:space:]]segfault[[:space:]]' "$log")
        judge "$2" "$found" 'the kernel told of no crash'
        """#

    /// Whether SELinux has denied something: asked of the audit log, and without its tools of the kernel's, where the
    /// denials stand when nobody keeps an audit log.
    private static let avc = #"""
        LC_ALL=C
        export LC_ALL
        if [ "$1" = before ]; then
            rm -f "$log" "$log".*
            if command -v ausearch >/dev/null 2>&1; then
                date '+%x %T' >"$log.since"
            else
                dmesg >"$log" 2>/dev/null || rm -f "$log"
            fi
            exit 0
        fi
        selinuxenabled 2>/dev/null || [ -e /sys/fs/selinux/enforce ] || skip 'there is no SELinux here'
        if [ -s "$log.since" ]; then
            read -r day hour <"$log.since"
            if ausearch -i --input-logs -m AVC -m USER_AVC -m SELINUX_ERR -ts "$day" "$hour" \
                >"$log" 2>"$log.error" </dev/null
            then
                found=$(grep -m 1 denied "$log") || found=$(grep -m 1 . "$log")
            else
                grep -q '<no matches>' "$log.error" "$log" || skip 'ausearch cannot read the audit log: it needs root'
                : >"$log"
                found=
            fi
        else
            [ -e "$log" ] && dmesg >"$log.after" 2>/dev/null \
                || skip 'there is no ausearch here, and dmesg cannot be read: it needs root'
            keep_new
            grep -E 'avc: +denied' "$log" >"$log.after"
            cat "$log.after" >"$log"
            found=$(head -n 1 "$log")
        fi
        judge "$2" "$found" 'SELinux denied nothing'
        """#

    /// Whether a process has dumped core, as systemd has kept it.
    private static let coredump = #"""
        if [ "$1" = before ]; then
            date +%s >"$log.since"
            exit 0
        fi
        command -v coredumpctl >/dev/null 2>&1 || skip 'there is no coredumpctl here'
        case $(sysctl -n kernel.core_pattern 2>/dev/null || cat /proc/sys/kernel/core_pattern 2>/dev/null) in
            *systemd-coredump*) ;;
            *) skip 'core dumps are not kept by systemd here' ;;
        esac
        read -r since <"$log.since" || skip 'it is not known when the test began'
        found=$(coredumpctl list --no-pager --no-legend --since "@$since" 2>"$log.error" </dev/null | head -n 1)
        if [ -n "$found" ]; then
            coredumpctl info --no-pager --since "@$since" >"$log" 2>&1 </dev/null
        elif [ -s "$log.error" ] && ! grep -q 'No coredumps found' "$log.error"; then
            skip 'coredumpctl cannot read the journal: it needs root'
        else
            : >"$log"
        fi
        judge "$2" "$found" 'no process dumped core'
        """#
}
