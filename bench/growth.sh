#!/bin/sh
# How cost grows: with tasks kept, with clients that wait, and with threads; as
# plots in doc/growth/, the figures beside them, and a page that shows both.
#
#	bench/growth.sh [tasks | waiting | threads | page]
#
# From a build directory; some 10 minutes.  "page" only draws again what was
# measured.  MOST is where a series ends (1000000, 10000, 512).  Queries, 10,000
# for a point, and submissions, 1,000, are made one at a time.
. "$(dirname "$0")/common.sh"
. "$bench/core.sh"
. "$bench/million.sh"

out=$top/doc/growth
made=$("$bench/machine.sh")
slow='route "/*" { module = "answer.so" env = { "ANSWER_SECONDS=86400" } max-running = 1 }'
need deferctl bench/load bench/spawn bench/stamp bench/stamp.so
bring answer.so bench/stamp bench/stamp.so
mkdir -p "$out"

# from, to, factor
series()
{
	awk "BEGIN { for (x = $1; x <= $2; x *= $3) print x }"
}

# figures NAME COLUMN ...: begins $out/NAME.tsv
figures()
{
	table=$out/$1.tsv
	shift
	echo "# $made" >"$table"
	row "$@"
}

# FIGURE ...: a line of it
row()
{
	echo "$*" | tr ' ' '\t' >>"$table"
}

# COLUMN: its figure in the first line of the table, in the last, and both in words
first_of()
{
	awk -v column="$1" 'NR == 3 { print $column }' "$table"
}

last_of()
{
	awk -v column="$1" 'END { print $column }' "$table"
}

from_to()
{
	echo "$(first_of "$1") µs with $(thousands "$(first_of 1)"), $(last_of "$1") µs with $(thousands "$(last_of 1)")"
}

thousands()
{
	echo "$1" | sed -e ':more' -e 's/^\([0-9]*[0-9]\)\([0-9]\{3\}\)/\1,\2/' -e 't more'
}

# For the x axis: 1, 10 ... with commas
decades()
{
	for n in $(series 1 10000000 10); do
		printf '"%s" %s, ' "$(thousands $n)" $n
	done | sed 's/, $//'
}

# COLUMN with KiB: how many bytes more for each step of the first column
each()
{
	awk "BEGIN { printf \"%.0f\", ($(last_of "$1") - $(first_of "$1")) * 1024 / $(last_of 1) }"
}

# plot NAME TITLE X Y CURVES [MORE]: CURVES from $table, MORE is said to gnuplot before
plot()
{
	gnuplot <<-END
		set terminal svg size 760,460 font "sans-serif,13" background "white"
		set output "$out/$1.svg"
		set title "$2" font ",15"
		set xlabel "$3" offset 0,0.5
		set ylabel "$4"
		set logscale xy
		set xtics ($(decades))
		set format y "%g"
		set rmargin 5
		set grid
		set key below
		set datafile separator tab
		set style data linespoints
		set for [i=1:4] linetype i linewidth 2 pointtype 7 pointsize 0.6
		table = "$table"
		${6-}
		plot $5
	END
}

# COUNT of them, one at a time: the median, in microseconds
p50_of()
{
	submit -c 1 -t 60 -n "$@" >"$dir/one"
	value p50_us <"$dir/one"
}

kib_of_master()
{
	echo $(($(memory_of_master) / 1024))
}

# -- tasks kept: the same daemon all the way in memory, a new one for each size on disk --

kept_in_memory()
{
	deferd_with memory "workers = 1 threads = 2 $slow"
	link=$(link_of /task) have=1
	for n in $(series 1 "${MOST:-1000000}" 10); do
		if [ "$n" -gt "$have" ]; then
			submit -n $((n - have)) -t 600 /task >"$dir/out"
			have=$n
		fi
		echo "$n $(kib_of_master) $(p50_of 10000 -m GET -b 0 "$link") $(p50_of 1000 /task)"
		have=$((have + 1000))
	done
}

kept_on_disk()
{
	routes="workers = 1 threads = 2
		route \"/quick\" { module = \"answer.so\" env = { \"ANSWER_SECONDS=0\" } } $slow"
	for TASKS in $(series 1 "${MOST:-1000000}" 10); do
		deferd_with sqlite "$routes"
		stop_deferd
		fill succeeded 1
		again_with sqlite "$routes"
		memory=$(kib_of_master) link=$(link_of /quick)
		wait_finished "$link"
		echo "$memory $(p50_of 10000 -m GET -b 0 -e 200 "$link") $(p50_of 1000 /task)"
	done
}

tasks_kept()
{
	kept_in_memory >"$dir/memory"
	kept_on_disk >"$dir/disk"
	figures tasks tasks memory_kib memory_status_us memory_submit_us \
		sqlite_kib sqlite_fetch_us sqlite_submit_us
	paste -d ' ' "$dir/memory" "$dir/disk" | tr ' ' '\t' >>"$table"
}

