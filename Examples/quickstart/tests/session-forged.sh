#!/bin/sh
# A token that was never given opens nothing.
. "$MUSTER_LAB_DIR/tests/lib/check.sh"

get '/whoami?token=1-2'
want status 401 "$status"
