#!/bin/sh
# The soak: hours of everything at once, and the books are balanced at the end
# (tests/soak/soak.py).
#
# usage, from a build directory: ../tests/soak.sh MINUTES [SEED]
#
# The first third is a storm, in which launcher, master and workers are killed;
# in the rest one master lives through all the others' faults, and its memory
# and descriptors must stay as they were.  At the end: N passed, N failed.

set -u
here=$(dirname "$0")
DEFERD_BUILD=${top_builddir:-.}
PYTHONDONTWRITEBYTECODE=1
export DEFERD_BUILD PYTHONDONTWRITEBYTECODE

make -s -C "$DEFERD_BUILD" all tests/crash/task tests/crash/task.so >/dev/null || {
	echo "0 passed, 1 failed"
	exit 1
}
ulimit -n "$(ulimit -H -n)" 2>/dev/null
exec /usr/bin/python3 "$here/soak/soak.py" "${1:?usage: soak.sh MINUTES [SEED]}" ${2+"$2"}
