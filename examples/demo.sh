#!/bin/sh
# Shows deferd at work: builds it, starts it behind an Apache of its own, asks
# for something slow, and fetches the answer.  Then it stays up for you.
#
# usage: examples/demo.sh [--once] [--port N]
#        examples/demo.sh --installed [--port N]
#
# Everything it makes is in build/ and in one directory under /tmp, which is
# removed at the end.  No service and no configuration of the system is
# touched; missing Debian packages are installed.
#
# With --installed it builds and starts nothing, and has the same conversation
# with the deferd of this machine, whose route for /hello must be answer.so (as
# it is after an installation).  Where there is nothing to build, as in
# /usr/share/doc, it does so by itself.

set -eu

usage="usage: $0 [--once] [--port N]
       $0 --installed [--port N]
  --once       end after the conversation, do not stay up
  --installed  have it with the deferd that is installed here, then end
  --port N     on 127.0.0.1:N, instead of 8080, or 80 with --installed"
top=$(cd "$(dirname "$0")/.." && pwd)
build=$top/build
port=
once=no
installed=no
[ -e "$top/configure.ac" ] || installed=yes

fail()
{
	printf '\n%s\n' "demo: $*" >&2
	exit 1
}

while [ $# -gt 0 ]; do
	case $1 in
	--once) once=yes ;;
	--installed) installed=yes ;;
	--port) [ $# -gt 1 ] || { echo "$usage" >&2; exit 2; }
		port=$2; shift ;;
	--port=*) port=${1#*=} ;;
	-h|--help) echo "$usage"; exit 0 ;;
	*) echo "$usage" >&2; exit 2 ;;
	esac
	shift
done
case $installed in
no) port=${port:-8080} seconds=5 ;;
*) port=${port:-80} seconds=10 once=yes ;;
esac
case $port in
*[!0-9]*) fail "--port: expected a number, got \"$port\"" ;;
esac
[ "$port" -ge 1 ] && [ "$port" -le 65535 ] || fail "--port: expected 1 to 65535, got $port"
base=http://127.0.0.1:$port/jobs

dir=$(mktemp -d /tmp/deferd-demo.XXXXXX)
chmod 755 "$dir"
deferd= apache=

