# What the tests share; each begins with `. "$MUSTER_LAB_DIR/tests/lib/check.sh"`.
# A test passes when it ends with 0, is skipped with 77, and fails with anything else.
set -eu

# get [-m METHOD] [-p PORT] [-s] /path: asks this node's own server; sets `status`, `node` (who answered) and `body`.
get() {
    reply=$("$MUSTER_LAB_DIR/tests/lib/http" "$@") || fail "no answer to: $*"
    first=${reply%%"$newline"*}
    status=${first% *}
    node=${first#* }
    body=${reply#*"$newline"}
}
newline='
'

# want WHAT WANTED GOT
want() {
    [ "$2" = "$3" ] || fail "$1: wanted $2, got $3"
    echo "ok: $1: $3"
}

fail() {
    echo "FAILED: $*"
    exit 1
}

# What the db holds under a key.
stored() { "$MUSTER_LAB_DIR/setup/db" "$MUSTER_DB_0_ADDRESS" GET "$1"; }

# A name that no other test of this run uses.
own="$MUSTER_SUITE.${MUSTER_TEST##*/}.$MUSTER_RUN.$MUSTER_ATTEMPT.$$"
