#!/bin/sh
# A request of 9,000 bytes is refused, and the server goes on.
. "$MUSTER_LAB_DIR/tests/lib/check.sh"

get "/healthz?$(printf '%09000d' 0)"
want status 431 "$status"
get /healthz
want "status after it" 200 "$status"
