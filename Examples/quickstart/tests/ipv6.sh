#!/bin/sh
# Skipped: does not apply where nodes have IPv4 addresses only.
. "$MUSTER_LAB_DIR/tests/lib/check.sh"

case $MUSTER_ADDRESS in
    *:*) ;;
    *)
        echo "skipped: $MUSTER_ADDRESS is no IPv6 address"
        exit 77
        ;;
esac
get /healthz
want status 200 "$status"
