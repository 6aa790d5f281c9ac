extension ShellText {
    /// What the rest is made of: replies, epochs, processes, waiting.
    static let basics = #"""
        # A keeper is told these two, as each takes a process to find out.
        [ -n "$m_session" ] || { m_mask=$(umask) m_setsid=$(command -v setsid); }
        m_path=$PATH m_renewer= m_leashed= m_word= m_lib=

        # Replies go to standard output: lines of a word and its values, and a last line `.`, which says that nothing is missing.
        m_reply() { printf '%s\n.\n' "$*"; m_over; }

        # The end of a request: of this shell, or of its part of one that serves more of them (`m_serve`).
        m_over() {
            [ -n "$m_word" ] || exit 0
            printf '\n%s 0\n' "$m_word"
            [ -z "$m_leashed" ] || wait $m_leashed
            exit 99
        }

        m_now() {
            m_t=$(date +%s%6N 2>/dev/null)
            case $m_t in '' | *[!0-9]* | ????????????) m_t=$(date +%s)000000 ;; esac
        }

        m_boot() {
            m_b=
            if [ -r /proc/sys/kernel/random/boot_id ]; then
                read -r m_b </proc/sys/kernel/random/boot_id
            else
                m_b=$(sysctl -n kern.boottime 2>/dev/null || who -b 2>/dev/null)
            fi
        }

        # Written beside and renamed: nobody sees half of it.
        m_write() {
            printf '%s\n' "$2" >"$1.part.$$" && mv -f "$1.part.$$" "$1"
        }

        # The first who decides an operation decides it for all: run, ended, refused.
        m_decide() {
            # A draft of before is the same file as what was decided.
            [ ! -e "$m_o/.decided.$$" ] || rm -f "$m_o/.decided.$$"
            printf '%s\n' "$1" >"$m_o/.decided.$$" || m_reply "refused system the disk of the host is full"
            ln "$m_o/.decided.$$" "$m_o/decided" 2>/dev/null
            m_won=$?
            # What runs removes it with the rest.
            [ $m_won$1 = 0run ] || rm -f "$m_o/.decided.$$"
            return $m_won
        }

        m_roots() {
            umask 077
            case $m_root in '~') m_root=$HOME ;; '~/'*) m_root=$HOME/${m_root#'~/'} ;; esac
            m_dir=$m_root/$m_name
        }

        # Goes into the node's folder. `m_restarted` is set when the host was restarted since the node was made, and not by a test
        # that had said so.
        m_enter() {
            m_roots
            cd -P "$m_dir" 2>/dev/null && [ -f supervisor.boot ] || m_reply gone
            m_dir=$PWD
            m_boot
            m_restarted=
            read -r m_then <supervisor.boot
            if [ "$m_then" != "$m_b" ]; then
                if m_survive; then m_then=$m_b; else m_restarted=1; fi
            fi
        }

        # A test that has said that it goes away may restart the host: its node lives on, and this start of the test has ended.
        # False when anything else ran there. May be killed anywhere and be called twice.
        m_survive() (
            [ -f supervisor.server ] && exit 1
            m_gone=
            for m_o in op-*; do
                [ -f "$m_o/started" ] || continue
                [ -f "$m_o/exit" ] || m_goodbye || exit 1
                # Said before this restart, and not before an earlier one.
                [ -f "$m_o/goodbye" ] && read -r m_said <"$m_o/goodbye" && [ "$m_said" = "$m_then" ] && m_gone=1
            done
            [ -n "$m_gone" ] && m_write supervisor.boot "$m_b"
        )

        # Notes the end of a test that may have said that it goes away, and that nobody keeps any more; false of all others. Data
        # of a file may look like that word: whoever takes the stream reads it again (`RemoteNodes.keep`).
        m_goodbye() {
            [ -s "$m_o/control" ] && tail -c 1048576 "$m_o/control" | tr -d '\000' |
                LC_ALL=C awk '/(^|[}])(disconnect|reconnect)( .*)?$/ { found = 1 } END { exit !found }' || return 1
            m_write "$m_o/goodbye" "$m_then"
            m_now
            m_status= m_signal=9 m_not= m_dropped=0 m_left=0 m_from=$m_t
            m_record
        }

        # Notes the conductor's epoch. False when a newer one was here.
        m_fence() {
            [ -d "supervisor.epoch-$m_epoch" ] || mkdir "supervisor.epoch-$m_epoch" 2>/dev/null
            for m_e in supervisor.epoch-*; do
                if [ "${m_e##*-}" -gt "$m_epoch" ]; then return 1; fi
            done
            for m_e in supervisor.epoch-*; do
                [ "${m_e##*-}" -eq "$m_epoch" ] || rmdir "$m_e" 2>/dev/null
            done
            return 0
        }
        m_fenced() { m_fence || m_reply "refused epoch ${m_e##*-}"; }

        # MARK: processes

        # Lines `pid state parent group session start` of all processes.
        m_table() {
            if [ -r /proc/self/stat ]; then
                cat /proc/[0-9]*/stat 2>/dev/null | sed -n 's/^\([0-9]*\) (.*) /\1 /p' |
                    awk '{ print $1, $2, $3, $4, $5, $21 }'
            else
                ps -A -o pid= -o stat= -o ppid= -o pgid= 2>/dev/null | awk '{ print $1, substr($2, 1, 1), $3, $4, 0, 0 }'
            fi
        }

        # The number of this very shell into `m_self`: `$$` is another one's in a part of a shell.
        m_this() {
            if [ -r /proc/self/stat ]; then
                read -r m_self m_rest </proc/self/stat
            else
                m_self=$(exec sh -c 'echo $PPID')
            fi
        }

        # The time at which a process was started into `m_began`; nothing when it is not there.
        m_started() {
            m_began=
            if [ -r /proc/self/stat ]; then
                read -r m_line 2>/dev/null <"/proc/${1:-none}/stat" || return 0
                m_line=${m_line##*) }
                set -- $m_line
                case $1 in Z | X) ;; *) m_began=${20} ;; esac
            else
                m_began=$(m_table | awk -v pid="$1" '$1 == pid && $2 != "Z" { printf "0" }')
            fi
        }

        # Whether anything of `m_o` may be left, by two looks at all processes: false only when nothing is. Its program has ended.
        m_remains() {
            [ -r /proc/self/stat ] || return 0
            # Links alone are read: what they lead to may hang.
            case $(ls -l /proc/[0-9]*/fd/7 2>/dev/null) in *" -> $m_dir/$m_o/mark"*) return 0 ;; esac
            m_main=none
            read -r m_main m_rest 2>/dev/null <"$m_o/main"
            grep -qE -e "MUSTER_OPERATION=$m_op" -e "[)] [^ZX] ([0-9]+ ){0,2}$m_main " /proc/[0-9]*/environ \
                /proc/[0-9]*/stat 2>/dev/null
            # 2: it could not read all, as is usual. Above that it has not looked.
            case $? in 1 | 2) return 1 ;; esac
        }

        # The processes of `m_o`, an operation or the pattern of all, into `m_found`: what carries its mark open or its name in
        # the environment, its program, and all below those and in their sessions.
        m_members() {
            m_seeds=
            if [ -r /proc/self/stat ]; then
                case $m_o in
                    'op-*') m_variable= ;;
                    *) m_variable=MUSTER_OPERATION=${m_o#op-} ;;
                esac
                m_seeds=$(
                    ls -l /proc/[0-9]*/fd/7 2>/dev/null | while IFS= read -r m_line; do
                        case $m_line in
                            *" -> $m_dir/"$m_o/mark) m_line=${m_line##*/proc/} && printf '%s ' "${m_line%%/*}" ;;
                        esac
                    done
                    grep -lF -e "MUSTER_NODE_DIR=$m_dir" /proc/[0-9]*/environ 2>/dev/null | while IFS= read -r m_line; do
                        m_line=${m_line#/proc/} m_line=${m_line%%/*}
                        tr '\000' '\n' <"/proc/$m_line/environ" 2>/dev/null | awk -v node="MUSTER_NODE_DIR=$m_dir" \
                            -v operation="$m_variable" -v pid="$m_line" '
                            $0 == node { here = 1 }
                            operation == "" ? index($0, "MUSTER_OPERATION=") == 1 : $0 == operation { its = 1 }
                            END { if (here && its) printf "%s ", pid }'
                    done
                )
            fi
            m_mains=$(cat $m_o/main 2>/dev/null)
            m_found=$(m_table | awk -v seeds="$m_seeds" -v mains="$m_mains" '
                BEGIN {
                    count = split(seeds, list, " ")
                    for (i = 1; i <= count; i++) member[list[i]] = 1
                    count = split(mains, list, " ")
                    for (i = 1; i + 1 <= count; i += 2) started[list[i]] = list[i + 1]
                }
                {
                    if ($2 == "Z" || $2 == "X") next
                    parent[$1] = $3; group[$1] = $4; session[$1] = $5
                    if (($1 in started) && started[$1] == $6) member[$1] = 1
                }
                END {
                    do {
                        grown = 0
                        for (pid in parent) if (pid in member) {
                            # Sessions and groups that one of them leads.
                            if (session[pid] > 0 && session[pid] in member) sessions[session[pid]] = 1
                            if (group[pid] in member) groups[group[pid]] = 1
                        }
                        for (pid in parent) if (!(pid in member))
                            if ((parent[pid] in member) || (session[pid] in sessions) || (group[pid] in groups)) {
                                member[pid] = 1
                                grown = 1
                            }
                    } while (grown)
                    for (pid in parent) if ((pid in member) && pid > 1) printf "%s ", pid
                }')
        }

        # Kills all processes of `m_o`: they are stopped first, again until there is no new one, so that none starts another.
        m_kill() {
            m_round=0
            while [ $m_round -lt 100 ]; do
                m_members
                [ -n "$m_found" ] || return 0
                m_inner=0 m_old=
                while [ "$m_found" != "$m_old" ] && [ $m_inner -lt 50 ]; do
                    kill -STOP $m_found 2>/dev/null
                    m_old=$m_found
                    m_members
                    m_inner=$((m_inner + 1))
                done
                kill -KILL $m_found 2>/dev/null
                m_round=$((m_round + 1))
            done
            return 1
        }

        m_term() {
            m_members
            [ -z "$m_found" ] || kill -TERM $m_found 2>/dev/null
            [ -z "$m_found" ] || kill -CONT $m_found 2>/dev/null
        }

        # A sleep in seconds with a fraction, where the system's can do that.
        m_sleep() { sleep "$1" 2>/dev/null || sleep $((${1%%.*} + 1)); }

        # After so many seconds runs the rest; ends with its sleep when it is told to end.
        m_after() {
            m_nap= m_over=
            # TERM may come when its sleep has begun and its number is not noted yet.
            trap 'm_over=yes; [ -z "$m_nap" ] || m_rise' TERM
            sleep "$1" 2>/dev/null &
            m_nap=$!
            [ -z "$m_over" ] || m_rise
            if ! wait $m_nap; then
                m_nap=
                sleep $((${1%%.*} + 1)) &
                m_nap=$!
                [ -z "$m_over" ] || m_rise
                wait $m_nap
            fi
            trap '' TERM
            shift
            "$@"
        }
        # Not by TERM: a child that is not `sleep` yet still has the trap, and would lose it.
        m_rise() { kill -9 $m_nap 2>/dev/null; exit 0; }

        # Waits until none of `m_o` is left, or so many seconds have passed, and kills what is left then. For processes that
        # nobody waits for, so it asks again and again, ever more rarely.
        m_drain() {
            m_seconds=${1%%.*}
            m_until=$(($(date +%s) + m_seconds + 1)) m_pause=0.02
            [ "$1" = 0 ] && m_until=0
            while m_members && [ -n "$m_found" ] && [ "$(date +%s)" -lt $m_until ]; do
                m_sleep $m_pause
                case $m_pause in 0.02) m_pause=0.05 ;; 0.05) m_pause=0.1 ;; 0.1) m_pause=0.3 ;; *) m_pause=1 ;; esac
            done
            [ -z "$m_found" ] || m_kill
        }

        # MARK: waiting

        # Ends this shell when the connection ends: its standard input ends with it.
        m_leash() {
            exec 6<&0
            if [ -n "$m_word" ]; then
                # Whoever asked says a line when it has the answer, which is read here and nowhere else.
                m_this
                ( read -r m_rest <&6 || kill -TERM $m_self $$ ) >/dev/null 2>&1 &
                m_leashed=$!
            else
                (
                    cat <&6 >/dev/null
                    kill -TERM $$ $m_renewer
                ) >/dev/null 2>&1 &
            fi
            exec 6<&-
        }

        # Blocks until nobody keeps the operation any more, without asking again and again: it reads from a pipe that its keeper
        # holds open. Opened for writing too at first, so that opening never blocks.
        m_block() {
            exec 3<>"$1/alive" 4<"$1/alive" 3>&-
            read -r m_rest <&4
            exec 4<&-
        }

        # How an operation ended, and its output where that is short.
        m_reply_exit() {
            while IFS= read -r m_line; do printf '%s\n' "$m_line"; done <"$m_o/exit"
            [ -f "$m_o/goodbye" ] && printf 'goodbye\n'
            [ -s "$m_o/control" ] && printf 'control %s\n' $(($(wc -c <"$m_o/control")))
            m_size=0
            [ -s "$m_o/output" ] && m_size=$(($(wc -c <"$m_o/output")))
            if [ $m_size -le "${m_inline:-0}" ]; then
                printf 'output %s inline\n' "$m_size"
                [ $m_size -eq 0 ] || head -c $m_size "$m_o/output"
                printf '\n.\n'
                m_over
            fi
            m_reply "output $m_size"
        }

        m_wait() {
            [ -f "$m_o/exit" ] && m_reply_exit
            [ -n "$m_restarted" ] && m_reply restarted
            m_leash
            [ -p "$m_o/alive" ] && m_block "$m_o"
            [ -f "$m_o/exit" ] && m_reply_exit
            cd "$m_dir" 2>/dev/null && [ -f supervisor.boot ] || m_reply gone
            # Whoever kept it was killed: nothing of it may live on unseen.
            m_fenced
            m_kill
            m_goodbye && m_reply_exit
            m_reply lost "what kept $m_op on the host was killed: how it ended is not known"
        }
        """#
}
