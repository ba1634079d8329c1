#!/bin/sh
# The crash test: whatever is killed, nothing accepted is lost (tests/crash/).
#
# Run by `make check`; by hand, from a build directory:
#	../tests/crash.sh [ROUNDS [SEED]]	20 rounds, a seed of its own
#
# DEFERD_STORE	"memory": only workers are killed; else "sqlite", if built
# DEFERD_KEEP_WORLD	"1": the directory with log, store and book stays
# DEFERD_SYSTEM	"no" leaves it out, like the other tests of the whole

set -u
here=$(dirname "$0")
DEFERD_BUILD=${top_builddir:-.}
PYTHONDONTWRITEBYTECODE=1
export DEFERD_BUILD PYTHONDONTWRITEBYTECODE

if [ "${DEFERD_SYSTEM-yes}" = no ]; then
	echo "crash test: left out (DEFERD_SYSTEM=no)"
	exit 77
fi
ulimit -n "$(ulimit -H -n)" 2>/dev/null
exec /usr/bin/python3 "$here/crash/crash.py" "$@"
