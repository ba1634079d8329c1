# To be sourced by rows 5 and 6: deferd and a program in Python behind the same
# nginx, the one at /jobs, the other at all other paths.
#
# A client submits, waits for 10 ms, and asks at the Location until the answer is no
# 202 any more; only then a task counts.  It does the same with both, and without
# "Prefer: wait", which the other one does not know.  Each client has a connection of
# its own, and there are as many as suit the side best: too many slow Python down.

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

# how many clients, path
whole_tasks()
{
	per_second -k -W -d 10 -c "$1" -e 200 "$2"
}

ours()
{
	whole_tasks "${CLIENTS:-256}" /jobs/task
}

theirs()
{
	whole_tasks "$PEER_CLIENTS" /task
}
