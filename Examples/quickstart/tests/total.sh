#!/bin/sh
# The total of an order. Fails: the app cuts prices to tenths.
. "$MUSTER_LAB_DIR/tests/lib/check.sh"

sleep 0.1
get '/total?price=19.99&count=3'
want "3 times 19.99" 59.97 "$body"
