#!/bin/sh
# Flaky: the first attempt asks before the report is prepared, the rerun finds it.
. "$MUSTER_LAB_DIR/tests/lib/check.sh"

sleep 0.1
get "/report?attempt=$MUSTER_ATTEMPT"
want "status of the report" 200 "$status"
