#!/bin/sh
# The server is well.
. "$MUSTER_LAB_DIR/tests/lib/check.sh"

get /healthz
want status 200 "$status"
want answer ok "$body"
