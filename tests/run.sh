#!/bin/sh
# Builds deferd and runs all of its tests.
#
# usage: tests/run.sh [options for configure, such as --enable-werror]
#
# On a fresh Debian 12 or 13 it installs what the tests need (nothing, if it is
# all there).  The build is in build/, or in $BUILD.  At the end it says
#
#	N passed, N failed
#
# of the unit tests, the layers and the system tests together.

set -u
top=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$top/build}
. "$top/tests/packages.sh"

# Without a build there is nothing to count.
give_up()
{
	echo "0 passed, 1 failed"
	exit 1
}

packages_need $packages_build $packages_tests || give_up

(cd "$top" && ./autogen.sh) || give_up
mkdir -p "$build" && cd "$build" || give_up
"$top/configure" --quiet "$@" || give_up
make -j "$(nproc)" all || give_up

export DEFERD_REQUIRE=1
rm -f tests/*.log tests/*.trs		# of a run before
make -j "$(nproc)" check
status=$?

# What each suite said in its log: check's "N%: Checks: N, Failures: N, Errors:
# N", pytest's "N failed, N passed, N errors in", else the verdict of automake.
. "$top/tests/count.sh"
count_tests tests
[ "$failed" = 0 ] || status=1
[ "$status" = 0 ] || [ "$failed" != 0 ] || failed=1

for log in tests/*.trs; do
	grep -q '^:test-result: \(PASS\|SKIP\)' "$log" || echo "see $build/${log%.trs}.log"
done
echo "$passed passed, $failed failed"
exit $status
