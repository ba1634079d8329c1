# To be sourced by rows 5 and 6: deferd and a program in Python behind the same
# nginx, the one at /jobs, the other at all other paths.
#
# A client submits, waits for 10 ms, and asks at the Location until the answer is no
# 202 any more; only then a task counts.  It does the same with both, and without
# "Prefer: wait", which the other one does not know.  There are $CLIENTS of them,
# each with a connection of its own, enough to keep both busy.

. "${0%/*}/common.sh"

export PYTHONPATH="$bench/peers" PYTHONPYCACHEPREFIX="$dir/pycache"
need bench/http

# store: the task is a module that does nothing
start_deferd_with()
{
	{
		conf_head
		cat <<-END
			store = "$1"
			route "/*" { module = "answer.so" env = { "ANSWER_SECONDS=0" } }
		END
	} >"$dir/deferd.conf"
	start_deferd
}

# module, options: gunicorn with its threads, connections kept by nginx
start_gunicorn()
{
	module=$1
	shift
	spawn gunicorn /usr/bin/python3 -m gunicorn --bind "unix:$dir/gunicorn.sock" --worker-class gthread \
		--keep-alive 75 --worker-tmp-dir /dev/shm "$@" "$module:app"
	start_nginx "$(nginx_deferd)
		location / {
			proxy_pass http://peer;
			proxy_http_version 1.1;
			proxy_set_header Connection '';
		}" "upstream peer {
			server unix:$dir/gunicorn.sock;
			keepalive 64;
			keepalive_requests 1000000;
		}"
	tries=0
	until "$build/bench/http" -p "$port" -w 10 -n 1 -c 1 -k -W -e 200 /warm >/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || fail "the peer does not start"
		sleep 0.1
	done
}

whole_tasks()
{
	per_second -k -W -d 10 -c "${CLIENTS:-256}" -e 200 "$1"
}

ours()
{
	whole_tasks /jobs/task
}

theirs()
{
	whole_tasks /task
}