# Called when this script ends, however it ends.
cleanup()
{
	trap - EXIT
	trap '' INT TERM HUP
	[ -z "$apache" ] || kill "$apache" 2>/dev/null || :
	[ -z "$deferd" ] || kill "$deferd" 2>/dev/null || :
	wait
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'echo; echo "Stopping."; exit 0' INT TERM HUP

get()
{
	curl -q -s --noproxy '*' --max-time 20 "$@"
}

# ---- 1, 2: install and build -------------------------------------------------

need_packages()
{
	. "$top/tests/packages.sh"
	packages_need $packages_build apache2-bin curl

	# 7 is curl's word for "nobody listens"
	listening=0
	get -o /dev/null "http://127.0.0.1:$port/" || listening=$?
	[ "$listening" = 7 ] || fail "port $port is in use. Choose another one: $0 --port N"
}

build_it()
{
	mkdir -p "$build"
	{
		[ -x "$top/configure" ] || (cd "$top" && ./autogen.sh)
		cd "$build"
		[ -e Makefile ] || "$top/configure" --quiet
		make -j "$(nproc)" all
	} >"$build/demo.log" 2>&1 || {
		tail -n 20 "$build/demo.log" >&2
		fail "the build failed; all of its output is in $build/demo.log"
	}
}

# ---- 3: start ----------------------------------------------------------------

# Started by root, deferd runs as three users: that is what it is made for.
# They must be able to reach the programs, wherever this tree is.
configure()
{
	mkdir "$dir/bin" "$dir/run" "$dir/state" "$dir/apache"
	for program in deferd deferd-master deferd-worker defer.cgi answer.so; do
		install -m 755 "$build/$program" "$dir/bin/"
	done
	users= apache_user=
	if [ "$(id -u)" = 0 ]; then
		users='user = "daemon"  run-as = "www-data"'
		apache_user='User www-data
Group www-data'
		chown daemon "$dir/state"
	fi
	chmod 700 "$dir/state"

	cat >"$dir/deferd.conf" <<END
socket     = "$dir/run/deferd.sock"
control    = "$dir/run/control.sock"
store      = "sqlite:$dir/state/tasks.db"
spool      = "$dir/state/spool"
module-dir = "$dir/bin"
drain      = 0
peers      = { "$([ -n "$users" ] && echo www-data || id -un)" }
$users
route "/*" { module = "answer.so"  env = { "ANSWER_SECONDS=$seconds" } }
END

	modules=/usr/lib/apache2/modules
	cat >"$dir/apache/apache.conf" <<END
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule alias_module $modules/mod_alias.so
LoadModule env_module $modules/mod_env.so
LoadModule headers_module $modules/mod_headers.so
LoadModule cgid_module $modules/mod_cgid.so
$apache_user
ServerName localhost
Listen 127.0.0.1:$port
DefaultRuntimeDir $dir/apache
PidFile $dir/apache/pid
ScriptSock $dir/apache/cgisock
Mutex file:$dir/apache default
ErrorLog $dir/apache/error.log
DocumentRoot $dir/apache
$(sed -e "s|/usr/lib/cgi-bin/defer.cgi|$dir/bin/defer.cgi|" \
	-e "s|/run/deferd/deferd.sock|$dir/run/deferd.sock|" "$top/examples/apache-mod_cgid.conf")
END
}

check_running()
{
	[ $installed = no ] || return 0
	kill -0 "$deferd" 2>/dev/null || {
		cat "$dir/deferd.log" >&2
		fail "deferd has ended, see above"
	}
	kill -0 "$apache" 2>/dev/null || {
		cat "$dir/apache/output" "$dir/apache/error.log" >&2 || :
		fail "Apache has ended, see above. If the port is in use: $0 --port N"
	}
}

start()
{
	DEFERD_LIBEXECDIR=$dir/bin setsid "$dir/bin/deferd" -f -c "$dir/deferd.conf" \
		>"$dir/deferd.log" 2>&1 &
	deferd=$!
	setsid /usr/sbin/apache2 -d "$dir/apache" -f "$dir/apache/apache.conf" -DFOREGROUND \
		>"$dir/apache/output" 2>&1 &
	apache=$!

	# The link of a task that never was says 404 as soon as all of it works.
	tries=0
	until [ "$(get -o /dev/null -w '%{http_code}' "$base/status/none")" = 404 ]; do
		check_running
		tries=$((tries + 1))
		[ $tries -lt 100 ] || { cat "$dir/deferd.log" >&2; fail "it does not start"; }
		sleep 0.1
	done
}

echo "deferd: a demonstration"
echo
if [ $installed = yes ]; then
	echo "Of the deferd that is installed here, at $base"
else
	echo "1. Looking for what is needed"
	need_packages
	echo "2. Building in $build"
	build_it
	configure
	echo "3. Starting deferd, and Apache with mod_cgid on 127.0.0.1:$port"
	start
fi

# ---- 4: the conversation -----------------------------------------------------

indent()
{
	tr -d '\r' | sed 's/^/    /'
	echo
}

echo
echo "The task sleeps for $seconds seconds and then answers. (It is examples/answer.c with"
echo "ANSWER_SECONDS=$seconds; the default is 10.) We ask for it, and have a reply at once:"
echo
echo "    \$ curl -i $base/hello"
get -i "$base/hello" >"$dir/reply" || fail "nobody answers at port $port"
indent <"$dir/reply"
grep -q '^HTTP/1.1 202' "$dir/reply" || fail "expected 202 Accepted"
link=$(tr -d '\r' <"$dir/reply" | sed -n 's/^Location: //p')
url=http://127.0.0.1:$port${link#http://127.0.0.1:"$port"}

echo "The link says 202 while the task runs:"
echo
printf '    $ curl -i %s\n' "$url"
start=$(date +%s)
while :; do
	get -i "$url" >"$dir/reply" || fail "no reply from the web server"
	status=$(head -n 1 "$dir/reply" | tr -d '\r')
	case $status in
	*202*)
		state=$(tr -d '\r' <"$dir/reply" | sed -n 's/^Deferd-State: //p')
		echo "    $status    ($state, after $(($(date +%s) - start)) s)" ;;
	*) break ;;
	esac
	[ $(($(date +%s) - start)) -lt $((seconds + 30)) ] || fail "the task does not end"
	check_running
	sleep 1
done
echo
echo "and when it has finished, the link is its response:"
echo
printf '    $ curl -i %s\n' "$url"
indent <"$dir/reply"
grep -q '^HTTP/1.1 200' "$dir/reply" || fail "expected 200 OK"
grep -q '"The answer is: hello"' "$dir/reply" || fail "expected \"The answer is: hello\""

[ $once = no ] || { echo "That was it."; exit 0; }

echo "Now you: open $base/your-name in a browser, or"
echo
echo "    curl -i $base/your-name"
echo
echo "deferd's log is $dir/deferd.log. Ctrl-C ends everything and cleans up."
while :; do
	check_running
	sleep 1
done
