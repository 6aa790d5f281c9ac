#!/bin/sh
# Nothing but GET is understood.
. "$MUSTER_LAB_DIR/tests/lib/check.sh"

get -m POST "/count?key=$own"
want status 405 "$status"
