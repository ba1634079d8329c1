#!/bin/sh
# Row 7: how many programs deferd runs per second, from a queue that was filled
# while it was paused, beside a loop that does nothing else.  No HTTP: what is
# timed goes from the resume to the end of the last task.
#
# THREADS	that run them, on both sides (16)
# STORE		memory, or sqlite
. "$(dirname "$0")/common.sh"
. "$bench/core.sh"

threads=${THREADS:-16} store=${STORE:-memory}
need bench/load bench/spawn bench/stamp
bring bench/stamp

# So many that they take about as long as they should.
count=$((15000 * SECONDS_EACH))

ours()
{
	drained /run "$count"
}

theirs()
{
	"$build/bench/spawn" rate "$threads" "$count" "$build/bench/stamp" | value per_s
}

deferd_with "$store" "workers = 1 threads = $threads
	route \"/run\" { exec = \"$dir/bin/stamp\" }"
in_turn 7 '>=0.7' /s "programs from a full queue, $threads threads; bare vfork + exec + wait"
