#!/bin/sh
# Runs all tests in a build --enable-coverage (`make coverage`), and prints a
# table: of each room, how many of its lines were run, and of how many branches
# each way was gone.  Fails where that is less than FLOORS.
#
# usage: tests/coverage.sh [TEST...]	only these, such as tests/check_buf;
#	-n: none, the table of what has been counted so far
# Leaves coverage.txt (lines and branches missed, file by file) and, to look
# at, coverage.html.
#
# DEFERD_SYSTEM	as in tests/system.sh; without the system tests the launcher,
#		the master's and worker's main and deferctl have little to show

set -u
src=${top_srcdir:-$(dirname "$0")/..}
. "$src/tests/packages.sh"
packages_need gcovr jq || exit 1

# room		lines	branches	at least, in percent
FLOORS='
cgi		85	85
ctl		85	85
daemon		85	85
daemon/launcher	85	85
daemon/master	85	85
daemon/store	95	95
daemon/worker	85	85
ipc		95	95
'

# Branches that nobody can take, and that are nobody's:
# - an assert states the impossible, its other way is abort();
# - what the macros of uthash and utlist unfold to (buckets that grow, a hash
#   of twelve cases) is their libraries', and tested there.
NOT_OURS='.*\b(assert|(HASH|DL|LL)_[A-Z_0-9]+) ?\(.*'

# Tests run as several users: whoever counts first must not lock out the rest.
open_counters()
{
	find . -name '*.gcda' -exec rm -f {} +
	find . -name '*.gcno' | sed 's/gcno$/gcda/' | while read -r counters; do
		: >"$counters" && chmod a+rw "$counters"
	done
}

report()
{
	gcovr --root "$src" --object-directory . -j "$(nproc)" \
		--filter "$src/(cgi|ctl|daemon|ipc)/" \
		--exclude-branches-by-pattern "$NOT_OURS" \
		--exclude-unreachable-branches "$@" .
}

# What is tested is all that counts: not the tests, nor the measurements.
table()
{
	jq -r '.files[] | [.filename, .line_total, .line_covered, .branch_total,
		.branch_covered] | @tsv' coverage.json |
	awk -F '\t' -v floors="$FLOORS" '
	function percent(part, whole) { return whole ? 100 * part / whole : 100 }
	function row(name, n, c, b, t, want_lines, want_branches,	low) {
		low = percent(c, n) < want_lines || percent(t, b) < want_branches
		printf "%-16s %6d %6.1f %% %8d %6.1f %%%s\n", name, n,
			percent(c, n), b, percent(t, b), low ? "  too little" : ""
		return low
	}
	{
		room = $1
		sub(/\/[^\/]*$/, "", room)
		lines[room] += $2; run[room] += $3
		branches[room] += $4; taken[room] += $5
		for (i = 2; i <= 5; i++)
			all[i] += $i
	}
	END {
		printf "%-16s %6s %8s %8s %8s\n", "room", "lines", "run",
			"branches", "taken"
		n = split(floors, floor, "\n")
		for (i = 1; i <= n; i++) {
			if (split(floor[i], f, /[ \t]+/) < 3)
				continue
			room = f[1]
			bad += row(room, lines[room], run[room], branches[room],
				taken[room], f[2], f[3])
		}
		row("all", all[2], all[3], all[4], all[5], 0, 0)
		exit bad > 0
	}'
}

status=0
if [ "${1-}" != -n ]; then
	open_counters
	rm -f tests/*.log tests/*.trs tests/fuzz/*.log tests/fuzz/*.trs
	"${MAKE:-make}" -j2 -k check ${1:+TESTS="$*"} >coverage.log 2>&1 || {
		status=1
		grep '^\(FAIL\|ERROR\):' coverage.log
		echo "see coverage.log"
	}
fi
report --json-summary coverage.json --html-details coverage.html \
	--branches --txt coverage.txt || exit
table || status=1
exit $status
