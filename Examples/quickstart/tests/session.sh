#!/bin/sh
# A token opens what is its own.
. "$MUSTER_LAB_DIR/tests/lib/check.sh"

get '/login?user=ben&password=summer'
sleep 0.1
get "/whoami?token=$body"
want name ben "$body"
