#!/bin/sh
# The proxy has a page of its own, with the greeting of the lab file.
. "$MUSTER_LAB_DIR/tests/lib/check.sh"

get -p 8000 /
want status 200 "$status"
want page 'Welcome to the quickstart shop' "$body"
