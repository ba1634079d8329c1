#!/bin/sh
# Row 5: whole tasks (submitted, run, fetched) in memory, beside Flask with a thread
# for each task.  The tasks are in a dictionary, so gunicorn has one process.  Of 1 to
# 16 threads that take requests, and 16 to 256 clients, the fewest were the fastest.

. "${0%/*}/python.sh"

: "${PEER_CLIENTS:=16}"
start_deferd_with memory
start_gunicorn threads --workers 1 --threads "${THREADS:-1}"
in_turn 5 '>=8' /s "submit, run and fetch, memory: beside Flask with threads"
