#!/bin/sh
# Runs the tests in a build --enable-coverage (`make coverage`), and prints a
# table: of each room, how many of its lines were run, and of how many branches
# each way was gone.  Fails where either is less than is wanted.
#
# usage: tests/coverage.sh [TEST...]	only these, such as tests/check_buf;
#	-n: none, the table of what has been counted so far
# Leaves coverage.txt (lines and branches missed, file by file) and, to look
# at, coverage.html.
#
# DEFERD_SYSTEM	as in tests/system.sh, but "some" if it is not set: the other
#		system tests, and the browser, take long and go the same ways;
#		without any, the mains and deferctl have little to show

set -u
src=$(cd "${top_srcdir:-$(dirname "$0")/..}" && pwd) || exit
. "$src/tests/packages.sh"
packages_need gcovr jq || exit 1
export DEFERD_SYSTEM="${DEFERD_SYSTEM-some}"

# What is wanted, in percent, of a room and of all together.
WANTED='daemon/store=95 ipc=95 all=85'

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
	gcovr --root "$src" --object-directory . \
		--filter "$src/(cgi|ctl|daemon|ipc)/" \
		--exclude-branches-by-pattern "$NOT_OURS" \
		--exclude-unreachable-branches "$@" cgi ctl daemon ipc
}

# What is tested is all that counts: not the tests, nor the measurements.
table()
{
	jq -r '.files[] | [.filename, .line_total, .line_covered, .branch_total,
		.branch_covered] | @tsv' coverage.json |
	awk -F '\t' -v named="$WANTED" '
	function percent(part, whole) { return whole ? 100 * part / whole : 100 }
	function row(name,	at_least, run, taken, low) {
		at_least = wanted[name] + 0
		run = percent(count[name, 3], count[name, 2])
		taken = percent(count[name, 5], count[name, 4])
		low = run < at_least || taken < at_least || !count[name, 2]
		printf "%-16s %6d %6.1f %% %8d %6.1f %% %8s%s\n", name,
			count[name, 2], run, count[name, 4], taken,
			at_least ? at_least " %" : "", low ? "  too little" : ""
		return low
	}
	function zero(name,	i) {
		for (i = 2; i <= 5; i++)
			count[name, i] = 0
	}
	function add_room(name) {
		if ((name, 2) in count)
			return
		room[++rooms] = name
		zero(name)
	}
	BEGIN {
		zero("all")
		n = split(named, pair, " ")
		for (i = 1; i <= n; i++) {
			split(pair[i], p, "=")
			wanted[p[1]] = p[2]
		}
	}
	{
		name = $1
		sub(/\/[^\/]*$/, "", name)
		add_room(name)
		for (i = 2; i <= 5; i++) {
			count[name, i] += $i
			count["all", i] += $i
		}
	}
	END {
		for (name in wanted)
			if (name != "all")
				add_room(name)	# nothing of it was counted
		printf "%-16s %6s %8s %8s %8s %8s\n", "room", "lines", "run",
			"branches", "taken", "wanted"
		for (i = 1; i <= rooms; i++)
			bad += row(room[i])
		bad += row("all")
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
