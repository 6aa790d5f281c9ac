#!/bin/sh
# Who knows the password gets a token.
. "$MUSTER_LAB_DIR/tests/lib/check.sh"

sleep 0.1
get '/login?user=ana&password=winter'
want status 200 "$status"
want "the token's user" ana "$(stored "token:$body")"
