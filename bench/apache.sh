# To be sourced by rows 1 and 2: Apache with mod_cgid, Debian's default, and behind
# the same one the door at /jobs and what it is measured against.

. "${0%/*}/common.sh"

# start_apache LINES: on $port; the event MPM as Apache comes, no access log
start_apache()
{
	port=$(free_port)
	modules=/usr/lib/apache2/modules
	cat >"$dir/apache.conf" <<-END
		LoadModule mpm_event_module $modules/mod_mpm_event.so
		LoadModule authz_core_module $modules/mod_authz_core.so
		LoadModule alias_module $modules/mod_alias.so
		LoadModule env_module $modules/mod_env.so
		LoadModule headers_module $modules/mod_headers.so
		LoadModule cgid_module $modules/mod_cgid.so
		$([ "$(id -u)" != 0 ] || printf 'User www-data\nGroup www-data')
		ServerName localhost
		Listen 127.0.0.1:$port
		DefaultRuntimeDir $dir
		PidFile $dir/apache.pid
		ScriptSock $dir/cgisock
		Mutex file:$dir default
		ErrorLog $dir/apache.log
		DocumentRoot $dir/bin
		MaxKeepAliveRequests 0
		$1
		$(sed -e "s|/usr/lib/cgi-bin/defer.cgi|$dir/bin/defer.cgi|" \
			-e "s|/run/deferd/deferd.sock|$dir/deferd.sock|" \
			"$top/examples/apache-mod_cgid.conf")
	END
	spawn apache /usr/sbin/apache2 -d "$dir" -f "$dir/apache.conf" -DFOREGROUND
	"$build/bench/http" -p "$port" -w 10 -n 1 -k /jobs/warm >/dev/null ||
		fail "Apache does not start"
}

# A submission is a GET, since a program that only prints leaves a body unread,
# and Apache may lose its answer then.  Its task does nothing.
submissions()
{
	per_second -k -c "${CLIENTS:-32}" "$1"
}

ours()
{
	submissions /jobs/task
}

need defer.cgi bench/http
{
	conf_head
	echo 'store = "memory" keep = 10 threads = 2'
	echo 'queue = 1000000'
	echo 'route "/later" { module = "answer.so" env = { "ANSWER_SECONDS=86400" } max-running = 1 }'
	echo 'route "/*" { module = "answer.so" env = { "ANSWER_SECONDS=0" } }'
} >"$dir/deferd.conf"
start_deferd
