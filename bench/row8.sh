#!/bin/sh
# Row 8: how long from the moment a task is accepted to the first instruction of
# what runs it, while nothing else is going on; memory store.
. "$(dirname "$0")/common.sh"
. "$bench/core.sh"

need bench/load bench/first bench/spawn bench/trip bench/stamp bench/stamp.so
bring bench/stamp bench/stamp.so
unit=us count=$((200 * SECONDS_EACH))

# path: the median; standard error has how long from before the connection
accepted_to_first()
{
	"$build/bench/first" "$dir/deferd.sock" "$count" "$1" >"$dir/out"
	echo "  $1: $(value whole_us <"$dir/out") us from before it was asked" >&2
	value p50_us <"$dir/out"
}

module()
{
	row=8a wanted='<=3' what="accepted to first instruction, module; trip between three processes"
	us=$(accepted_to_first /module)
	them=$("$build/bench/trip" "$count" | value p50_us)
	line "$us" "$them" "$(calc "$us / $them")"
}

exec_()
{
	row=8b wanted='<=2' what="accepted to first instruction, program; bare vfork + exec"
	us=$(accepted_to_first /exec)
	them=$("$build/bench/spawn" first "$count" "$build/bench/stamp" | value p50_us)
	line "$us" "$them" "$(calc "$us / $them")"
}

deferd_with memory "workers = 1 threads = 2
	route \"/module\" { module = \"stamp.so\" }
	route \"/exec\" { exec = \"$dir/bin/stamp\" }"
accepted_to_first /module >"$dir/out" 2>&1
for run in $(seq "$RUNS"); do
	module
	exec_
done
