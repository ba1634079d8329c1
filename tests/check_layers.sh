#!/bin/sh
# check_layers - who may include what (design.md 4).
#
# A room is a folder, and says which process its lines run in; all that is
# below tests/ is one room.  The walls between the processes would not stand
# long if a header could cross them, so this proves the includes on every `make
# check`: first of the tree, then of copies of it in which one rule is broken,
# each of which must be found.
#
#	tests/check_layers.sh [DIR]	DIR: the top of the sources
set -eu

# room			may include, beside the system: rooms, or single headers
ROOMS='
cgi			ipc/scgi.h
ctl			ipc ctl
ipc			ipc
daemon			ipc daemon
daemon/launcher		ipc daemon daemon/launcher
daemon/worker		ipc daemon daemon/worker
daemon/master		ipc daemon daemon/master daemon/store
daemon/store		ipc daemon daemon/master daemon/store
examples
tests			cgi ctl ipc daemon daemon/launcher daemon/worker daemon/master daemon/store tests
'

# Inside the master's two rooms calls go down only: a module includes what
# stands below its line, nothing beside it or above.  A "+" joins what is one
# thing in several files, and only these include its private header; files like
# sched_run.c are known by the word before the "_".
LADDER='
main
server
conn
intake outlet route claim
operate
sched view
proc+slot+worker table owner
job stats filter
memory sqlite
store+backend+check
body work task wire stream clock prefer accept range expose chart leave
field hist problem usage jail
'

# library header	who may include it
LIBRARIES='
check.h			tests
confuse.h		daemon/conf_read.c
event2/			daemon/master daemon/store tests
jansson.h		ctl daemon/master tests
sqlite3.h		daemon/store/sqlite_priv.h tests
sha2.h			daemon/master daemon/store
seccomp.h		daemon/master/jail.c daemon/worker/confine.c
uuid			daemon/master
uthash.h		daemon/master daemon/store daemon/worker
utlist.h		daemon/launcher daemon/master daemon/store daemon/worker
pthread.h		daemon/store daemon/worker tests
syslog.h		daemon/log_sink.c
deferd.h		examples tests
'

# Prints a line for each violation under the directory; fails if there is one.
check()
{
	(cd "$1" &&
	find cgi ctl ipc daemon examples tests -name '*.[ch]' -type f \
		2>/dev/null | LC_ALL=C sort |
	ROOMS=$ROOMS LADDER=$LADDER LIBRARIES=$LIBRARIES \
		xargs awk "$RULES" /dev/null)
}

