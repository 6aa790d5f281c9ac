#!/bin/sh
# Counting goes up by one each time.
. "$MUSTER_LAB_DIR/tests/lib/check.sh"

for number in 1 2 3; do
    get "/count?key=$own"
    want "count $number" "$number" "$body"
done
