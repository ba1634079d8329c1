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

# So many that they take about as long as they should; more when it is known.
count=$((5000 * SECONDS_EACH))

# Unix time in milliseconds of the latest "finished" of the last tasks
last_finished()
{
	operate GET "/tasks" >"$dir/tasks"
	date -d "$(grep -o '"finished":"[^"]*"' "$dir/tasks" | cut -d'"' -f4 | sort | tail -n 1)" +%s%3N
}

ours()
{
	operate POST /pause >"$dir/out"
	before=$(tasks succeeded)
	submit -n "$count" -t 600 -b 0 /run >"$dir/out"
	began=$(date +%s%3N)
	operate POST /resume >"$dir/out"
	until [ "$(tasks succeeded)" -ge $((before + count)) ]; do
		[ "$(tasks failed)" = 0 ] || fail "a task has failed"
		sleep 0.2
	done
	calc "$count * 1000 / ($(last_finished) - $began)"
}

theirs()
{
	"$build/bench/spawn" rate "$threads" "$count" "$build/bench/stamp" | value per_s
}

deferd_with "$store" "workers = 1 threads = $threads
	route \"/run\" { exec = \"$dir/bin/stamp\" }"
in_turn 7 '>=0.7' /s "programs from a full queue, $threads threads; bare vfork + exec + wait"
