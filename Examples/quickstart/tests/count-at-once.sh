#!/bin/sh
# Eight at once are counted once each.
. "$MUSTER_LAB_DIR/tests/lib/check.sh"

for number in 1 2 3 4 5 6 7 8; do
    "$MUSTER_LAB_DIR/tests/lib/http" "/count?key=$own" >/dev/null &
done
wait
want "count after eight" 8 "$(stored "count:$own")"
