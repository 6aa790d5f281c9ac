extension ShellText {
    /// Operations: started once, kept to their end, found again, ended.
    static let operations = #"""
        # MARK: operations

        m_start() {
            m_enter
            m_o=op-$m_op
            [ -f "$m_o/exit" ] && { m_fenced; m_wait_or_say; }
            m_keep_lease
            [ -n "$m_restarted" ] && { m_fenced; m_reply restarted; }
            mkdir "$m_o" 2>/dev/null
            [ -p "$m_o/alive" ] || mkfifo "$m_o/alive" "$m_o/out" ${m_control:+"$m_o/ctl"} 2>/dev/null
            [ -p "$m_o/alive" ] || m_reply "refused system $m_dir cannot be written: is the disk of the host full?"
            # Held from here on, so that it is never taken for one that nobody keeps.
            exec 8<>"$m_o/alive"
            if ! m_fence; then
                m_decide refused && rm -rf "$m_o"
                m_reply "refused epoch ${m_e##*-}"
            fi
            if m_decide run; then
                [ "$m_server" = yes ] && m_write supervisor.server "$m_op"
                m_launch
                case $m_answer in started | ended) ;; *) m_reply "refused system its keeper cannot be started on the host" ;; esac
            else
                read -r m_decided <"$m_o/decided"
                [ "$m_decided" = refused ] && { rm -rf "$m_o"; m_reply again; }
            fi
            exec 8>&-
            m_wait_or_say
        }

        m_wait_or_say() {
            [ "$m_waits" = yes ] && m_wait
            [ -f "$m_o/exit" ] && m_reply_exit
            m_reply running
        }

        # Starts what keeps the operation, cut loose from this shell and its connection. Not by `&`: what is started so ignores
        # INT and QUIT for ever. It is started in the foreground of the shell of `$( )`, and kills that one when it is ready.
        m_launch() {
            m_this
            m_answer=$(
                printf '%s\n%s' "$m_lib" "$m_prog" | env -i PATH="$PATH" LC_ALL=C MUSTER_SUPERVISOR_DIR="$m_dir" \
                    m_session="$m_self" m_mask="$m_mask" m_setsid="$m_setsid" ${m_exact:+m_exact="$m_exact"} \
                    ${HOME:+HOME="$HOME"} ${USER:+USER="$USER"} ${LOGNAME:+LOGNAME="$LOGNAME"} \
                    $m_setsid /bin/sh -c 'm_prog=$(cat); m_call=m_keep; eval "$m_prog"' muster-keeper 2>/dev/null
            ) 2>/dev/null
        }

        m_detach() {
            printf '%s\n' "$1"
            exec </dev/null >/dev/null 2>&1
            [ "$PPID" = "$m_session" ] || kill -KILL "$PPID"
            m_detached=yes
        }

        # What keeps an operation, and a server for as long as its node is there.
        m_keep() {
            m_roots
            # There is no HOME here for a root that begins with `~/`.
            m_dir=$MUSTER_SUPERVISOR_DIR
            cd -P "$m_dir" || exit 1
            m_o=op-$m_op
            if [ "$m_server" = yes ]; then
                [ -p supervisor.power ] || mkfifo supervisor.power
                exec 6<>supervisor.power
                m_started $$
                m_write supervisor.keeper "$$ $m_began"
            fi
            while :; do
                m_keep_one
                [ "$m_server" = yes ] || exit 0
                # Off, until it is told to go on.
                exec 8>&-
                read -r m_op m_rest <&6 || exit 0
                m_o=op-$m_op
                exec 8<>"$m_o/alive"
            done
        }

        m_tell() {
            if [ "$m_detached" = yes ]; then
                [ -p "$m_o/answer" ] && printf '%s\n' "$1" 1<>"$m_o/answer"
            else
                m_detach "$1"
            fi
        }

        m_keep_one() {
            m_now
            m_from=$m_t m_status= m_signal= m_not= m_dropped=0 m_left=0
            : >"$m_o/mark"
            m_started $$
            m_write "$m_o/started" "$$ $m_began"
            m_not=$(m_command check 2>/dev/null)
            if [ -n "$m_not" ]; then
                : >"$m_o/output"
                m_record
                m_tell ended
                return
            fi
            [ -p "$m_o/out" ] || mkfifo "$m_o/out"
            ( exec 8>&- 6>&- && m_spool ) <"$m_o/out" >/dev/null 2>&1 &
            m_spooler=$!
            exec 5>"$m_o/out"
            m_controller=
            if [ -n "$m_control" ]; then
                [ -p "$m_o/ctl" ] || mkfifo "$m_o/ctl"
                ( exec 8>&- 6>&- 5>&- && m_listen ) <"$m_o/ctl" >/dev/null 2>&1 &
                m_controller=$!
                exec 9>"$m_o/ctl"
            fi
            m_clock=
            if [ -n "$m_timeout" ]; then
                ( exec 9>&- 8>&- 6>&- 5>&- && m_after "$m_timeout" m_late ) >/dev/null 2>&1 &
                m_clock=$!
                [ -z "$m_control" ] || printf '%s\n' $m_clock >"$m_o/clock"
            fi
            m_tell started
            # Its end by a signal is said by the shell, on standard error: so 137 is told from an `exit 137`.
            { ( m_child ); m_code=$?; } 2>"$m_o/why"
            exec 5>&- 9>&-
            [ -z "$m_clock" ] || kill -TERM $m_clock 2>/dev/null
            if [ $m_code -gt 128 ] && { [ -s "$m_o/why" ] || [ -n "$BASH_VERSION" ]; }; then
                m_signal=$((m_code - 128))
            else
                m_status=$m_code
            fi
            m_found=
            if m_remains; then m_members; fi
            set -- $m_found
            m_left=$#
            if [ "$m_keeps" = yes ] && ! [ -e "$m_o/interrupted" ] && ! [ -e "$m_o/late" ]; then
                [ $((m_left)) -eq 0 ] && wait $m_spooler $m_controller
                m_left=0
            else
                [ $((m_left)) -eq 0 ] || m_kill
                wait $m_spooler $m_controller
            fi
            # The test may have had it set anew.
            [ -f "$m_o/clock" ] && read -r m_pid <"$m_o/clock" && [ "$m_pid" != "$m_clock" ] && kill -TERM $m_pid 2>/dev/null
            rm -f "$m_o/main" "$m_o/why" "$m_o/out" "$m_o/ctl" "$m_o/first" "$m_o/hearer" "$m_o/clock" "$m_o"/.decided.*
            m_dropped=0
            [ -f "$m_o/dropped" ] && read -r m_dropped <"$m_o/dropped"
            m_record
        }

        m_record() {
            m_now
            m_timed=no m_ended=no
            if [ -e "$m_o/late" ]; then m_timed=yes; elif [ -e "$m_o/interrupted" ]; then m_ended=yes; fi
            m_write "$m_o/exit" "exit ${m_status:--} ${m_signal:--} $m_timed $m_ended $m_from $m_t $((m_dropped)) $((m_left))${m_not:+
        not-started $m_not}"
        }

        m_late() {
            : >"$m_o/late"
            m_term
            m_drain "$m_grace"
        }

        # The program itself. Runs in a shell of its own, which becomes the program.
        m_child() {
            exec 7<"$m_o/mark" 8>&- 6>&- </dev/null >&5 2>&5 5>&-
            m_this
            m_started "$m_self"
            printf '%s %s\n' "$m_self" "$m_began" >"$m_o/main"
            # It carries the mark by now: whoever ends the operation sees it, or it sees that.
            [ -e "$m_o/interrupted" ] && exit 143
            [ -z "$m_control" ] || exec 3>&9 9>&-
            trap - HUP INT QUIT TERM PIPE
            unset LC_ALL OLDPWD PWD SHLVL MUSTER_SUPERVISOR_DIR m_session m_exact
            umask "$m_mask"
            unset m_mask
            [ -z "$m_control" ] || export MUSTER_TEST_CONTROL=3 ATEX_TEST_CONTROL=3
            export MUSTER_OPERATION="$m_op" MUSTER_NODE_DIR="$m_dir" MUSTER_ADDRESS="$m_address"
            m_command exec_it
        }

        exec_it() {
            set -- $m_setsid "$@"
            unset m_setsid
            exec "$@"
        }

        # Says why the program cannot be started; nothing when it can.
        check() {
            m_lookup=$PATH PATH=$m_path m_sum=0
            for m_a; do
                m_sum=$((m_sum + ${#m_a}))
                [ ${#m_a} -lt 131072 ] || m_sum=999999999
            done
            if [ $m_sum -gt 1900000 ]; then printf 'its arguments are too long: put them into a file'; return; fi
            case $1 in
                */*) m_p=$1 ;;
                *)
                    m_p=
                    IFS=:
                    set -f
                    for m_f in $m_lookup; do
                        if [ -f "$m_f/$1" ] && [ -x "$m_f/$1" ]; then m_p=$m_f/$1; break; fi
                    done
                    unset IFS
                    set +f
                    if [ -z "$m_p" ]; then printf "'%s' is in no folder of PATH on the host" "$1"; return; fi
                    ;;
            esac
            if [ -d "$m_p" ]; then printf "'%s' is a folder" "$m_p"; return; fi
            if ! [ -e "$m_p" ]; then printf "'%s' is not there" "$m_p"; return; fi
            if ! [ -x "$m_p" ]; then printf "'%s' is not executable: chmod +x" "$m_p"; return; fi
            # The shell that this one is.
            [ "$m_p" = /bin/sh ] && return
            [ -r "$m_p" ] || return
            m_head=$(head -c 256 "$m_p")
            case $m_head in
                ?ELF*) ;;
                '#!'*)
                    m_i=${m_head%%"
        "*}
                    m_i=${m_i#'#!'}
                    m_i=${m_i#"${m_i%%[![:blank:]]*}"}
                    m_i=${m_i%%[[:blank:]]*}
                    case $m_i in
                        *[[:cntrl:]]) printf "'%s' has a carriage return at the end of its first line" "$m_p" ;;
                        *) [ -x "$m_i" ] || printf "'%s' wants the interpreter '%s', which is not there" "$m_p" "$m_i" ;;
                    esac
                    ;;
                *) [ -d /proc/self ] && printf "the first line of '%s' names no interpreter: begin it with #!/bin/sh" "$m_p" ;;
            esac
        }

        # Keeps the beginning and the end of what comes, and counts what lies between them.
        m_spool() {
            head -c "$m_limit" >"$m_o/output"
            [ -s "$m_o/output" ] || return 0
            m_size=$(wc -c <"$m_o/output")
            [ $((m_size)) -ge "$m_limit" ] || return 0
            mkfifo "$m_o/count"
            wc -c <"$m_o/count" >"$m_o/counted" &
            tee "$m_o/count" | tail -c "$m_limit" >"$m_o/tail"
            wait
            read -r m_all <"$m_o/counted"
            m_lost=$((m_all - m_limit))
            if [ $m_lost -gt 0 ]; then
                printf '%s\n' "$m_lost" >"$m_o/dropped"
                printf '\n[... %s bytes are not kept ...]\n' "$m_lost" >>"$m_o/output"
            fi
            cat "$m_o/tail" >>"$m_o/output"
            rm -f "$m_o/tail" "$m_o/count" "$m_o/counted"
        }

        m_status() {
            m_enter
            m_fenced
            m_o=op-$m_op
            [ -f "$m_o/exit" ] && m_reply_exit
            [ -f "$m_o/decided" ] || m_reply never
            [ -n "$m_restarted" ] && m_reply restarted
            if [ -f "$m_o/started" ]; then
                read -r m_pid m_start <"$m_o/started"
                m_started "$m_pid"
                if [ "$m_began" != "$m_start" ] && ! [ -f "$m_o/exit" ]; then
                    m_kill
                    m_goodbye && m_reply_exit
                    m_reply lost "what kept $m_op on the host was killed: how it ended is not known"
                fi
            fi
            m_reply running
        }

        m_attach() {
            m_enter
            m_fenced
            m_o=op-$m_op
            [ -f "$m_o/decided" ] || m_reply never
            m_wait
        }

        m_running() {
            m_enter
            m_fenced
            m_server_op=
            [ -f supervisor.server ] && read -r m_server_op <supervisor.server
            for m_o in op-*; do
                [ -d "$m_o" ] && ! [ -f "$m_o/exit" ] || continue
                # One that an older conductor is only about to begin.
                [ -f "$m_o/decided" ] || { m_decide refused && continue; }
                [ "${m_o#op-}" = "$m_server_op" ] && continue
                read -r m_decided <"$m_o/decided" && [ "$m_decided" = run ] || continue
                [ -z "$m_restarted" ] || continue
                if [ -f "$m_o/started" ]; then
                    read -r m_pid m_start <"$m_o/started"
                    m_started "$m_pid"
                    [ "$m_began" = "$m_start" ] || continue
                fi
                printf 'operation %s\n' "${m_o#op-}"
            done
            m_reply done
        }

        m_end() {
            m_enter
            m_fenced
            m_o=op-$m_op
            m_end_one
            m_reply done
        }

        # Ends `m_o`: TERM, and KILL after the grace. One that has not begun never will.
        m_end_one() {
            [ -f "$m_o/exit" ] || {
                mkdir "$m_o" 2>/dev/null
                : >"$m_o/interrupted"
                [ -p "$m_o/alive" ] || mkfifo "$m_o/alive" 2>/dev/null
                if m_decide ended; then
                    m_now
                    m_status= m_signal= m_not= m_dropped=0 m_left=0 m_from=$m_t
                    m_record
                    return
                fi
            }
            m_term
            if [ -f "$m_o/exit" ] || [ -n "$m_restarted" ]; then
                m_drain "$m_grace"
                return
            fi
            if [ "$m_grace" = 0 ]; then
                m_kill
                m_killer=
            else
                ( exec 3>&- 4>&-; m_after "$m_grace" m_kill ) </dev/null >/dev/null 2>&1 &
                m_killer=$!
            fi
            m_block "$m_o"
            [ -z "$m_killer" ] || kill -TERM $m_killer 2>/dev/null
            [ -f "$m_o/exit" ] || m_kill
        }
        """#
}
