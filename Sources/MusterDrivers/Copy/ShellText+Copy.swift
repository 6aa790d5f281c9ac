extension ShellText {
    /// What copies do on a node, besides `library`. A folder goes as an archive of `tar`, a file as it is.
    ///
    /// They answer on standard output: a reply as all, or `file MODE SIZE` or `folder MODE` and then what was wanted.
    static let copies = #"""
        m_cp_enter() {
            m_roots
            cd -P "$m_dir" 2>/dev/null || m_reply gone
            [ -n "$m_cp_local" ] || [ -f supervisor.boot ] || m_reply gone
            m_dir=$(pwd -P)
            m_keep_lease
            m_abs=
            case $m_cp_path in
                '' | .) m_in=. ;;
                /*) m_in=$m_cp_path m_abs=1 ;;
                '~') m_in=$HOME m_abs=1 ;;
                '~/'*) m_in=$HOME/${m_cp_path#'~/'} m_abs=1 ;;
                *) m_in=./$m_cp_path ;;
            esac
        }

        # A path that begins in the node's folder does not lead out of it, by no link.
        m_cp_confine() {
            [ -n "$m_abs" ] || case $(pwd -P)/ in "$m_dir"/*) ;; *) m_reply outside ;; esac
        }

        m_cp_tar() {
            if command -v tar >/dev/null 2>&1; then tar "$@"; else busybox tar "$@"; fi
        }
        m_cp_needs_tar() {
            command -v tar >/dev/null 2>&1 && return
            busybox --list 2>/dev/null | grep -qx tar || m_reply no-tar
        }

        m_cp_stat() { # format of GNU's and busybox's, format of BSD's, file
            stat -L -c "$1" "$3" 2>/dev/null || stat -L -f "$2" "$3" 2>/dev/null
        }

        m_pull() {
            m_cp_enter
            if [ -d "$m_in" ]; then
                cd -P "$m_in" 2>/dev/null || m_reply denied
                m_cp_confine
                m_cp_needs_tar
                m_got=$(m_cp_stat %a %Lp .)
                printf 'folder %s\n' "${m_got:-755}"
                m_cp_tar -cf - .
                exit $?
            fi
            if ! [ -e "$m_in" ]; then
                [ -L "$m_in" ] && m_reply dangling
                m_reply none
            fi
            [ -f "$m_in" ] || m_reply special
            m_leaf=${m_in##*/}
            cd -P "${m_in%/*}/" 2>/dev/null || m_reply denied
            m_cp_confine
            if [ -L "./$m_leaf" ] && [ -z "$m_abs" ]; then
                case $(readlink -f "./$m_leaf") in "$m_dir"/*) ;; *) m_reply outside ;; esac
            fi
            [ -r "./$m_leaf" ] || m_reply denied
            m_got=$(m_cp_stat '%a %s' '%Lp %z' "./$m_leaf")
            [ -n "$m_got" ] || m_got="644 $(($(wc -c <"./$m_leaf")))"
            m_size=${m_got##* }
            printf 'file %s %s\n' "${m_got% *}" "$m_size"
            if [ "$m_size" -gt 0 ]; then head -c "$m_size" <"./$m_leaf"; else cat <"./$m_leaf"; fi
            exit $?
        }

        # Goes where the target is to be, and names it.
        m_cp_target() {
            m_cp_enter
            if [ -d "$m_in" ]; then
                m_leaf=$m_cp_base
                cd -P "$m_in" 2>/dev/null || m_reply denied
            else
                [ -z "$m_cp_into" ] || m_reply no-folder
                m_leaf=${m_in##*/}
                [ -d "${m_in%/*}/" ] || m_reply no-folder
                cd -P "${m_in%/*}/" 2>/dev/null || m_reply denied
            fi
            m_cp_confine
            if [ "$(pwd -P)" = "$m_dir" ]; then
                case $m_leaf in op-* | supervisor.*) m_reply reserved ;; esac
            fi
            m_draft=./.$$.muster-part
            rm -rf "$m_draft" "$m_draft.old"
            trap 'rm -rf "$m_draft"' EXIT
            trap 'exit 1' HUP INT TERM
        }

        # What has read nothing, or not all, answers first and reads the rest then: podman forgets an answer when the program
        # ends while it is still being given something.
        m_push_reply() {
            m_reply() {
                printf '%s\n.\n' "$*"
                cat >/dev/null 2>&1
                exit 0
            }
        }

        m_has_folder() {
            m_cp_enter
            if [ -d "$m_in" ]; then m_reply exists; fi
            m_reply none
        }

        m_push_file() {
            m_push_reply
            m_cp_target
            if [ -d "./$m_leaf" ]; then m_reply is-folder; fi
            (: >"$m_draft") 2>/dev/null || m_reply denied
            head -c "$m_cp_size" 2>/dev/null >"$m_draft"
            if [ "$(($(wc -c <"$m_draft")))" -ne "$m_cp_size" ]; then m_reply short; fi
            chmod "$m_cp_mode" "$m_draft" && mv -f "$m_draft" "./$m_leaf" || m_reply denied
            m_reply "done $(pwd -P)/$m_leaf"
        }

        m_push_folder() {
            m_push_reply
            if [ -n "$m_cp_once" ]; then
                m_cp_enter
                if [ -d "$m_in" ]; then m_reply exists; fi
            fi
            m_cp_target
            m_cp_needs_tar
            m_old=
            if [ -e "./$m_leaf" ] || [ -L "./$m_leaf" ]; then
                [ -n "$m_cp_replace" ] || m_reply exists
                m_old=1
            fi
            mkdir "$m_draft" 2>/dev/null || m_reply denied
            (cd "$m_draft" && m_cp_tar -xpmof -) >&2 || m_reply no-extract
            # The last one of the archive: without it some are missing.
            [ -f "$m_draft/.muster-whole" ] || m_reply short
            rm -f "$m_draft/.muster-whole"
            chmod "$m_cp_mode" "$m_draft" || m_reply denied
            if [ -n "$m_old" ]; then mv "./$m_leaf" "$m_draft.old" || m_reply denied; fi
            # Somebody else may have been quicker; into a folder it would be moved.
            if [ -z "$m_old" ] && [ -e "./$m_leaf" ]; then m_reply exists; fi
            if ! mv "$m_draft" "./$m_leaf"; then
                [ -z "$m_old" ] || mv "$m_draft.old" "./$m_leaf"
                m_reply denied
            fi
            rm -rf "$m_draft.old"
            m_reply "done $(pwd -P)/$m_leaf"
        }
        """#
}
