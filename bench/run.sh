#!/bin/sh
# How fast deferd is beside what one would use otherwise: one command, one table.
#
#	bench/run.sh [--markdown] [ROW ...]	all rows, or these: bench/run.sh 1 4 10
#
# With --markdown the table, and nothing else, is what it prints to stdout, with
# the machine and the date below it: the "Results" of README.md.
#
# In a build directory it measures what is built there; elsewhere it builds in
# build/, or in $BUILD.  It installs what it measures against (Debian's packages)
# and leaves the services and the configuration of the system alone, but for one
# setting of the kernel while it runs (shares.sh): servers of its own run in a
# directory under TMPDIR, which must be on a disk, and are gone when it ends,
# however it ends.  It takes about 20 minutes; with QUICK=1, which
# says little, 5.
#
# RUNS		how often each side is measured, in turn (5); the median counts
# SECONDS_EACH	how long (4)
# ROW_SECONDS	after so many a row is given up (900)
# QUICK		1: both as few as make sense
#
# Each row is a script, bench/rowN.sh.  It is run from the build directory (so
# `../bench/row3.sh` works by itself), with
#
#	RUNS SECONDS_EACH QUICK		as above, always set
#
# and prints a line for each pair of measurements, as soon as it has one:
#
#	row=3 ours=18210 theirs=22987 ratio=0.79 wanted=>=0.6 unit=/s what=words
#
#	row	the number; with a letter, if a row has several (8a, 8b): each of
#		them becomes a line of the table
#	ours, theirs	figures, less than ten digits each; "-": there is none
#	ratio	what is compared with `wanted`: ours / theirs, or any other figure
#		that a row promises (bytes a task), and then ours is the same
#	wanted	>=0.6 or <=3; "-": nothing, it is told only
#	what	comes last, with spaces
#
# The table has the medians of ours, theirs and ratio (each by itself); a row
# that prints one line only has taken the median itself.  A row that fails, or
# takes too long, stands there as not measured, with what it had; the next one is
# measured all the same, and the status is 1 in the end.  Anything else that a
# script prints must go to stderr.  Its status is 0 when it has measured, whatever
# came out.  It kills what it has started when it ends; bench/common.sh has what
# is needed for that, and for measuring in turn.

set -u
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/packages.sh"
. "$top/bench/shares.sh"

markdown=0
[ "${1-}" != --markdown ] || { markdown=1; shift; }
all="1 2 3 4 5 6 7 8 9 10 11 12"
lines=$(mktemp "${TMPDIR:-/tmp}/deferd-bench.XXXXXX")
running=

# A row is a process group of its own: one signal ends it and all it has started.
cleanup()
{
	trap '' INT TERM HUP
	trap - EXIT
	shares_back
	[ -z "$running" ] || { kill -s TERM -- "-$running"; wait "$running"; }
	rm -f "$lines" "$lines.row"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

build_here()
{
	[ -e config.status ] && [ -e Makefile ] && return
	build=${BUILD:-$top/build}
	[ -x "$top/configure" ] || (cd "$top" && ./autogen.sh) || exit
	mkdir -p "$build" && cd "$build" || exit
	[ -e Makefile ] || "$top/configure" --quiet || exit
}

# A row's lines come here, and go by as they do.
run_row()
{
	began=$(date +%s)
	setsid timeout -k 30 "$ROW_SECONDS" "$top/bench/row$1.sh" >"$lines.row" &
	running=$!
	wait "$running" || {
		echo "row $1: not measured, see above"
		echo "row=$1 ours=- theirs=- ratio=- wanted=- unit= what=not measured" >>"$lines.row"
		status=1
	}
	running=
	sed 's/ what=.*//; s/^/  /' "$lines.row"
	echo "  $(($(date +%s) - began)) s"
	cat "$lines.row" >>"$lines"
	rm -f "$lines.row"
}

table()
{
	awk -v markdown="$markdown" -v made="$made" -f "$top/bench/table.awk" "$lines"
}

for row in ${*:-$all}; do
	[ -x "$top/bench/row$row.sh" ] || { echo "there is no row $row" >&2; exit 2; }
done

if [ -n "${QUICK:=}" ]; then
	: "${RUNS:=3}" "${SECONDS_EACH:=1}"
else
	: "${RUNS:=5}" "${SECONDS_EACH:=4}"
fi
: "${ROW_SECONDS:=900}"
export QUICK RUNS SECONDS_EACH
shares_off
made=$("$top/bench/machine.sh")${QUICK:+, QUICK}
! have_shares || made="$made, shares for sessions"
[ "$markdown" = 0 ] || exec 3>&1 >&2

# shellcheck disable=SC2086
packages_need $packages_build $packages_bench || exit
build_here
make -s -j "$(nproc)" all || exit
status=0
for row in ${*:-$all}; do
	echo "row $row"
	run_row "$row"
done
[ "$markdown" = 0 ] || exec >&3
table
exit "$status"
