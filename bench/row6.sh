#!/bin/sh
# Row 6: whole tasks (submitted, run, fetched), kept in SQLite and on the disk before
# the 202, beside Flask, Celery and Redis, which forget them when the power fails.
# On 2 cores one process of Celery's was faster than two, one thread of gunicorn's
# than four, and 64 clients did best; on more cores there is a process for each.

. "${0%/*}/python.sh"

export BROKER="$dir/redis.sock"
spawn redis redis-server --port 0 --unixsocket "$BROKER" --unixsocketperm 777 \
	--save '' --appendonly no --dir "$dir"
pool=prefork
[ "$cores" -gt 2 ] || pool=solo
spawn celery /usr/bin/python3 -m celery --app celeried:celery worker --concurrency "${PROCESSES:-$cores}" \
	--pool "${POOL:-$pool}" --loglevel error --without-gossip --without-mingle \
	--without-heartbeat
: "${PEER_CLIENTS:=64}"
start_deferd_with "sqlite:$dir/state/tasks.db"
start_gunicorn celeried --workers "${WORKERS:-$cores}" --threads "${THREADS:-1}"
in_turn 6 '>=6' /s "the same, SQLite: beside Flask, Celery and Redis"
