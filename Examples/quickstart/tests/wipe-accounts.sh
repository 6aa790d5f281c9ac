#!/bin/sh
# Destructive: afterwards no other test can use this node, so Muster replaces it.
. "$MUSTER_LAB_DIR/tests/lib/check.sh"

get /wipe
want status 200 "$status"
get '/login?user=ana&password=winter'
want "status without accounts" 503 "$status"
