# To be sourced behind common.sh: deferd by itself, without a web server.

# bring PROGRAM ...: to where deferd runs them
bring()
{
	mkdir -p "$dir/bin"
	(cd "$build" && cp "$@" "$dir/bin")
}

# deferd_with STORE LINES: another one, with nothing in it ("memory", or "sqlite")
deferd_with()
{
	stop_deferd
	rm -rf "$dir/state"
	again_with "$@"
}

# The same, but what it had is still there.
again_with()
{
	[ "$1" != sqlite ] || set -- "sqlite:$dir/state/tasks.db" "$2"
	{
		conf_head | sed '/^control/d'
		cat <<-END
			control = "$dir/control.sock"
			store = "$1"
			keep = 86400
			queue = 10000000
			max-tasks = 100000000
			max-store = "64G"
			max-response = "2G"
			$2
		END
	} >"$dir/deferd.conf"
	start_deferd
}

stop_deferd()
{
	[ -n "${deferd:-}" ] || return 0
	terminate "$deferd"
	deferd=
}

# One request to the operator's socket; what it answers, "Status:" line and all
operate()
{
	"$build/bench/load" -s "$dir/control.sock" -c 1 -n 1 -b 0 -h 0 -p -m "$@"
}

# So many tasks have this state.
tasks()
{
	operate GET /stats | sed -n "s/.*\"tasks\":{[^}]*\"$1\":\\([0-9]*\\).*/\\1/p"
}

# load with requests as web servers send them, to deferd
submit()
{
	"$build/bench/load" -s "$dir/deferd.sock" "$@"
}

# The link of a task that is submitted to this path.
link_of()
{
	submit -n 1 -c 1 -b 0 -p "$1" | tr -d '\r' | sed -n 's,^Location: /bench,,p'
}

# wait_finished LINK: until it answers 200
wait_finished()
{
	until submit -n 1 -c 1 -b 0 -m GET -e 200 "$1" | grep -q 'ok=1 '; do
		sleep 0.1
	done
}

master()
{
	pgrep -P "$deferd" deferd-master
}

# Its memory, in bytes: what is its own
memory_of_master()
{
	awk '/^RssAnon/ { printf "%d\n", $2 * 1024 }' "/proc/$(master)/status"
}

median()
{
	sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# An expression of awk's, with three digits behind the point.
calc()
{
	awk "BEGIN { printf \"%.3f\", $* }"
}

# row OURS THEIRS RATIO: the line; $row $wanted $unit $what say the rest
line()
{
	echo "row=$row ours=$1 theirs=$2 ratio=$3 wanted=$wanted unit=$unit what=$what"
}

# Unix time in milliseconds of the latest "finished" of the last tasks
last_finished()
{
	operate GET "/tasks" >"$dir/tasks"
	date -d "$(grep -o '"finished":"[^"]*"' "$dir/tasks" | cut -d'"' -f4 | sort | tail -n 1)" +%s%3N
}

# drained PATH COUNT: tasks per second, from a queue that was filled while deferd
# was paused: from the resume to the end of the last of them
drained()
{
	operate POST /pause >"$dir/out"
	before=$(tasks succeeded)
	submit -n "$2" -t 600 -b 0 "$1" >"$dir/out"
	began=$(date +%s%3N)
	operate POST /resume >"$dir/out"
	until [ "$(tasks succeeded)" -ge $((before + $2)) ]; do
		[ "$(tasks failed)" = 0 ] || fail "a task has failed"
		sleep 0.2
	done
	calc "$2 * 1000 / ($(last_finished) - $began)"
}
