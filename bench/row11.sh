#!/bin/sh
# Row 11: a finished response of 1 GB through nginx, beside the fixed responder
# that sends a file of the same size with sendfile; and by how much the memory
# of deferd's master grows meanwhile.
#
# nginx buffers in memory only, for both: what it would write to temporary files
# is a measurement of the disk.
. "$(dirname "$0")/common.sh"
. "$bench/core.sh"
. "$bench/gigabyte.sh"

need bench/load bench/http bench/fixed

# path: megabytes per second
download()
{
	"$build/bench/http" -p "$port" -c 1 -n 1 -t 60 -e 200 "$1" >"$dir/http.out" ||
		fail "no download of $1"
	value mb_per_second <"$dir/http.out"
}

ours()
{
	download "/jobs$gigabyte"
}

theirs()
{
	download /fixed
}

resident()
{
	awk '/^VmRSS/ { print $2 }' "/proc/$(master)/status"
}

deferd_with memory "$gigabyte_route"
make_gigabyte
head -c 1000000000 /dev/zero >"$dir/file"
spawn fixed "$build/bench/fixed" -f "$dir/file" "$dir/fixed.sock"
until [ -S "$dir/fixed.sock" ]; do sleep 0.1; done
chmod 666 "$dir/fixed.sock"
start_nginx "$(nginx_deferd)
	location /fixed { include scgi_params; scgi_pass unix:$dir/fixed.sock; }" \
	"scgi_max_temp_file_size 0;"
"$build/bench/http" -p "$port" -w 10 -c 1 -n 1 -e 404 /none >"$dir/out"
ours >"$dir/out"
before=$(resident)
in_turn 11a '>=0.8' MB/s "a finished response of 1 GB through nginx; the same file by sendfile"
row=11b wanted='<=2' unit=MB what="what the memory of the master grows by meanwhile"
us=$(calc "($(resident) - $before) / 1024")
line "$us" - "$us"
