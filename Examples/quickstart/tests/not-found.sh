#!/bin/sh
# A page that is not there is a 404 and names the page.
. "$MUSTER_LAB_DIR/tests/lib/check.sh"

get /nowhere
want status 404 "$status"
want answer 'there is no /nowhere' "$body"
