#!/bin/sh
# The system tests: the real daemon behind real web servers (tests/system/).
#
# Run by `make check`; by hand, from a build directory:
#	../tests/system.sh [arguments of pytest, such as -k keep]
#
# DEFERD_SYSTEM	"no" leaves them out; "some" takes a small part of every theme
# DEFERD_REQUIRE	"1": a missing web server is a failure, not a skip
# DEFERD_LONG		"1": a hundred thousand tasks instead of two thousand
# DEFERD_SANITIZED	set in sanitizer builds: measures no memory

set -u
here=$(dirname "$0")
DEFERD_BUILD=${top_builddir:-.}
PYTHONDONTWRITEBYTECODE=1
export DEFERD_BUILD PYTHONDONTWRITEBYTECODE

case ${DEFERD_SYSTEM-yes} in
no)
	echo "system tests: left out (DEFERD_SYSTEM=no)"
	exit 77
	;;
some)
	# What a sanitizer may find something in, and not the long ones.
	set -- -k "not test_guide and not test_manual and not 300_mb and not thousand \
		and not nothing_is_left and not idle_memory and (mod_cgid or nginx or not (apache or lighttpd))" "$@"
	;;
esac
if ! /usr/bin/python3 -c 'import pytest' 2>/dev/null; then
	echo "system tests: python3-pytest is missing"
	[ "${DEFERD_REQUIRE-}" = 1 ] && exit 1
	exit 77
fi
ulimit -n "$(ulimit -H -n)" 2>/dev/null
exec /usr/bin/python3 -m pytest -p no:cacheprovider -q -rsfE --color=no \
	--rootdir="$here/system" "$here/system" "$@"
