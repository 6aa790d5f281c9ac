#!/bin/sh
# A client that sends in small pieces is served, and holds nobody up.
. "$MUSTER_LAB_DIR/tests/lib/check.sh"

"$MUSTER_LAB_DIR/tests/lib/http" -s /healthz >slow-client.answer &
get /healthz
want "status of another client" 200 "$status"
wait
want "answer to the slow client" "200 $MUSTER_NODE" "$(head -n 1 slow-client.answer)"
