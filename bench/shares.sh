# To be sourced: servers without shares for sessions.
#
# The kernel may give each session an equal share of the processors
# (sched_autogroup_enabled; on as Debian comes).  Then nginx has one, and deferd
# one for its master and one for each worker, which says more of sessions than of
# servers.  In a container, and in a unit of systemd's with a CPUWeight, there is
# no such thing.  It counts for what is started afterwards.
#
# AUTOGROUP=1 leaves them as they are.

shares=/proc/sys/kernel/sched_autogroup_enabled
had_shares=

have_shares()
{
	[ "$(cat "$shares" 2>/dev/null)" = 1 ]
}

# Where this may be changed; says so where not.
shares_off()
{
	if [ -n "${AUTOGROUP:-}" ] || ! have_shares; then
		return
	elif echo 0 2>/dev/null >"$shares"; then
		had_shares=1
	else
		echo "$0: sessions keep their shares of the processors" >&2
	fi
}

shares_back()
{
	[ -z "$had_shares" ] || echo 1 >"$shares"
	had_shares=
}
