#!/bin/sh
# What an app refuses comes through as the app said it.
. "$MUSTER_LAB_DIR/tests/lib/check.sh"

sleep 0.2
get -p 8000 /nowhere
want status 404 "$status"
