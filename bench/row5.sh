#!/bin/sh
# Row 5: whole tasks (submitted, run, fetched) in memory, beside Flask with a thread
# for each task.  The tasks are in a dictionary, so gunicorn has one process; of 1
# to 16 threads, 4 were the fastest.

. "${0%/*}/python.sh"

start_deferd_with memory
start_gunicorn threads --workers 1 --threads "${THREADS:-4}"
in_turn 5 '>=8' /s "submit, run and fetch, memory: beside Flask with threads"
