#!/bin/sh
# Restarts under load, many of them: no request is lost, none fails.
#
# By hand, from a build directory (`make check` does three, in tests/system.sh):
#	../tests/restart.sh [ROUNDS]	50

DEFERD_RESTARTS=${1:-50} DEFERD_LONG=1
export DEFERD_RESTARTS DEFERD_LONG
exec "$(dirname "$0")/system.sh" -k "test_restart.py and under_load" -s
