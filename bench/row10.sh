#!/bin/sh
# Row 10: memory of the master for each task kept; with the memory store, what it
# needs beyond the bytes of request or response.
#
# TASKS		instead of a million
. "$(dirname "$0")/common.sh"
. "$bench/core.sh"
. "$bench/million.sh"

: "${TASKS:=1000000}"
need bench/load bench/stamp.so
bring bench/stamp.so
unit=bytes head=600 body=256
routes="workers = 1 threads = 16
	route \"/quick\" { module = \"stamp.so\" }
	route \"/*\" { module = \"answer.so\" env = { \"ANSWER_SECONDS=86400\" } max-running = 1 }"

# bytes in all, bytes that are no overhead, of each task
tell()
{
	us=$(calc "$1 / $TASKS - $2")
	line "$us" - "$us"
}

on_disk()
{
	row=10a wanted='<=150' what="memory of the master for a finished task, SQLite"
	deferd_with sqlite "$routes"
	none=$(memory_of_master)
	stop_deferd
	fill succeeded 1
	again_with sqlite "$routes"
	tell $(($(memory_of_master) - none)) 0
	stop_deferd
}

queued_in_memory()
{
	row=10b wanted='<=400' what="the same for a queued task, memory store, beyond its request"
	deferd_with memory "$routes"
	none=$(memory_of_master)
	submit -n "$TASKS" -t 600 -h $head -b $body /task >"$dir/out"
	tell $(($(memory_of_master) - none)) $((head + body))
	stop_deferd
}

# Each client waits for its task before it submits the next, so that what is left
# in memory is not that of a queue.  A response is the time and the header with
# its type.
finished_in_memory()
{
	row=10c wanted='<=400' what="the same for a finished task, memory store, beyond its response"
	deferd_with memory "$routes"
	none=$(memory_of_master)
	submit -n "$TASKS" -t 600 -h $head -b $body -P wait=30 -e 200 /quick >"$dir/out"
	link=$(link_of /quick)
	wait_finished "$link"
	operate GET "$link" >"$dir/response"
	tell $(($(memory_of_master) - none)) \
		$(($(grep -i '^content-type' "$dir/response" | wc -c) +
			$(tail -n 1 "$dir/response" | wc -c)))
	stop_deferd
}

on_disk
queued_in_memory
finished_in_memory
