#!/bin/sh
# Two counters do not disturb each other.
. "$MUSTER_LAB_DIR/tests/lib/check.sh"

get "/count?key=$own.a"
get "/count?key=$own.a"
get "/count?key=$own.b"
want "the second counter" 1 "$body"
