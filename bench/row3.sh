#!/bin/sh
# Row 3: submissions through nginx, by SCGI: the head is parsed, a task is made and
# run (by a module, which does nothing), and its response kept.  Beside it, the
# fixed-reply responder says the same 202.  What has nothing to wait for needs few
# threads: with 2 in each worker they do not go to sleep between two tasks.

. "${0%/*}/nginx.sh"

start_behind_nginx '
	store = "memory" keep = 10 queue = 1000000 threads = 2
	route "/*" { module = "answer.so" env = { "ANSWER_SECONDS=0" } }'
start_fixed /task

ours()
{
	requests /jobs/task
}

theirs()
{
	requests /fixed/task
}

in_turn 3 '>=0.6' /s "submissions, nginx, module: beside a fixed 202"
