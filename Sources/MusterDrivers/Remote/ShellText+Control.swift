extension ShellText {
    /// What a test says on its control descriptor: kept byte for byte, and heeded where it cannot wait for its end.
    static let control = #"""
        # Keeps what comes, to a limit. Most tests say nothing: that costs one process, which takes no byte more than it gives.
        m_listen() {
            ulimit -f $((m_control / 512)) 2>/dev/null
            dd bs=1 count=1 2>/dev/null >"$m_o/first"
            [ -s "$m_o/first" ] || return 0
            # Nobody reads from the test but one program, so that it can be closed by ending that.
            exec 4<&0 </dev/null
            {
                m_this
                printf '%s\n' "$m_self" >"$m_o/hearer"
                cat "$m_o/first"
                exec cat
            } <&4 4<&- | { exec 4<&-; tee "$m_o/control" | m_words | m_heed; } &
            m_controller=$!
            exec 4<&-
            wait $m_controller
        }

        # The lines that are to be heeded, as they come where this system's programs can do that. They are cut, so that no data
        # of a file is held as one. Data may look like them: whoever takes the stream reads it again by its rules.
        m_words() {
            m_pattern='(^|[}])(disconnect|duration)( .*)?$'
            if printf 'duration 1\n' | grep --line-buffered -aqE "$m_pattern" 2>/dev/null && command -v stdbuf >/dev/null; then
                stdbuf -oL fold -b -w 4096 | grep --line-buffered -aE "$m_pattern"
            elif command -v fold >/dev/null; then
                fold -b -w 4096 | awk '/(^|[}])(disconnect|duration)( .*)?$/ { print; fflush() }'
            else
                cat >/dev/null
            fi
        }

        # Closes the descriptor when the test says that it goes away; moves its deadline.
        m_heed() {
            m_due= m_saved=0 m_saves=0
            [ -z "$m_timeout" ] || m_due=$((m_from / 1000000 + ${m_timeout%%.*}))
            while IFS= read -r m_line; do
                m_line=${m_line##*"}"}
                case $m_line in
                    disconnect*)
                        # What it sees closed is on the disk: it may reset the machine now.
                        sync "$m_o/control" 2>/dev/null || sync
                        read -r m_pid <"$m_o/hearer" && kill -KILL $m_pid 2>/dev/null
                        ;;
                    'duration '*) [ -z "$m_due" ] || m_duration "${m_line#duration }" ;;
                esac
            done
        }

        m_duration() { # length, +length, -length, save or restore
            m_t=$(date +%s)
            case $1 in
                save)
                    [ $m_saves -gt 0 ] || m_saved=$((m_due - m_t))
                    m_saves=$((m_saves + 1))
                    return
                    ;;
                restore)
                    [ $m_saves -gt 0 ] || return
                    m_saves=$((m_saves - 1))
                    [ $m_saves -eq 0 ] || return
                    m_due=$((m_t + m_saved))
                    ;;
                *)
                    m_length=${1#[+-]} m_unit=1
                    case $m_length in
                        *s) m_length=${m_length%s} ;;
                        *m) m_length=${m_length%m} m_unit=60 ;;
                        *h) m_length=${m_length%h} m_unit=3600 ;;
                        *d) m_length=${m_length%d} m_unit=86400 ;;
                    esac
                    # What is no length, or too long to count with, is an error of the test that is told when it has ended.
                    case $m_length in '' | *[!0-9]* | ??????????*) return ;; esac
                    # Not in octal.
                    while [ "${m_length#0}" != "$m_length" ] && [ "$m_length" != 0 ]; do m_length=${m_length#0}; done
                    m_length=$((m_length * m_unit))
                    case $1 in
                        +*) m_due=$((m_due + m_length)) ;;
                        -*) m_due=$((m_due - m_length)) ;;
                        *) m_due=$((m_t + m_length)) ;;
                    esac
                    ;;
            esac
            # The new clock runs before the old one ends.
            m_rest=$((m_due - m_t))
            [ $m_rest -gt 0 ] || m_rest=0
            read -r m_pid <"$m_o/clock"
            ( m_after $m_rest m_late ) </dev/null >/dev/null 2>&1 &
            printf '%s\n' $! >"$m_o/clock"
            kill -TERM $m_pid 2>/dev/null
        }
        """#
}
