#!/bin/sh
# A user that nobody knows is told the same as one with a wrong password.
. "$MUSTER_LAB_DIR/tests/lib/check.sh"

get '/login?user=zoe&password=winter'
want status 403 "$status"
want answer 'wrong name or password' "$body"
