#!/bin/sh
# Row 4: status queries through nginx, of a running task and of a finished one,
# beside the fixed-reply responder, which says the same.

. "${0%/*}/nginx.sh"

start_behind_nginx '
	store = "memory" keep = 3600
	route "/slow" { module = "answer.so" env = { "ANSWER_SECONDS=3600" } }
	route "/*" { module = "answer.so" env = { "ANSWER_SECONDS=0" } }'

ours()
{
	requests -e "$status" "$link"
}

theirs()
{
	requests -e "$status" /fixed/status
}

link=$(link_at /slow) status=202
start_fixed "${link#/jobs}"
in_turn 4a '>=0.8' /s "status of a running task, nginx: beside the same from a fixed reply"
link=$(link_at /quick) status=200
start_fixed "${link#/jobs}"
in_turn 4b '>=0.8' /s "status of a finished task"
