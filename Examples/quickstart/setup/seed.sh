#!/bin/sh
# Gives the db its schema; apps are healthy when they see it.
set -eu
"$MUSTER_LAB_DIR/setup/db" "$MUSTER_ADDRESS" SET schema 1
