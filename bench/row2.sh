#!/bin/sh
# Row 2: submissions through Apache's mod_cgid, beside Debian's cgi-fcgi, the door
# of FastCGI, in front of a program that answers a fixed 202.

. "${0%/*}/apache.sh"

need bench/peers/fcgi
spawn fcgi "$build/bench/peers/fcgi" "$dir/fcgi.sock" "$cores"
cat >"$dir/bin/peer.fcgi" <<END
#!/usr/bin/cgi-fcgi -f
-bind -connect $dir/fcgi.sock
END
chmod 755 "$dir/bin/peer.fcgi"
start_apache "ScriptAlias /peer $dir/bin/peer.fcgi
<Location /peer>
	Require all granted
</Location>"
chmod 666 "$dir/fcgi.sock"

theirs()
{
	submissions /peer/task
}

in_turn 2 '>=2' /s "the same, beside cgi-fcgi and a FastCGI program"
