# To be sourced by the scripts of the rows: a directory of their own, servers that
# end with them, and measuring in turn.  run.sh says what a row prints.
#
# Sets $bench (the sources), $build (where the programs are) and $dir, the
# directory; it is the web server's too.

set -eu

bench=$(cd "$(dirname "$0")" && pwd)
top=${bench%/*}
build=$(pwd)
: "${RUNS:=5}" "${SECONDS_EACH:=4}" "${QUICK:=}"
cores=$(nproc)
[ -e config.status ] || { echo "$0: run it from a build directory" >&2; exit 2; }

. "$bench/shares.sh"
dir=$(mktemp -d "${TMPDIR:-/tmp}/deferd-bench-XXXXXX")
chmod 755 "$dir"
servers=

# -- servers: each one is a process group of its own -----------------------------

# spawn NAME COMMAND ...: $NAME is its process then; it writes to $dir/NAME.log
spawn()
{
	spawned=$1
	shift
	setsid "$@" >>"$dir/$spawned.log" 2>&1 &
	eval "$spawned=\$!"
	servers="$servers $!"
}

# terminate PROCESS ...: all of their groups; after 5 seconds by force
terminate()
{
	for group; do
		kill -s TERM -- "-$group" 2>/dev/null || continue
		tries=0
		while kill -s 0 -- "-$group" 2>/dev/null && [ $tries -lt 50 ]; do
			sleep 0.1
			tries=$((tries + 1))
		done
		kill -s KILL -- "-$group" 2>/dev/null || :
		wait "$group" 2>/dev/null || :
	done
}

cleanup()
{
	trap '' INT TERM HUP PIPE
	trap - EXIT
	shares_back
	# shellcheck disable=SC2086
	terminate $servers
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP PIPE
shares_off

fail()
{
	echo "$0: $*" >&2
	tail -n 5 "$dir"/*.log >&2 2>/dev/null || :
	exit 1
}

need()
{
	make -s "$@" >&2
}

free_port()
{
	python3 -c '
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

# -- deferd ----------------------------------------------------------------------

# The lines of deferd.conf that all rows share; rows add theirs.  Logged is
# what deferd always logs: three lines a task.
conf_head()
{
	mkdir -p "$dir/bin" "$dir/state"
	cp "$build/defer.cgi" "$build/answer.so" "$dir/bin"
	cat <<-END
		socket = "$dir/deferd.sock"
		control = ""
		spool = "$dir/state/spool"
		module-dir = "$dir/bin"
		drain = 0
		mount = "/jobs"
	END
	if [ "$(id -u)" = 0 ]; then
		chown daemon "$dir/state"
		echo 'user = "daemon" run-as = "www-data" peers = { "root", "www-data" }'
	fi
	chmod 700 "$dir/state"
}

# With $dir/deferd.conf; returns when it answers.
start_deferd()
{
	need bench/load
	DEFERD_LIBEXECDIR=$build spawn deferd "$build/deferd" -f -c "$dir/deferd.conf"
	"$build/bench/load" -s "$dir/deferd.sock" -w 20 -m GET -b 0 \
		/status/00000000000000000000000000000000 || fail "deferd does not start"
}

# The link of a task that is submitted to this path, behind the mount.
link_at()
{
	"$build/bench/load" -s "$dir/deferd.sock" -M /jobs -m GET -b 0 -c 1 -n 1 -p "$1" |
		tr -d '\r' | sed -n 's/^Location: //p'
}

# path, file: what deferd answers to a GET of it goes there
keep_answer()
{
	"$build/bench/load" -s "$dir/deferd.sock" -M /jobs -m GET -b 0 -c 1 -n 1 -p "$1" |
		sed '$d' >"$2"
}

# -- web servers, on $port -------------------------------------------------------

# start_nginx LOCATIONS: a worker for each core, no access log
start_nginx()
{
	port=$(free_port)
	mkdir -p "$dir/nginx"
	cat >"$dir/nginx/conf" <<-END
		$([ "$(id -u)" != 0 ] || echo 'user www-data;')
		daemon off;
		worker_processes auto;
		pid $dir/nginx/pid;
		events { worker_connections 4096; }
		http {
			access_log off;
			keepalive_requests 1000000;
			client_body_temp_path $dir/nginx/body;
			proxy_temp_path $dir/nginx/proxy;
			fastcgi_temp_path $dir/nginx/fastcgi;
			uwsgi_temp_path $dir/nginx/uwsgi;
			scgi_temp_path $dir/nginx/scgi;
			$2
			server {
				listen 127.0.0.1:$port backlog=4096;
				$1
			}
		}
	END
	cp /etc/nginx/scgi_params "$dir/nginx"
	spawn nginx /usr/sbin/nginx -p "$dir/nginx" -c "$dir/nginx/conf" -e stderr
}

# deferd's location: the example, with this socket
nginx_deferd()
{
	sed "s|/run/deferd/deferd.sock|$dir/deferd.sock|" "$top/examples/nginx.conf"
}

# -- measuring -------------------------------------------------------------------

# name: its value in a line of name=value
value()
{
	sed -n "s/.*\\b$1=\\([-0-9.]*\\).*/\\1/p"
}

# requests per second of bench/http, at $port, for $seconds
per_second()
{
	"$build/bench/http" -p "$port" -t "$seconds" "$@" >"$dir/http.out" ||
		fail "no answers to http $*"
	[ "$(value broken <"$dir/http.out")" = 0 ] && [ "$(value other <"$dir/http.out")" = 0 ] ||
		echo "  http $*: $(cat "$dir/http.out")" >&2
	value per_second <"$dir/http.out"
}

# in_turn ROW WANTED UNIT WHAT: the functions ours and theirs print a figure, and
# have $seconds for it.  Once to get warm, then RUNS times.
in_turn()
{
	seconds=1
	ours >/dev/null
	theirs >/dev/null
	seconds=$SECONDS_EACH
	for run in $(seq "$RUNS"); do
		us=$(ours)
		them=$(theirs)
		echo "row=$1 ours=$us theirs=$them" \
			"ratio=$(awk "BEGIN { printf \"%.3f\", $us / $them }")" \
			"wanted=$2 unit=$3 what=$4"
	done
}