# shellcheck disable=SC2016
RULES='
function room(path)	{ sub(/\/[^\/]*$/, "", path); sub(/^tests\/.*/, "tests", path); return path }
function module(path)	{ sub(/.*\//, "", path); sub(/[._].*/, "", path); return path }
function in_ladder(at)	{ return at == "daemon/master" || at == "daemon/store" }

function wrong(why) {
	printf "%s:%d: <%s> %s\n", FILENAME, FNR, inc, why
	bad = 1
}

# Whether a list of rooms and files has this file in it.
function listed(list, path,	n, i, item) {
	n = split(list, item)
	for (i = 1; i <= n; i++)
		if (item[i] == path || item[i] == room(path))
			return 1
	return 0
}

function ours(		from, to) {
	from = room(FILENAME)
	if (!(room(inc) in may))
		return wrong("is no path from the top of the tree")
	if (!(from in may))
		return wrong("is included from a room without a rule")
	if (!listed(may[from], inc))
		return wrong("belongs to a room that " from "/ may not look into")
	if (!in_ladder(from) || !in_ladder(room(inc)))
		return
	from = module(FILENAME)
	to = module(inc)
	if (!(from in rung))
		return wrong("is included by a module without a place in the ladder")
	if (!(to in rung))
		return wrong("has no place in the ladder")
	if (thing[from] == thing[to])
		return
	if (inc ~ /_priv\.h$/)
		return wrong("is private to " to)
	if (rung[to] <= rung[from])
		return wrong("does not stand below " from)
}

function library(	name) {
	for (name in users)
		if (index(inc, name) == 1 && !listed(users[name], FILENAME))
			return wrong("is for " users[name] " only")
}

BEGIN {
	n = split(ENVIRON["ROOMS"], line, "\n")
	for (i = 1; i <= n; i++)
		if (split(line[i], word) > 0) {
			name = word[1]
			sub(/^[^ \t]*/, "", line[i])
			may[name] = line[i]
		}
	n = split(ENVIRON["LIBRARIES"], line, "\n")
	for (i = 1; i <= n; i++)
		if (split(line[i], word) > 0) {
			name = word[1]
			sub(/^[^ \t]*[ \t]*/, "", line[i])
			users[name] = line[i]
		}
	n = split(ENVIRON["LADDER"], line, "\n")
	for (i = 1; i <= n; i++) {
		k = split(line[i], word)
		for (j = 1; j <= k; j++) {
			m = split(word[j], part, "+")
			while (m > 0) {
				rung[part[m]] = i
				thing[part[m--]] = word[j]
			}
		}
	}
}

/^[ \t]*#[ \t]*include[ \t]*["<]/ {
	quoted = $0 ~ /include[ \t]*"/
	inc = $0
	sub(/^[^"<]*["<]/, "", inc)
	sub(/[">].*/, "", inc)
	if (inc ~ /^\.\.?\// || inc ~ /\/\.\.?\//)
		wrong("is a relative path")
	else if (quoted && inc != "config.h")
		ours()
	else if (!quoted)
		library()
}

END { exit bad }
'

# Breaks one rule in a copy of the tree, and expects that it is found.
plant()
{
	cp -R "$work/clean" "$work/broken"
	mkdir -p "$(dirname "$work/broken/$1")"
	printf '#include %s\n' "$2" >>"$work/broken/$1"
	if check "$work/broken" >"$work/out"; then
		echo "not found: $1 includes $2"
		status=1
	elif ! grep -q "^$1:" "$work/out"; then
		echo "wrong place: $1 includes $2"
		status=1
	fi
	rm -rf "$work/broken"
}

top=${1:-${top_srcdir:-$(dirname "$0")/..}}
status=0
check "$top" || status=1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/clean"
(cd "$top" && find cgi ctl ipc daemon -name '*.[ch]' -type f) |
	while read -r file; do
		mkdir -p "$work/clean/$(dirname "$file")"
		cp "$top/$file" "$work/clean/$file"
	done
# what is wrong with the tree itself has been said above
check "$work/clean" >/dev/null || exit 1

plant cgi/defer.c		'"ipc/buf.h"'
plant ctl/talk.c			'"daemon/conf.h"'
plant ctl/main.c		'<event2/event.h>'
plant daemon/log.c		'"ctl/text.h"'
plant ipc/scgi.c		'"daemon/log.h"'
plant daemon/conf.c		'"daemon/launcher/spawn.h"'
plant daemon/launcher/main.c	'"daemon/master/task.h"'
plant daemon/launcher/main.c	'"daemon/worker/exec.h"'
plant daemon/worker/exec.c	'"daemon/store/body.h"'
plant daemon/worker/exec.c	'"daemon/launcher/spawn.h"'
plant daemon/master/task.h	'"daemon/worker/deferd.h"'
plant daemon/store/store.c	'"daemon/launcher/spawn.h"'
plant daemon/master/task.c	'"daemon/master/table.h"'
plant daemon/master/table.c	'"daemon/master/sched.h"'
plant daemon/master/sched.c	'"daemon/master/view.h"'
plant daemon/master/proc.c	'"daemon/master/sched.h"'
plant daemon/master/view.c	'"daemon/master/conn.h"'
plant daemon/master/route.c	'"daemon/master/conn.h"'
plant daemon/master/conn.c	'"daemon/master/server.h"'
plant daemon/master/sched_run.c	'"daemon/master/view.h"'
plant daemon/master/conn.c	'"daemon/master/sched_priv.h"'
plant daemon/store/memory.c	'"daemon/master/table.h"'
plant daemon/store/memory.c	'"daemon/store/store_priv.h"'
plant daemon/store/work.c	'"daemon/store/store.h"'
plant daemon/master/field.c	'"daemon/master/range.h"'
plant daemon/master/new.c	'"daemon/master/task.h"'
plant daemon/master/task.c	'"daemon/master/new.h"'
plant daemon/worker/exec.c	'"tests/fuzz/fuzz.h"'
plant daemon/worker/exec.c	'"exec.h"'
plant daemon/worker/exec.c	'"../log.h"'
plant daemon/worker/exec.c	'"daemon/worker/../log.h"'
plant daemon/worker/pool.c	'<event2/event.h>'
plant daemon/launcher/spawn.c	'<event2/event.h>'
plant daemon/launcher/main.c	'<confuse.h>'
plant daemon/store/memory.c	'<sqlite3.h>'
plant daemon/worker/exec.c	'<jansson.h>'
plant daemon/worker/exec.c	'<seccomp.h>'
plant ipc/buf.c			'<uuid.h>'
plant ipc/buf.c			'<check.h>'

exit $status
