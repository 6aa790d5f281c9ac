extension ShellText {
    /// What a shell says when it waits for its first request: what reads its functions may read ahead.
    static let ready = "muster-ready\n"

    /// Serves requests one after the other: a line of a word and a count, and a program of so many bytes. Each runs in
    /// a part of this shell, which knows all functions and keeps nothing of it. Its end is a line of the word and a
    /// status.
    ///
    /// The word is new for each request, so nothing that a program says is taken for its end.
    static let serving = #"""
        m_serve() {
            m_lib=$m_prog
            printf 'muster-ready\n'
            while IFS=' ' read -r m_word m_count; do
                [ -n "$m_count" ] || continue
                m_prog=$(command head -c "$m_count")
                case $m_prog in *:end) ;; *) exit ;; esac
                ( eval "$m_prog" )
                m_status=$?
                [ $m_status -eq 99 ] || printf '\n%s %s\n' "$m_word" "$m_status"
            done
        }
        [ -n "$m_call" ] || m_serve
        """#
}
