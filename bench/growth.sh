#!/bin/sh
# How cost grows: with tasks kept, with clients that wait, and with threads; as
# plots in doc/growth/, and the figures beside them.
#
#	bench/growth.sh [tasks | waiting | threads]
#
# From a build directory.  MOST is where each series ends (1000000, 10000, 512).
. "$(dirname "$0")/common.sh"
. "$bench/core.sh"

out=$top/doc/growth
need deferctl bench/load bench/spawn bench/stamp bench/stamp.so
bring answer.so bench/stamp bench/stamp.so
mkdir -p "$out"

# name, title, label of x, label of y, then what to plot; the figures are in $out/NAME.dat
plot()
{
	gnuplot <<-END
		set terminal svg size 640,400 font "sans-serif,12" background "white"
		set output "$out/$1.svg"
		set title "$2"
		set xlabel "$3"
		set ylabel "$4"
		set logscale xy
		set format x "10^{%L}"
		set grid
		set key left
		plot $5
	END
}

# from, to, factor
series()
{
	awk "BEGIN { for (x = $1; x <= $2; x *= $3) print x }"
}

# A submission and a status query, one at a time, in a million less one steps.
tasks_kept()
{
	deferd_with memory 'workers = 1 threads = 2
		route "/*" { module = "answer.so" env = { "ANSWER_SECONDS=86400" } max-running = 1 }'
	echo "# tasks, us of a submission, us of a status, KiB of the master" >"$out/tasks.dat"
	link=$(link_of /task) have=1
	for n in $(series 1 "${MOST:-1000000}" 10); do
		[ "$n" = "$have" ] || submit -n $((n - have)) -t 600 /task >"$dir/out"
		submit -c 1 -n 1000 -t 10 -m GET -b 0 "$link" >"$dir/status"
		memory=$(($(memory_of_master) / 1024))
		submit -c 1 -n 1000 -t 10 /task >"$dir/submit"
		have=$((n + 1000))
		echo "$n $(value p50_us <"$dir/submit") $(value p50_us <"$dir/status") $memory" >>"$out/tasks.dat"
	done
	plot tasks "tasks kept, memory store" tasks microseconds \
		"'$out/tasks.dat' using 1:2 with linespoints title 'submission', '' using 1:3 with linespoints title 'status query'"
}

# How many do, as deferd has it
waiting()
{
	"$build/deferctl" -s "$dir/control.sock" stats --json | tr -d ' \n' |
		sed -n 's/.*"waiting":\([0-9]*\),.*/\1/p'
}

# A status query, while so many wait for a task.
waiting_clients()
{
	deferd_with memory 'workers = 1 threads = 2 max-waiting = 20000 max-connections = 20000
		route "/*" { module = "answer.so" env = { "ANSWER_SECONDS=86400" } max-running = 1 }'
	echo "# waiting, us of a status: median, 99 % are below; KiB of the master" >"$out/waiting.dat"
	link=$(link_of /task)
	for n in $(series 1 "${MOST:-10000}" 10); do
		spawn waiters "$build/bench/load" -s "$dir/deferd.sock" -c "$n" -t 600 -m GET -b 0 \
			-P wait=3600 "$link"
		until [ "$(waiting)" -ge "$n" ]; do
			sleep 0.1
		done
		submit -c 1 -n 1000 -t 10 -m GET -b 0 "$link" >"$dir/status"
		echo "$n $(value p50_us <"$dir/status") $(value p99_us <"$dir/status")" \
			"$(($(memory_of_master) / 1024))" >>"$out/waiting.dat"
		terminate "$waiters"
	done
	plot waiting "clients that wait for a task" clients microseconds \
		"'$out/waiting.dat' using 1:2 with linespoints title 'status query, median', '' using 1:3 with linespoints title '99th percentile'"
}

# drained PATH COUNT: tasks per second, from a queue that was filled before
drained()
{
	operate POST /pause >"$dir/out"
	before=$(tasks succeeded)
	submit -n "$2" -t 60 -b 0 "$1" >"$dir/out"
	began=$(date +%s%N)
	operate POST /resume >"$dir/out"
	until [ "$(tasks succeeded)" -ge $((before + $2)) ]; do
		sleep 0.02
	done
	awk "BEGIN { printf \"%d\", $2 * 1e9 / ($(date +%s%N) - $began) }"
}

threads_of_a_worker()
{
	echo "# threads, tasks per s: module, program, bare vfork + exec + wait" >"$out/threads.dat"
	for n in $(series 1 "${MOST:-512}" 2); do
		deferd_with memory "workers = 1 threads = $n
			route \"/module\" { module = \"stamp.so\" }
			route \"/exec\" { exec = \"$dir/bin/stamp\" }"
		echo "$n $(drained /module 5000) $(drained /exec 3000)" \
			"$("$build/bench/spawn" rate "$n" 3000 "$build/bench/stamp" | value per_s)" >>"$out/threads.dat"
	done
	plot threads "threads of one worker" threads "tasks per second" \
		"'$out/threads.dat' using 1:2 with linespoints title 'module', '' using 1:3 with linespoints title 'program', '' using 1:4 with linespoints title 'bare vfork + exec + wait'"
}

case ${1-all} in
tasks)	tasks_kept ;;
waiting) waiting_clients ;;
threads) threads_of_a_worker ;;
all)	tasks_kept; waiting_clients; threads_of_a_worker ;;
*)	echo "usage: $0 [tasks | waiting | threads]" >&2; exit 2 ;;
esac
