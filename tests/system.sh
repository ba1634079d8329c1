#!/bin/sh
# The system tests: the real daemon behind real web servers (tests/system/).
#
# Run by `make check`; by hand, from a build directory:
#	../tests/system.sh [arguments of pytest, such as -k keep]
#
# Most of them wait most of the time: without arguments they run in several
# processes (pytest-xdist), each in a world of its own; after that, in one, those
# that are marked `alone`, because they fill the machine or look at its clock;
# several runs on one machine take turns with these (a lock on /tmp).
#
# DEFERD_SYSTEM	"no" leaves them out; "some" takes a part of every theme, "threads"
#			of what threads do, "few" those that a release could lack files for
# DEFERD_REQUIRE	"1": a missing web server is a failure, not a skip
# DEFERD_PROCESSES	4; 1 is what it also does where pytest-xdist is missing
# DEFERD_LONG		"1": a hundred thousand tasks instead of two thousand
# DEFERD_SANITIZED	set in sanitizer builds: measures no memory

set -u
here=$(dirname "$0")
DEFERD_BUILD=${top_builddir:-.}
PYTHONDONTWRITEBYTECODE=1
export DEFERD_BUILD PYTHONDONTWRITEBYTECODE

# What a sanitizer may find something in, and not the long ones.
some="not test_guide and not test_manual and not test_fixtures and not other_peoples \
	and not 300_mb and not thousand and not nothing_is_left and not idle_memory \
	and (mod_cgid or nginx or not (apache or lighttpd))"
# deferctl, the door, the launcher and the pages have none.
threads="$some and not (test_ctl or test_pages or test_scripts or test_servers \
	or test_users or test_systemd or test_confined or hostile_script)"
few='test_guide or test_manual or test_servers'
case ${DEFERD_SYSTEM-yes} in
no)
	echo "system tests: left out (DEFERD_SYSTEM=no)"
	exit 77
	;;
some)
	picked=$some ;;
threads)
	picked=$threads ;;
few)
	picked=$few ;;
*)
	picked= ;;
esac
if ! /usr/bin/python3 -c 'import pytest' 2>/dev/null; then
	echo "system tests: python3-pytest is missing"
	[ "${DEFERD_REQUIRE-}" = 1 ] && exit 1
	exit 77
fi
ulimit -n "$(ulimit -H -n)" 2>/dev/null

# those ARGUMENT...: what of them is picked
those()
{
	/usr/bin/python3 -m pytest -p no:cacheprovider -q -rsfE --color=no \
		--rootdir="$here/system" "$here/system" ${picked:+-k "$picked"} "$@"
}

processes=${DEFERD_PROCESSES:-4}
/usr/bin/python3 -c 'import xdist' 2>/dev/null || processes=1
if [ $# -gt 0 ] || [ "$processes" = 1 ]; then
	those "$@"
	exit
fi
those -m 'not alone' -n "$processes"
status=$?
{ flock 9; those -m alone 9<&-; } 9</tmp
alone=$?
[ $alone = 5 ] || [ $status != 0 ] || status=$alone	# 5: none of them is picked
exit $status
