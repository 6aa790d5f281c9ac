#!/bin/sh
# Makes this app known to the proxies: setup/register.sh DB-ADDRESS
set -eu
"$MUSTER_LAB_DIR/setup/db" "$1" SET "app:$MUSTER_NODE" "$MUSTER_ADDRESS"
