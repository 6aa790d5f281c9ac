#!/bin/sh
# Prints much: its output is kept in a file, the screen stays readable.
. "$MUSTER_LAB_DIR/tests/lib/check.sh"

get '/trace?lines=5000'
printf '%s\n' "$body"
want "the last line" 005000 "$(printf '%s\n' "$body" | tail -n 1 | cut -d ' ' -f 1)"
