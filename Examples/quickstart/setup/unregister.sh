#!/bin/sh
# The undo of register.sh: setup/unregister.sh DB-ADDRESS. An app that nobody knows is no error.
set -eu
"$MUSTER_LAB_DIR/setup/db" "$1" DEL "app:$MUSTER_NODE" || echo "$MUSTER_NODE was not registered"
