#!/bin/sh
# Row 1: what the door costs: submissions through Apache's mod_cgid, beside a CGI
# program without a libc, which prints a fixed 202 and leaves.

. "${0%/*}/apache.sh"

need bench/peers/cgi
cp "$build/bench/peers/cgi" "$dir/bin/peer.cgi"
start_apache "ScriptAlias /peer $dir/bin/peer.cgi
<Location /peer>
	Require all granted
</Location>"

theirs()
{
	submissions /peer/task
}

in_turn 1 '>=0.95' /s "submissions, mod_cgid: beside a CGI that prints a fixed 202"
