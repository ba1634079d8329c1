#!/bin/sh
# Lets the checkers read the tree: nothing is run, and nothing may be found.
#
# usage: tests/analyze.sh [CHECKER...]	tidy, cppcheck, gcc, shell, python
#
# What each says goes to build-analyze/CHECKER.log ($BUILD/...).  A finding that
# is wrong stands with its reason in tests/analyze.known; one that stands there
# and is not found any more has to leave it.  What a checker is not asked for
# at all is argued in .clang-tidy, and below.  At the end: N passed, N failed.
#
# Two minutes on two cores.

set -u
wanted=" $* "
top=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$top/build-analyze}
. "$top/tests/packages.sh"

give_up()
{
	echo "0 passed, 1 failed"
	exit 1
}

# shellcheck disable=SC2086 # a list of names
packages_need $packages_build $packages_analyze || give_up
[ -x "$top/configure" ] || "$top/autogen.sh" || give_up
mkdir -p "$build" && cd "$build" || give_up
{ "$top/configure" --quiet && make daemon/master/view_parts.c; } \
	>configure.log 2>&1 || give_up
cd "$top" || give_up
rooms="cgi ctl daemon examples ipc"
scripts=".ci autogen.sh bench debian examples tests"
# shellcheck disable=SC2086
sources=$(find $rooms -name '*.c' | sort)

# The options that make gives the compiler become "$@", one word each.
printf 'include Makefile\n.PHONY: options\noptions:\n\t@printf "%%s\\n" %s\n' \
	"\$(DEFS) -I. -I\$(srcdir)/daemon/worker \$(AM_CPPFLAGS)" >"$build/options.mk"
make -s -C "$build" -f options.mk options | sed "s|^-I\\.\$|-I$build|" >"$build/options"
set --
while read -r option; do
	set -- "$@" "$option"
done <"$build/options"

# each COMMAND...: on every source, as many at a time as there are processors
each()
{
	# shellcheck disable=SC2086
	printf '%s\n' $sources | xargs -P "$(nproc)" -I FILE "$@"
}

# The hash of uthash has twelve cases and a loop: the analyzers, which try all
# ways through it, would do so at each HASH_FIND.  They get one without.
plain_hash='-DHASH_FUNCTION(key,len,hash)=((hash)=*(const unsigned char *)(key)+(unsigned)(len))'

tidy()
{
	each clang-tidy --quiet FILE -- -std=gnu11 "$plain_hash" "$@" 2>/dev/null
}

# Not asked for: leaks.  gcc 12 loses sight of what goes into a list or a hash;
# ASan and valgrind do not.
gcc_analyzer()
{
	each gcc -std=gnu11 -O1 -fanalyzer -Wno-analyzer-malloc-leak -fanalyzer-verbosity=0 \
		-fdiagnostics-plain-output "$plain_hash" "$@" -S -o /dev/null FILE 2>&1
}

# Not asked for: narrower scopes (declarations stand at the top of a block);
# headers of the system, which it does not read; members that only macros use;
# `continue` as the body of a loop; readdir_r(), which glibc says not to use, and
# getpwnam_r() where there are no threads; NULL that ends a list of arguments,
# which POSIX says is a pointer.
cppcheck_all()
{
	mkdir -p "$build/macros"
	ln -sf /usr/include/uthash.h /usr/include/utlist.h "$build/macros/"
	# shellcheck disable=SC2086
	cppcheck -j "$(nproc)" --quiet --enable=all --inline-suppr --std=c11 \
		--library=posix,gnu --suppress=variableScope \
		--suppress=missingIncludeSystem --suppress=missingInclude \
		--suppress=unmatchedSuppression --suppress=unusedStructMember \
		--suppress=redundantContinue --suppress=readdirCalled \
		--suppress=getpwnamCalled \
		--suppress=varFuncNullUB \
		--suppress='*:*/uthash.h' --suppress='*:*/utlist.h' \
		--template='{file}:{line}:0: {severity}: {message} [{id}]' \
		-D_GNU_SOURCE -DHAVE_SQLITE=1 -I. -I"$build" -I"$build/macros" \
		$rooms 2>&1 | grep -v "unusedFunction check can't be used"
}

# Not asked for: quotes around a variable that is a list of words; `a && b ||
# give_up`, where b is part of it; `name= name=value`; the names a sourced file
# gives and takes; programs in another language between single quotes; a
# function that is also the body of a subshell; one that is called by trap, or by
# a name in a variable; ulimit -H, and -n (dash has them); names of our own files,
# listed by ls, and of processes, by ps.
shell_habits=SC2086,SC2048,SC2116,SC2015,SC1007,SC2034,SC2154,SC1091,SC2016
shell_habits=$shell_habits,SC2030,SC2031,SC3045,SC2012,SC2009,SC2038,SC2119,SC2120,SC2317

shell()
{
	# shellcheck disable=SC2086
	find $scripts -type f ! -path 'tests/fuzz/corpus/*' |
		xargs awk 'FNR == 1 && /^#! ?\/bin\/sh/ { print FILENAME } { nextfile }' |
		sort | xargs shellcheck -x -P SCRIPTDIR -f gcc -e "$shell_habits"
}

# A test that names a fixture takes it, from whichever module it was imported.
python()
{
	# shellcheck disable=SC2086
	find $scripts -name '*.py' | sort | xargs pyflakes3 |
		grep -v -e "'selenium' imported" -e "'test_[a-z]*\.gate' imported" -e "redefinition of unused 'gate'" |
		sed 's/^\([^:]*:[0-9]*:[0-9]*:\) \(.*\)$/\1 warning: \2 [python]/'
}

# unknown NAME LOG: prints the findings that tests/analyze.known does not have,
# and those that it has in vain; fails if there are any.
unknown()
{
	sed "s|^$top/||" "$2" |
	grep -e 'error:' -e ':[0-9]*: [a-z]*: .*\[[^]]*\]$' | sort -u |
	awk -v name="$1" -v known="$top/tests/analyze.known" '
	BEGIN {
		while ((getline line <known) > 0)
			if (split(line, w, /[ \t]+/) >= 3 && w[1] == name)
				why[w[2] " " w[3]] = line
	}
	{
		check = $0
		sub(/.*\[/, "", check)
		sub(/[],].*/, "", check)
		file = $0
		sub(/:.*/, "", file)
		key = check " " file
		if (key in why)
			seen[key] = 1
		else if (!said[$0]++) {
			print
			bad = 1
		}
	}
	END {
		for (key in why)
			if (!(key in seen)) {
				print "tests/analyze.known: not found any more: " why[key]
				bad = 1
			}
		exit bad
	}'
}

passed=0 failed=0
# checker NAME FUNCTION [OPTION...]
checker()
{
	case $wanted in
	"  "|*" $1 "*) ;;
	*) return ;;
	esac
	name=$1 began=$(date +%s)
	shift
	"$@" >"$build/$name.log"
	if unknown "$name" "$build/$name.log"; then
		passed=$((passed + 1)) verdict=clean
	else
		failed=$((failed + 1)) verdict="see $build/$name.log"
	fi
	echo "$name: $verdict ($(($(date +%s) - began)) s)"
}

checker shell shell
checker python python
checker cppcheck cppcheck_all
checker gcc gcc_analyzer "$@"
checker tidy tidy "$@"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