# -- clients that wait -------------------------------------------------------------

# How many do, as deferd has it
waiting()
{
	"$build/deferctl" -s "$dir/control.sock" stats --json | tr -d ' \n' |
		sed -n 's/.*"waiting":\([0-9]*\),.*/\1/p'
}

# A status query, while so many wait for a task
waiting_clients()
{
	deferd_with memory "workers = 1 threads = 2
		max-waiting = 20000 max-connections = 20000 $slow"
	figures waiting clients memory_kib status_p50_us status_p99_us
	link=$(link_of /task)
	for n in $(series 1 "${MOST:-10000}" 10); do
		spawn waiters "$build/bench/load" -s "$dir/deferd.sock" -c "$n" -t 600 -m GET -b 0 \
			-P wait=3600 "$link"
		until [ "$(waiting)" -ge "$n" ]; do
			sleep 0.1
		done
		median=$(p50_of 10000 -m GET -b 0 "$link")
		row "$n" "$(kib_of_master)" "$median" "$(value p99_us <"$dir/one")"
		terminate "$waiters"
	done
}

# -- threads -----------------------------------------------------------------------

# COMMAND ...: the median of what it prints three times
thrice()
{
	for _ in 1 2 3; do
		printf '%.0f\n' "$("$@")"
	done | median
}

bare()
{
	"$build/bench/spawn" rate "$1" "$2" "$build/bench/stamp" | value per_s
}

threads_of_a_worker()
{
	figures threads threads modules_per_s programs_per_s bare_per_s
	for n in $(series 1 "${MOST:-512}" 2); do
		deferd_with memory "workers = 1 threads = $n
			route \"/module\" { module = \"stamp.so\" }
			route \"/exec\" { exec = \"$dir/bin/stamp\" }"
		row "$n" "$(thrice drained /module 10000)" "$(thrice drained /exec 3000)" \
			"$(thrice bare "$n" 3000)"
	done
}

# -- the plots, of the figures that there are --------------------------------------

draw_tasks()
{
	plot tasks "A submission takes $(from_to 4) tasks kept (SQLite: $(first_of 7) and $(last_of 7))" \
		"tasks kept" "median, microseconds" \
		"table using 1:7 title 'submission, SQLite', '' using 1:6 title 'result fetched, SQLite', \
		'' using 1:4 title 'submission, memory', '' using 1:3 title 'status query, memory'"
	plot memory "The master needs $(each 5) bytes a task kept in SQLite, $(each 2) in memory, requests and all" \
		"tasks kept" "memory of the master, MiB" \
		"table using 1:(\$2/1024) title 'queued, memory store, requests of 1.3 KB', \
		'' using 1:(\$5/1024) title 'finished, SQLite'"
}

draw_waiting()
{
	plot waiting "A status query takes $(from_to 3) clients that wait" \
		"clients that wait for a task" "status query, microseconds" \
		"table using 1:4 title '99th percentile', '' using 1:3 title 'median'"
}

draw_threads()
{
	plot threads "$(thousands "$(first_of 3)") programs per second with 1 thread, $(thousands "$(last_of 3)") with $(last_of 1), on $cores cores" \
		"threads of one worker" "tasks per second" \
		"table using 1:2 title 'module', '' using 1:3 title 'program', \
		'' using 1:4 title 'bare vfork + exec + wait'" \
		"set logscale x 2; set xtics 2; set format x '%.0f'"
}

# -- the page ----------------------------------------------------------------------

# file.tsv: as a table of Markdown
markdown()
{
	awk -F '\t' '
	NR == 1	{ made = substr($0, 3); next }
		{ for (i = 1; i <= NF; i++) printf "| %s ", $i; print "|" }
	NR == 2	{ for (i = 1; i <= NF; i++) printf "|--:"; print "|" }
	END	{ printf "\nMade: %s.\n", made }' "$1"
}

# NAME HEADING PLOT ...: what is known of it
section()
{
	table=$out/$1.tsv
	[ -e "$table" ] || return 0
	"draw_$1"
	printf '\n## %s\n\n' "$2"
	shift 2
	for plot; do
		printf '![%s](%s.svg)\n\n' "$plot" "$plot"
	done
	markdown "$table"
}

page()
{
	echo "# How cost grows"
	echo
	echo "Made by \`bench/growth.sh\`; not edited by hand. Each figure is what one client sees that asks"
	echo "again and again over the socket, without a web server; \`_us\` are microseconds."
	section tasks "Tasks kept" tasks memory
	section waiting "Clients that wait for a task" waiting
	section threads "Threads of one worker" threads
}

case ${1-all} in
tasks)	tasks_kept ;;
waiting) waiting_clients ;;
threads) threads_of_a_worker ;;
page)	;;
all)	tasks_kept; waiting_clients; threads_of_a_worker ;;
*)	echo "usage: $0 [tasks | waiting | threads | page]" >&2; exit 2 ;;
esac
page >"$out/README.md"
