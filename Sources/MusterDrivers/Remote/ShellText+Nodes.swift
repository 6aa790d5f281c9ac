extension ShellText {
    /// Leases of hosts, nodes, servers and files.
    static let nodes = #"""
        # MARK: leases

        # The lease in force is the one with the highest number: `lease.<n>`. The next one is made by `ln`, so only one succeeds.
        m_lease_top() {
            m_n=0 m_state=free m_who= m_expiry=0 m_text=
            for m_l in "$m_root"/lease.*; do
                case ${m_l##*.} in '' | *[!0-9]*) continue ;; esac
                [ "${m_l##*.}" -le $m_n ] || m_n=${m_l##*.}
            done
            [ $m_n -eq 0 ] || read -r m_state m_who m_expiry m_text <"$m_root/lease.$m_n"
        }

        m_lease_line() { printf 'held %s %s %s\n' "$m_token" "$(($(date +%s) + m_ttl))" "$m_holder"; }

        # Takes the host, or says who has it. What was held and has expired is taken over, and said in `m_stale`.
        m_take() {
            m_stale=
            while :; do
                m_lease_top
                if [ "$m_state" = held ]; then
                    if [ "$m_who" = "$m_token" ]; then
                        m_renew && return
                        m_lease_top
                        [ "$m_who" = "$m_token" ] && m_reply "refused system $m_root cannot be written: is the disk full?"
                        continue
                    fi
                    [ "$m_expiry" -gt "$(date +%s)" ] && m_reply "held $m_expiry $m_text"
                    m_stale="$m_expiry $m_text"
                fi
                m_lease_line >"$m_root/.lease.$$" || m_reply "refused system $m_root cannot be written: is the disk full?"
                if ln "$m_root/.lease.$$" "$m_root/lease.$((m_n + 1))" 2>/dev/null; then
                    rm -f "$m_root/.lease.$$"
                    m_mine=$((m_n + 1))
                    # Who has stood still since it looked may have linked below what is in force by now.
                    m_lease_top
                    [ "$m_n" -eq $m_mine ] || { rm -f "$m_root/lease.$m_mine"; continue; }
                    for m_l in "$m_root"/lease.*; do
                        case ${m_l##*.} in '' | *[!0-9]*) continue ;; esac
                        [ "${m_l##*.}" -ge $m_mine ] || rm -f "$m_l"
                    done
                    return
                fi
                rm -f "$m_root/.lease.$$"
                m_lease_top
                [ $m_n -gt 0 ] || m_reply "refused system no file can be linked in $m_root"
            done
        }

        # False when the lease is not held any more.
        m_renew() {
            m_lease_top
            [ "$m_state" = held ] && [ "$m_who" = "$m_token" ] || return 1
            [ "$m_expiry" -gt $(($(date +%s) + m_ttl * 3 / 4)) ] && return 0
            m_held=$m_n
            m_lease_line >"$m_root/.lease.$$" && mv -f "$m_root/.lease.$$" "$m_root/lease.$m_held"
            m_lease_top
            [ "$m_n" -eq "$m_held" ] && [ "$m_expiry" -gt "$(date +%s)" ]
        }

        # Nothing acts on a host that is another's by now.
        m_keep_lease() {
            [ -n "$m_token" ] || return 0
            m_renew || m_reply "taken $m_expiry $m_text"
        }

        # What stands here of a state: its lease or another's, and its nodes.
        m_survey() { # state
            m_roots
            [ -d "$m_root" ] || m_reply "done"
            m_lease_top
            [ "$m_state" = held ] && printf 'lease %s %s %s %s\n' "$(($(date +%s)))" "$m_who" "$m_expiry" "$m_text"
            for m_l in "$m_root/$1"-n*; do
                [ -d "$m_l" ] && printf 'node %s\n' "${m_l##*/}"
            done
            m_reply "done"
        }

        m_give_back() {
            [ -n "$m_token" ] || return 0
            m_lease_top
            [ "$m_state" = held ] && [ "$m_who" = "$m_token" ] || return 0
            printf 'free\n' >"$m_root/.lease.$$" && mv -f "$m_root/.lease.$$" "$m_root/lease.$m_n"
        }

        # MARK: nodes

        m_create() {
            m_roots
            mkdir -p "$m_root" || m_reply "refused system $m_root cannot be made on the host"
            case $(command -v printf) in printf) ;; *) m_reply "refused system sh on the host has no printf of its own" ;; esac
            [ -z "$m_token" ] || m_take
            mkdir -p "$m_dir" && chmod 700 "$m_dir" && cd -P "$m_dir" || m_reply "refused system $m_dir cannot be made on the host"
            m_dir=$(pwd -P)
            m_fenced
            m_boot
            m_write supervisor.boot "$m_b" || m_reply "refused system $m_dir cannot be written: is the disk of the host full?"
            [ -z "$m_stale" ] || printf 'stale %s\n' "$m_stale"
            printf 'directory %s\nhostname %s\n' "$m_dir" "$(uname -n)"
            m_reply "done"
        }

        m_destroy() {
            m_roots
            if ! [ -d "$m_dir" ]; then
                m_give_back
                m_reply "done"
            fi
            cd -P "$m_dir" || m_reply "refused system $m_dir cannot be entered"
            m_dir=$(pwd -P)
            m_fenced
            for m_o in op-*; do
                [ -d "$m_o" ] && ! [ -f "$m_o/exit" ] && : >"$m_o/interrupted"
            done
            m_o='op-*'
            # A server is not started again.
            : >supervisor.off
            m_term
            m_drain "$m_grace"
            m_round=0
            while [ $m_round -lt 20 ]; do
                m_keepers
                [ -n "$m_found" ] || break
                kill -KILL $m_found 2>/dev/null
                m_round=$((m_round + 1))
            done
            m_kill
            cd /
            rm -rf "$m_dir"
            [ -d "$m_dir" ] && m_reply "refused system $m_dir cannot be removed: there is something in it that is another user's"
            m_give_back
            m_reply "done"
        }

        # What keeps operations of this node, into `m_found`.
        m_keepers() {
            if [ -r /proc/self/stat ]; then
                m_found=$(
                    grep -lF -e "MUSTER_SUPERVISOR_DIR=$m_dir" /proc/[0-9]*/environ 2>/dev/null | while IFS= read -r m_line; do
                        m_line=${m_line#/proc/} m_line=${m_line%%/*}
                        tr '\000' '\n' <"/proc/$m_line/environ" 2>/dev/null |
                            awk -v line="MUSTER_SUPERVISOR_DIR=$m_dir" -v pid="$m_line" '$0 == line { printf "%s ", pid }'
                    done
                )
            else
                m_found=
                for m_l in op-*/started; do
                    read -r m_pid m_start 2>/dev/null <"$m_l" && kill -0 "$m_pid" 2>/dev/null && m_found="$m_found $m_pid"
                done
            fi
        }

        # The server's operation, into `m_op` and `m_o`; false when there is no server.
        m_server_now() {
            [ -f supervisor.server ] || return 1
            read -r m_op <supervisor.server
            m_o=op-$m_op
        }

        m_watch() {
            m_enter
            m_fenced
            [ -n "$m_restarted" ] && m_reply restarted
            m_keep_lease
            m_has=no
            if m_server_now && ! [ -e supervisor.off ]; then
                [ -f "$m_o/exit" ] && { printf 'server\n'; m_reply_exit; }
                m_has=yes
            fi
            printf 'watching\n'
            if [ -n "$m_token" ]; then
                # When the lease is lost, the watch ends, and whoever watches asks again and is told.
            ( while :; do m_after $((m_ttl / 3 + 1)) m_renew || { kill -TERM $$; exit; }; done ) >/dev/null 2>&1 &
            m_renewer=$!
            fi
            if [ $m_has = no ]; then
                cat >/dev/null
                [ -z "$m_renewer" ] || kill -TERM $m_renewer
                exit 0
            fi
            m_leash
            [ -p "$m_o/alive" ] && m_block "$m_o"
            [ -z "$m_renewer" ] || kill -TERM $m_renewer
            cd "$m_dir" 2>/dev/null && [ -f supervisor.boot ] || m_reply gone
            [ -e supervisor.off ] && m_reply off
            [ -f "$m_o/exit" ] && { printf 'server\n'; m_reply_exit; }
            m_fenced
            m_kill
            m_reply lost "what kept its server on the host was killed"
        }

        m_power_off() {
            m_enter
            m_fenced
            : >supervisor.off
            if m_server_now && [ -z "$m_restarted" ]; then m_end_one; fi
            m_reply "done"
        }

        m_power_on() {
            m_enter
            m_keep_lease
            m_fenced
            [ -n "$m_restarted" ] && m_reply restarted
            m_wanted=$m_op
            if ! m_server_now; then
                rm -f supervisor.off
                m_reply "done"
            fi
            [ "$m_op" = "$m_wanted" ] || [ -f "$m_o/exit" ] || { rm -f supervisor.off; m_reply "done"; }
            if [ "$m_op" = "$m_wanted" ]; then
                rm -f supervisor.off
                [ -f "$m_o/exit" ] && m_reply_exit
                m_reply "done"
            fi
            read -r m_pid m_start <supervisor.keeper
            m_started "$m_pid"
            [ "$m_began" = "$m_start" ] || m_reply lost "what keeps its server on the host was killed"
            m_op=$m_wanted m_o=op-$m_wanted
            mkdir "$m_o" 2>/dev/null
            mkfifo "$m_o/alive" "$m_o/answer" 2>/dev/null
            exec 8<>"$m_o/alive" 3<>"$m_o/answer"
            m_decide run || m_reply again
            m_write supervisor.server "$m_op"
            rm -f supervisor.off
            printf '%s on\n' "$m_op" 1<>supervisor.power
            read -r m_line <&3
            exec 8>&-
            [ -f "$m_o/exit" ] && m_reply_exit
            m_reply "done"
        }

        m_facts() {
            m_enter
            m_fenced
            [ -n "$m_restarted" ] && m_reply restarted
            m_keep_lease
            printf 'machine %s\nkernel %s\ncpus %s\n' "$(uname -m)" "$(uname -r)" "$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)"
            [ ! -r /proc/meminfo ] || awk '/^MemTotal:/ { printf "memory %.0f\n", $2 * 1024 }' /proc/meminfo
            m_reply "done"
        }

        m_clean() {
            m_enter
            m_keep_lease
            m_fenced
            for m_f in * .[!.]* ..?*; do
                case $m_f in op-* | supervisor.*) continue ;; esac
                [ -e "$m_f" ] || [ -L "$m_f" ] || continue
                rm -rf "./$m_f" || m_reply "file '$m_f' cannot be removed"
            done
            m_reply "done"
        }

        # MARK: files

        m_putting() {
            m_enter
            m_keep_lease
            m_fenced
        }

        # Walks name by name from the node's folder and follows no link. Makes folders when it is told to.
        m_walk() { # folder make path
            cd -P "$m_dir" || m_reply gone
            m_rest=$1 m_here=$m_dir
            while [ -n "$m_rest" ]; do
                m_c=${m_rest%%/*}
                m_rest=${m_rest#"$m_c"}
                m_rest=${m_rest#/}
                if [ -L "./$m_c" ] || { [ -e "./$m_c" ] && ! [ -d "./$m_c" ]; }; then
                    m_bad="'$3' leads through '$m_c', which is a link or no folder"
                    return 1
                fi
                [ -d "./$m_c" ] || [ "$2" = no ] || mkdir "./$m_c"
                m_here=$m_here/$m_c
                cd -P "./$m_c" 2>/dev/null && [ "$(pwd -P)" = "$m_here" ] || {
                    m_bad="'$3' cannot be reached"
                    return 1
                }
            done
        }

        m_put() { # folder name mode size
            m_walk "$1" yes "${1:+$1/}$2" || m_reply "file $m_bad"
            m_draft=./.$$.muster-part
            if [ -d "./$2" ] && ! [ -L "./$2" ]; then m_reply "file '${1:+$1/}$2' is a folder"; fi
            rm -f "$m_draft"
            head -c "$4" >"$m_draft"
            if [ "$(($(wc -c <"$m_draft")))" -ne "$4" ]; then
                rm -f "$m_draft"
                m_reply "refused system '${1:+$1/}$2' cannot be written whole: is the disk of the host full?"
            fi
            [ -L "./$2" ] && rm -f "./$2"
            chmod "$3" "$m_draft" && mv -f "$m_draft" "./$2" || {
                rm -f "$m_draft"
                m_reply "file '${1:+$1/}$2' cannot be written"
            }
        }

        m_probe() { # folder name
            m_enter
            m_walk "$1" no "${1:+$1/}$2" || m_reply "no $m_bad"
            [ -L "./$2" ] && m_reply "no '${1:+$1/}$2' is a symbolic link, which is not followed out of the node's folder"
            [ -e "./$2" ] || m_reply "no there is no file '${1:+$1/}$2' in the node's folder"
            m_reply yes
        }

        # A file of an operation, from an offset on: as it is.
        m_fetch() {
            m_roots
            cd -P "$m_dir" || exit 3
            tail -c "+$((m_offset + 1))" "op-$m_op/$m_file"
        }
        """#
}
