# To be sourced by rows 3 and 4: nginx with deferd at /jobs, and the fixed-reply
# responder at /fixed, which says what deferd says, byte for byte.

. "${0%/*}/common.sh"

need bench/http bench/load bench/fixed

# the rest of deferd.conf; then the path, without the mount, whose answer is
# given by all of them
start_behind_nginx()
{
	{
		conf_head
		echo "$1"
	} >"$dir/deferd.conf"
	start_deferd
	start_nginx "$(nginx_deferd)
		location /fixed { include scgi_params; scgi_pass unix:$dir/fixed.sock; }" ''
	"$build/bench/http" -p "$port" -w 10 -n 1 -k /jobs/warm >/dev/null ||
		fail "nginx does not start"
}

# path: the fixed responder answers from now on as deferd answers to this
start_fixed()
{
	[ -z "${fixed:-}" ] || terminate "$fixed"
	rm -f "$dir/fixed.sock"
	keep_answer "$1" "$dir/answer"
	spawn fixed "$build/bench/fixed" -a "$dir/answer" "$dir/fixed.sock"
	until [ -S "$dir/fixed.sock" ]; do
		sleep 0.1
	done
	chmod 666 "$dir/fixed.sock"
}

requests()
{
	per_second -k -c "${CLIENTS:-64}" "$@"
}
