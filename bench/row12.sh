#!/bin/sh
# Row 12: the 99th percentile of a status query, of a queued and of a finished
# task, while 50 clients download a gigabyte each through nginx, 1,000 clients
# wait for a task, and 64 submit without pause to SQLite; beside a query to the
# fixed responder under the same load: it goes on while the one is asked, and
# while the other is.
#
# DOWNLOADS WAITING CLIENTS	instead of so many
. "$(dirname "$0")/common.sh"
. "$bench/core.sh"
. "$bench/gigabyte.sh"

: "${DOWNLOADS:=50}" "${WAITING:=1000}" "${CLIENTS:=64}"
need bench/load bench/http bench/fixed
bring answer.so
wanted='<=3' unit=us

start_load()
{
	spawn downloads "$build/bench/http" -p "$port" -c "$DOWNLOADS" -t 600 -e 200 "/jobs$gigabyte"
	spawn waiting "$build/bench/load" -s "$dir/deferd.sock" -c "$WAITING" -t 600 \
		-m GET -b 0 -P wait=30 "$running"
	spawn submitting "$build/bench/load" -s "$dir/deferd.sock" -c "$CLIENTS" -t 600 /task
	sleep 1
}

# socket, link, its status
p99()
{
	"$build/bench/load" -s "$1" -c 1 -i 1000 -t "$SECONDS_EACH" -m GET -b 0 -e "$3" "$2" >"$dir/out"
	[ "$(value other <"$dir/out")" = 0 ] || fail "other answers: $(cat "$dir/out")"
	value p99_us <"$dir/out"
}

measure()
{
	us=$(p99 "$dir/deferd.sock" "$queued" 202)
	them=$(p99 "$dir/fixed.sock" "$queued" 202)
	finished_us=$(p99 "$dir/deferd.sock" "$finished" 200)
	row=12a what="p99 of a status under load, queued task; a fixed 202 beside it"
	line "$us" "$them" "$(calc "$us / $them")"
	row=12b what="p99 of a status under load, finished task; a fixed 202 beside it"
	line "$finished_us" "$them" "$(calc "$finished_us / $them")"
}

spawn fixed "$build/bench/fixed" "$dir/fixed.sock"
deferd_with sqlite "workers = 1 threads = 2
	max-waiting = $((WAITING + 100))
	$gigabyte_route
	route \"/quick\" { module = \"answer.so\" env = { \"ANSWER_SECONDS=0\" } }
	route \"/*\" { module = \"answer.so\" env = { \"ANSWER_SECONDS=86400\" } max-running = 1 }"
start_nginx "$(nginx_deferd)" "scgi_max_temp_file_size 0;"
"$build/bench/http" -p "$port" -w 10 -c 1 -n 1 -e 404 /none >"$dir/out"
make_gigabyte
running=$(link_of /task) queued=$(link_of /task) finished=$(link_of /quick)
wait_finished "$finished"
for run in $(seq "$RUNS"); do
	start_load
	measure
	terminate "$downloads" "$waiting" "$submitting"
done
