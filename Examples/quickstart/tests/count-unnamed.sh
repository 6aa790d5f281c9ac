#!/bin/sh
# A counter without a name is refused, with a hint.
. "$MUSTER_LAB_DIR/tests/lib/check.sh"

get /count
want status 400 "$status"
want hint 'count what? /count?key=NAME' "$body"
