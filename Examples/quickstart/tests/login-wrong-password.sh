#!/bin/sh
# Who does not know it gets none.
. "$MUSTER_LAB_DIR/tests/lib/check.sh"

sleep 0.2
get '/login?user=ana&password=summer'
want status 403 "$status"
