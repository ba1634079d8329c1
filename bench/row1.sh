#!/bin/sh
# Row 1: what the door costs: submissions through Apache's mod_cgid, beside a CGI
# program without a libc, which prints a fixed 202 and leaves.  All of it, deferd's
# run of the task too, shares the processors with Apache.  So there are two more
# figures, of which nothing is promised, to tell whose the difference is:
#
#	1b	tasks are accepted and kept, but do not run
#	1c	the door alone: the fixed responder is in deferd's place, and prints
#		the same 202 into the descriptors it was given

. "${0%/*}/apache.sh"

need bench/peers/cgi bench/fixed
cp "$build/bench/peers/cgi" "$dir/bin/peer.cgi"
cp "$build/defer.cgi" "$dir/bin/fixed.cgi"
spawn fixed "$build/bench/fixed" "$dir/fixed.sock"
"$build/bench/load" -s "$dir/fixed.sock" -w 10 -b 0 /task
chmod 666 "$dir/fixed.sock"
start_apache "ScriptAlias /peer $dir/bin/peer.cgi
ScriptAlias /fixed $dir/bin/fixed.cgi
<LocationMatch ^/(peer|fixed)>
	Require all granted
	SetEnv DEFERD_SOCKET $dir/fixed.sock
</LocationMatch>"

theirs()
{
	submissions /peer/task
}

in_turn 1 '>=0.95' /s "submissions, mod_cgid: beside a CGI that prints a fixed 202"

ours()
{
	submissions /jobs/later
}

in_turn 1b - /s "the same, but no task runs"

ours()
{
	submissions /fixed/task
}

in_turn 1c - /s "the same, a fixed responder behind the door"
