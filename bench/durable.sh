#!/bin/sh
# What durability costs: the three measurements of README.md, each one command.
#
#	bench/durable.sh submit		durable submissions per second
#	bench/durable.sh status		status queries while submissions come in
#	bench/durable.sh start		the start with a million tasks
#	bench/durable.sh		all of them
#
# From a build directory (../bench/durable.sh).  Builds what it needs, works in
# a directory of its own under TMPDIR (which must be on a disk), leaves nothing.
#
# RUNS		how often each side is measured, in turn (5); the median counts
# SECONDS_EACH	how long (5)
# CLIENTS	that submit (64)
# TASKS		for start (1000000)

set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$(pwd)
RUNS=${RUNS-5} SECONDS_EACH=${SECONDS_EACH-5} CLIENTS=${CLIENTS-64} TASKS=${TASKS-1000000}
HEAD=1024 BODY=256
. "$here/million.sh"
. "$here/shares.sh"
programs="deferd deferd-master deferd-worker answer.so bench/load bench/fixed bench/bare"

[ -f Makefile ] || { echo "run it from a build directory" >&2; exit 2; }
# shellcheck disable=SC2086
make -s $programs

dir=$(mktemp -d "${TMPDIR:-/tmp}/deferd-bench-XXXXXX")
daemon= fixed=

