# To be sourced: a database with TASKS tasks, made by the sqlite3 shell in
# $dir/state, in one that deferd has made, which must not run.

# state, attempt
fill()
{
	now=$(date +%s)000
	sqlite3 "$dir/state/tasks.db" <<-END
		PRAGMA synchronous = OFF;
		BEGIN;
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT $TASKS)
		INSERT INTO tasks (row, id, state, attempt, created, changed, bytes,
			route, method, path) SELECT i, lower(hex(randomblob(16))), '$1', $2, $now, $now, 600,
			'/*', 'POST', '/task' FROM n;
		INSERT INTO requests (row, size, head, body)
			SELECT row, 256, zeroblob(300), zeroblob(256) FROM tasks WHERE state = 'queued';
		INSERT INTO responses (row, size, wait_status, cpu_us, max_rss_kib,
			reason, head, body)
			SELECT row, 256, -1, 0, 0, '', x'0d0a', zeroblob(256) FROM tasks WHERE state = 'succeeded';
		COMMIT;
	END
	[ "$(id -u)" != 0 ] || chown -R daemon "$dir/state"
}
