#!/bin/sh
# The proxy takes turns: twelve requests are answered by two apps or more.
. "$MUSTER_LAB_DIR/tests/lib/check.sh"

for number in 1 2 3 4 5 6 7 8 9 10 11 12; do
    get -p 8000 /healthz
    want "status of request $number, from $node" 200 "$status"
    echo "$node" >>balance.nodes
done
apps=$(sort -u balance.nodes | wc -l)
[ "$apps" -ge 2 ] || fail "all twelve were answered by $(sort -u balance.nodes)"