cleanup()
{
	shares_back
	stop
	[ -z "$fixed" ] || kill "$fixed"
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP
shares_off

# -- the daemon ---------------------------------------------------------------

# One task runs and sleeps; all others are accepted and stay queued, so that
# only accepting is measured.
configure()
{
	if [ "$(id -u)" = 0 ]; then
		users='user = "daemon" run-as = "www-data" peers = { "root" }'
		chmod 711 "$dir"
		install -d -o daemon -m 700 "$dir/state" "$dir/spool"
	else
		users=
		mkdir -p -m 700 "$dir/state" "$dir/spool"
	fi
	cat >"$dir/conf" <<-END
		socket = "$dir/socket"
		control = ""
		store = "$1"
		spool = "$dir/spool"
		module-dir = "$dir"
		$users
		workers = 1
		threads = 2
		drain = 0
		keep = 86400
		queue = 10000000
		max-tasks = 100000000
		max-store = "64G"
		route "/quick" { module = "answer.so" env = { "ANSWER_SECONDS=0" } }
		route "/*" { module = "answer.so" env = { "ANSWER_SECONDS=86400" } max-running = 1 }
	END
	cp "$build/answer.so" "$dir"
}

start()
{
	DEFERD_LIBEXECDIR=$build "$build/deferd" -f -c "$dir/conf" >>"$dir/log" 2>&1 &
	daemon=$!
	"$build/bench/load" -s "$dir/socket" -w 600 -m GET -b 0 \
		/status/00000000000000000000000000000000 ||
		{ cat "$dir/log" >&2; exit 1; }
}

stop()
{
	[ -n "$daemon" ] || return 0
	kill "$daemon"
	wait "$daemon" || true
	daemon=
}

fresh()
{
	stop
	rm -rf "$dir/state" "$dir/spool"
	configure "${1-sqlite:$dir/state/tasks.db}"
	start
}

master()
{
	pgrep -P "$daemon" deferd-master
}

# -- figures --------------------------------------------------------------------

# name: its value in a line of name=value
value()
{
	sed -n "s/.*\\b$1=\\([0-9.]*\\).*/\\1/p"
}

median()
{
	sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# file A, file B: line by line A / B, the median
ratio()
{
	paste "$1" "$2" | awk '{ printf "%.2f\n", $1 / $2 }' | median
}

load()
{
	"$build/bench/load" -h $HEAD "$@"
}

submit_to()
{
	load -s "$1" -c "$CLIENTS" -t "$SECONDS_EACH" -b $BODY /task
}

# How many transactions SQLite has committed in the file since it is open: it
# counts them in the third word of the index of its log.
commits()
{
	od -An -tu4 -j8 -N4 "$dir/state/tasks.db-shm"
}

# The same rows in the same batches: both as they were in the run before.
bare()
{
	rm -f "$dir"/bare.db*
	"$build/bench/bare" "$dir/state/tasks.db" "$dir/bare.db" "$1"
}

submit()
{
	echo "submit: $CLIENTS clients"
	for i in $(seq "$RUNS"); do
		fresh
		before=$(commits)
		submit_to "$dir/socket" >"$dir/out"
		after=$(commits)
		stop
		echo "  deferd  $(cat "$dir/out")"
		value per_s <"$dir/out" >>"$dir/deferd.rate"
		bare $(($(value ok <"$dir/out") / (after - before))) >"$dir/out"
		echo "  bare    $(cat "$dir/out")"
		value per_s <"$dir/out" >>"$dir/bare.rate"
	done
	echo "submit: deferd $(median <"$dir/deferd.rate")/s, bare $(median <"$dir/bare.rate")/s," \
		"ratio $(ratio "$dir/deferd.rate" "$dir/bare.rate") (wanted: 0.6 or more)"
}

# The link of a task that is submitted to this path.
link_of()
{
	load -s "$dir/socket" -n 1 -b 0 -p "$1" | tr -d '\r' | sed -n 's,^Location: /bench,,p'
}

# socket, link, its status, name: about a thousand queries a second, while CLIENTS submit without pause
status_of()
{
	submit_to "$1" >"$dir/out.submit" &
	submitter=$!
	load -s "$1" -c 1 -i 1000 -t $((SECONDS_EACH - 1)) -e "$3" -m GET -b 0 "$2" \
		>"$dir/out"
	wait "$submitter"
	echo "  $4  $(cat "$dir/out"); submissions: $(value per_s <"$dir/out.submit")/s"
	value p99_us <"$dir/out" >>"$dir/$4.p99"
}

status()
{
	echo "status: a thousand queries a second while $CLIENTS clients submit"
	"$build/bench/fixed" "$dir/fixed" &
	fixed=$!
	for i in $(seq "$RUNS"); do
		fresh
		link_of /task >"$dir/out"	# it runs; the next one is queued
		queued=$(link_of /task) finished=$(link_of /quick)
		status_of "$dir/socket" "$queued" 202 queued
		status_of "$dir/socket" "$finished" 200 finished
		stop
		status_of "$dir/fixed" "$queued" 202 fixed
	done
	kill "$fixed"
	fixed=
	for what in queued finished; do
		echo "status: p99 $what $(median <"$dir/$what.p99") us," \
			"fixed $(median <"$dir/fixed.p99") us," \
			"ratio $(ratio "$dir/$what.p99" "$dir/fixed.p99") (wanted: 3 or less)"
	done
}

memory_of_master()
{
	awk '/^(VmHWM|RssAnon)/ { printf "%s %d KiB ", $1, $2 }' "/proc/$(master)/status"
}


started_with()
{
	fresh
	stop
	fill "$1" "$2"
	rm -f "$dir/$1.ms"
	for i in $(seq "$RUNS"); do
		began=$(date +%s%N)
		start
		echo $((($(date +%s%N) - began) / 1000000)) >>"$dir/$1.ms"
		memory=$(memory_of_master)
		stop
	done
	echo "start: $TASKS $1: $(median <"$dir/$1.ms") ms to the first answer; $memory"
}

start_up()
{
	fresh
	stop
	began=$(date +%s%N)
	start
	echo "start: no tasks: $((($(date +%s%N) - began) / 1000000)) ms; $(memory_of_master)"
	started_with succeeded 1
	started_with queued 0
}

case ${1-all} in
submit)	submit ;;
status)	status ;;
start)	start_up ;;
all)	submit; status; start_up ;;
*)	echo "usage: $0 [submit | status | start]" >&2; exit 2 ;;
esac
