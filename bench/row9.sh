#!/bin/sh
# Row 9: how much slower deferd accepts when it keeps a million tasks.  Two stores
# are measured in turn, an empty one and a full one.  SQLite itself is slower
# with a million rows: there the same rows go into bare databases of both sizes, in
# batches as large, and what counts is whether deferd loses more than that.
#
# TASKS		instead of a million
. "$(dirname "$0")/common.sh"
. "$bench/core.sh"
. "$bench/million.sh"

: "${TASKS:=1000000}"
need bench/load bench/bare
wanted='>=0.9' unit=/s
# One runs and sleeps, all others stay queued: accepting is all there is to do.
idle="workers = 1 threads = 2
	route \"/*\" { module = \"answer.so\" env = { \"ANSWER_SECONDS=86400\" } max-running = 1 }"

rate()
{
	submit -t "$SECONDS_EACH" -b 256 /task >"$dir/out"
	value per_s <"$dir/out"
}

# -- memory: the full one stands by while the empty one is measured --------------

in_memory()
{
	row=9a what="submissions with a million kept, memory; with none"
	mkdir "$dir/full"
	dir=$dir/full deferd=
	deferd_with memory "$idle"
	submit -n "$TASKS" -t 600 -b 256 /task >"$dir/out"
	full=$dir full_deferd=$deferd dir=${dir%/full}
	for run in $(seq "$RUNS"); do
		deferd=
		deferd_with memory "$idle"
		empty=$(rate)
		stop_deferd
		us=$(dir=$full; rate)
		line "$us" "$empty" "$(calc "$us / $empty")"
	done
	terminate "$full_deferd"
	rm -rf "$full"
}

# -- SQLite ----------------------------------------------------------------------

# How many transactions SQLite has committed in the file since it is open: it
# counts them in the third word of the index of its log.
commits()
{
	od -An -tu4 -j8 -N4 "$dir/state/tasks.db-shm"
}

# What deferd has accepted, into the bare database that stood beside it
bare()
{
	"$build/bench/bare" "$dir/state/tasks.db" "$1" "$batch" | value per_s
}

# ours, theirs: deferd as it is there, then bare with the same rows
both()
{
	before=$(commits)
	us=$(rate)
	batch=$(($(value ok <"$dir/out") / ($(commits) - before)))
	stop_deferd
	them=$(bare "$1")
}

on_disk()
{
	row=9b what="submissions with a million kept, SQLite; theirs is what bare SQLite loses"
	deferd_with sqlite "$idle"
	stop_deferd
	fill succeeded 1
	mkdir "$dir/full"
	cp "$dir/state/tasks.db" "$dir/full/bare.db"
	mv "$dir/state" "$dir/full/state"
	for run in $(seq "$RUNS"); do
		deferd_with sqlite "$idle"
		rm -f "$dir"/bare.db*
		both "$dir/bare.db"
		empty=$us bare_empty=$them
		rm -rf "$dir/state"
		mv "$dir/full/state" "$dir"
		again_with sqlite "$idle"
		both "$dir/full/bare.db"
		mv "$dir/state" "$dir/full"
		us=$(calc "$us / $empty")
		them=$(calc "$them / $bare_empty")
		line "$us" "$them" "$(calc "$us / $them")"
	done
}

in_memory
unit=full/empty
on_disk
