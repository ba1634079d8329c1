#!/bin/sh
# Lets every fuzz target run for a while, under the address and undefined
# behaviour sanitizers, from the corpus in tests/fuzz/corpus.
#
# usage: tests/fuzz.sh SECONDS [TARGET...]	seconds for each; scgi, conn, ...
#
# Needs clang (libFuzzer).  Builds in build-fuzz/, or in $BUILD, and leaves the
# inputs it has found worth keeping in corpus-TARGET there; what broke
# something stands in crash-TARGET-*: mend it, and put the input into
# tests/fuzz/corpus, where every `make check` replays it.  For AFL++ configure
# with CC=afl-clang-fast FUZZ_ENGINE=-fsanitize=fuzzer instead.
#
# Two targets run at a time.  At the end: N passed, N failed.

set -u
seconds=${1:?usage: tests/fuzz.sh SECONDS [TARGET...]}
shift
top=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$top/build-fuzz}
all=$(cd "$top/tests/fuzz" && ls fuzz_*.c | sed 's/^fuzz_\(.*\)\.c$/\1/')
targets=${*:-$all}

# build: the libraries and these targets, instrumented
build()
{
	[ -x "$top/configure" ] || "$top/autogen.sh" || return
	mkdir -p "$build" && cd "$build" || return
	"$top/configure" --quiet CC=clang FUZZ_ENGINE=-fsanitize=fuzzer \
		--enable-sanitizers=address,undefined,fuzzer-no-link &&
	make -j2 libipc.a libcommon.a libmaster.a libworker.a >make.log 2>&1 &&
	for target in $targets; do
		make "tests/fuzz/fuzz_$target" >>make.log 2>&1 || return
	done
}

# fuzz TARGET: runs it; on failure its last words.  (To name a function that is
# new to it, libFuzzer would start a program in the midst, and leave pipes open,
# which fuzz_conn counts.)
fuzz()
{
	mkdir -p "$build/corpus-$1"
	"$build/tests/fuzz/fuzz_$1" -max_total_time="$seconds" -max_len=8192 \
		-timeout=25 -rss_limit_mb=2048 -print_final_stats=1 -print_funcs=0 \
		-artifact_prefix="$build/crash-$1-" "$build/corpus-$1" \
		"$top/tests/fuzz/corpus/$1" >"$build/$1.log" 2>&1
	status=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$1.log")
	echo "$1: ${runs:-0} inputs in $seconds s"
	[ $status = 0 ] && return
	grep -a -e 'not so' -e ERROR -e SUMMARY -e 'Test unit written' "$build/$1.log"
	return 1
}

build || {
	tail -n 20 "$build/make.log"
	echo "0 passed, 1 failed"
	exit 1
}
ASAN_OPTIONS=detect_leaks=1
export ASAN_OPTIONS

# The targets are dealt out to two rows, one for each core.
row()
{
	for target; do
		fuzz "$target" && echo ok >"$build/$target.verdict"
	done
}
left='' right='' passed=0 failed=0
for target in $targets; do
	rm -f "$build/$target.verdict"
	set -- "$left" "$right"
	right="$1 $target" left=$2
done
row $left &
row $right
wait
for target in $targets; do
	if [ -e "$build/$target.verdict" ]; then passed=$((passed + 1))
	else failed=$((failed + 1)); fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
