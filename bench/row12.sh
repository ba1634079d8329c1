#!/bin/sh
# Row 12: the 99th percentile of a status query, of a queued and of a finished
# task, under load: 50 clients download a gigabyte each through nginx, 1,000
# clients wait for a task, and 64 submit without pause, to SQLite.
#
# Beside it stands the fixed responder in deferd's place: it bears the same load.
# The same clients download a file that it sends with sendfile, through the same
# nginx; the same 1,000 wait at it, and the same 64 submit as often as deferd has
# let them (without pause it would have a queue all the time, since it has nothing
# to wait for).  The ratio says how much longer one waits for a status because
# deferd parses, decides, keeps and commits.
#
# For what an administrator feels there is a second figure (12c, 12d; nothing is
# promised of it): the same status beside a responder that has nothing else to
# do, on the machine that deferd keeps busy.  Whoever sleeps until he is asked is
# put before those who work; that difference is the kernel's, and so it says how
# far from an idle machine one is, and not what deferd adds.
#
# DOWNLOADS WAITING CLIENTS	instead of so many
. "$(dirname "$0")/common.sh"
. "$bench/core.sh"
. "$bench/gigabyte.sh"

: "${DOWNLOADS:=50}" "${WAITING:=1000}" "${CLIENTS:=64}"
need bench/load bench/http bench/fixed
bring answer.so
wanted='<=3' unit=us

# load_on DOWNLOAD WAIT_SOCKET SUBMIT_SOCKET RATE: 0 is without pause
load_on()
{
	spawn downloads "$build/bench/http" -p "$port" -c "$DOWNLOADS" -t 600 -e 200 "$1"
	spawn waiting "$build/bench/load" -s "$2" -c "$WAITING" -t 600 \
		-m GET -b 0 -P wait=30 "$running"
	spawn submitting "$build/bench/load" -s "$3" -c "$CLIENTS" -t 600 -r "$4" /task
	sleep 1
}

unload()
{
	terminate "$downloads" "$waiting" "$submitting"
}

# socket, link, its status
p99()
{
	"$build/bench/load" -s "$1" -c 1 -i 1000 -t "$SECONDS_EACH" -m GET -b 0 -e "$3" "$2" >"$dir/out"
	[ "$(value other <"$dir/out")" = 0 ] || fail "other answers: $(cat "$dir/out")"
	value p99_us <"$dir/out"
}

# row, ours, theirs, what
compare()
{
	row=$1 what=$4
	line "$2" "$3" "$(calc "$2 / $3")"
}

# What is submitted stays queued.
begin_counting()
{
	had=$(tasks queued) since=$(date +%s%N)
}

per_second_since()
{
	echo $((($(tasks queued) - had) * 1000000000 / ($(date +%s%N) - since)))
}

measure()
{
	load_on "/jobs$gigabyte" "$dir/deferd.sock" "$dir/deferd.sock" 0
	begin_counting
	queued_us=$(p99 "$dir/deferd.sock" "$queued" 202)
	finished_us=$(p99 "$dir/deferd.sock" "$finished" 200)
	idle_us=$(p99 "$dir/idle.sock" "$queued" 202)
	rate=$(per_second_since)
	unload
	load_on /fixed "$dir/wait.sock" "$dir/fixed.sock" "$rate"
	fixed_us=$(p99 "$dir/fixed.sock" "$queued" 202)
	unload
	echo "  $rate submissions/s" >&2
}

say()
{
	wanted='<=3'
	compare 12a "$queued_us" "$fixed_us" "p99 of a status, queued task; a fixed 202; each under load"
	compare 12b "$finished_us" "$fixed_us" "p99 of a status, finished task; a fixed 202; each under load"
	wanted=-
	compare 12c "$queued_us" "$idle_us" "12a beside a fixed 202 that bears no load"
	compare 12d "$finished_us" "$idle_us" "12b beside a fixed 202 that bears no load"
}

head -c 1000000000 /dev/zero >"$dir/file"
spawn fixed "$build/bench/fixed" "$dir/fixed.sock" -f "$dir/file" "$dir/file.sock" -w "$dir/wait.sock"
spawn idle "$build/bench/fixed" "$dir/idle.sock"
until [ -S "$dir/wait.sock" ]; do sleep 0.1; done
chmod 666 "$dir/file.sock"
deferd_with sqlite "workers = 1 threads = 2
	max-waiting = $((WAITING + 100))
	$gigabyte_route
	route \"/quick\" { module = \"answer.so\" env = { \"ANSWER_SECONDS=0\" } }
	route \"/*\" { module = \"answer.so\" env = { \"ANSWER_SECONDS=86400\" } max-running = 1 }"
start_nginx "$(nginx_deferd)
	location /fixed { include scgi_params; scgi_pass unix:$dir/file.sock; }" \
	"scgi_max_temp_file_size 0;"
"$build/bench/http" -p "$port" -w 10 -c 1 -n 1 -e 404 /none >"$dir/out"
make_gigabyte
running=$(link_of /task) queued=$(link_of /task) finished=$(link_of /quick)
wait_finished "$finished"
for run in $(seq "$RUNS"); do
	measure
	say
done
