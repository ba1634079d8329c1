#!/bin/sh
# What an administrator does to deferd, on a machine of its own that
# tests/package.sh has booted: installs, offers, tries, upgrades under load,
# removes, purges.  /deb/1 and /deb/2 have a version and the next one.
#
# Each line of output is "ok ..." or "not ok ...", the last one sums up.

set -u
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
work=$(mktemp -d /root/session.XXXXXX)
passed=0 failed=0

# check WHAT COMMAND...: shows what it printed if it fails
check()
{
	what=$1
	shift
	if "$@" >"$work/check.log" 2>&1 </dev/null; then
		passed=$((passed + 1))
		echo "ok     $what"
	else
		failed=$((failed + 1))
		tail -n 50 "$work/check.log"
		echo "not ok $what"
	fi
}

# wait_for COMMAND...: true as soon as it is, for half a minute at most
wait_for()
{
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] || return 1
		sleep 0.1
	done
}

# install_debs VERSION: all else is there, nothing is fetched
install_debs()
{
	apt-get -q -y --no-install-recommends install /deb/"$1"/deferd_*.deb
}

status_of()
{
	curl -s -o /dev/null -w '%{http_code}' --max-time 20 "$@"
}

# answers STATUS URL...: what curl is told
answers()
{
	expected=$1
	shift
	got=$(status_of "$@")
	[ "$got" = "$expected" ] || { echo "$*: $got"; return 1; }
}

# ---- what there is, to be compared later -------------------------------------

# Names, owners and modes of all files that packages and administrators have,
# and what is in those of /etc; not what the system writes for itself.
files()
{
	find /etc /usr /var /opt /srv /home /boot \
		\( -path /var/log -o -path /var/cache -o -path /var/lib/apt \
		-o -path /var/lib/dpkg -o -path /var/lib/systemd -o -path /var/tmp \
		-o -path /var/lib/apache2 \) -prune \
		-o -printf '%p %u:%g %m\n'
	find /var/lib/dpkg/info /run/deferd -printf '%p\n' 2>/dev/null
	find /var/lib/apache2 -type f
	find /etc -type f ! -name '*-' ! -name ld.so.cache -exec md5sum {} + |
		grep -v -e ' /etc/passwd$' -e ' /etc/group$' -e ' /etc/g*shadow$'
	# Users but for the one that stays; see README.Debian.
	sed 's|^|passwd |' /etc/passwd | grep -v '^passwd deferd:'
	sed 's|^|group |' /etc/group | grep -v '^group deferd:'
}

list()
{
	files | LC_ALL=C sort
}

nothing_runs()
{
	! ps -eo pid,user:16,args | grep -E 'deferd|defer\.cgi' |
		grep -v -e grep -e session
}

# ---- fresh -------------------------------------------------------------------

quiet_install()
{
	install_debs 1 >"$work/install.log" 2>&1 || { cat "$work/install.log"; return 1; }
	cat "$work/install.log"
	! grep -i -E 'warning|error|fail' "$work/install.log"
}

runs()
{
	systemctl is-active deferd.service deferd.socket &&
		systemctl is-enabled deferd.service deferd.socket &&
		wait_for deferctl ping && systemctl status deferd.service
}

# Launcher, master and workers are three users.
three_users()
{
	ps -eo user:16,comm | grep deferd
	[ "$(ps -o user= -C deferd)" = root ] &&
		[ "$(ps -o user= -C deferd-master)" = deferd ] &&
		[ "$(ps -o user= -C deferd-worker | sort -u)" = www-data ]
}

modes()
{
	ls -ld /run/deferd /run/deferd/* /var/lib/deferd /var/lib/deferd/* /etc/deferd.conf
	[ "$(stat -c '%a %U:%G' /run/deferd/deferd.sock)" = "660 root:www-data" ] &&
		[ "$(stat -c '%a %U' /run/deferd/control.sock)" = "600 deferd" ] &&
		[ "$(stat -c '%U' /var/lib/deferd)" = deferd ] &&
		! su -s /bin/sh www-data -c 'cat /var/lib/deferd/tasks.db' >/dev/null 2>&1
}

operator_only()
{
	deferctl list && deferctl stats && ! su -s /bin/sh www-data -c 'deferctl list'
}

enable()
{
	a2enconf deferd && systemctl reload apache2 &&
		wait_for answers 404 http://127.0.0.1/jobs/status/none
}

# Somebody else: not this machine by its name, nor by its addresses.
strangers()
{
	ip address add 192.0.2.1/32 dev lo && ip address add 192.0.2.2/32 dev lo &&
		answers 200 --interface 192.0.2.2 http://192.0.2.1/ &&
		answers 403 --interface 192.0.2.2 http://192.0.2.1/jobs/hello
}

# The same through CGI, at another place.
door()
{
	cat >/etc/apache2/conf-available/door.conf <<-'END'
		ScriptAlias "/door" "/usr/lib/cgi-bin/defer.cgi"
		<Location "/door">
			Require local
		</Location>
	END
	a2enmod -q cgid && a2enconf -q door && systemctl restart apache2 || return
	answers 202 http://127.0.0.1/door/hello
	status=$?
	answers 403 http://127.0.0.1/cgi-bin/defer.cgi/hello || status=1
	a2disconf -q -p door && a2dismod -q -p cgid && systemctl restart apache2 &&
		rm /etc/apache2/conf-available/door.conf && return $status
}

# ---- a script of one's own ---------------------------------------------------

own_script()
{
	cat >/usr/lib/cgi-bin/own.cgi <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\r\n\r\n'
		id -un
		grep NoNewPrivs /proc/self/status
		touch /tmp/own.$$ && rm /tmp/own.$$
		echo "${ANSWER-none} $PATH_INFO"
	END
	chmod 755 /usr/lib/cgi-bin/own.cgi
	{
		printf 'route "/own/*" { exec = "/usr/lib/cgi-bin/own.cgi" env = { "ANSWER=42" } }\n'
		cat /etc/deferd.conf
	} >"$work/deferd.conf" && cp "$work/deferd.conf" /etc/deferd.conf &&
		deferd -n >/dev/null && systemctl reload deferd || return
	# A script is no worse off than under Apache: setgid programs work.
	wait_for answers 200 -H 'Prefer: wait=5' http://127.0.0.1/jobs/own/7 &&
		curl -s -H 'Prefer: wait=5' http://127.0.0.1/jobs/own/7 >"$work/own" &&
		cat "$work/own" && printf 'www-data\nNoNewPrivs:\t0\n42 /7\n' | diff - "$work/own"
}

# ---- upgrade -----------------------------------------------------------------

# submit PATH: prints the link
submit()
{
	curl -s -D - -o /dev/null --max-time 60 "http://127.0.0.1/jobs/$1" |
		tr -d '\r' | sed -n 's/^Location: //p'
}

# One slot, and tasks of 0.2 seconds: most of them wait when the upgrade comes.
narrow()
{
	{
		printf 'workers = 1\nthreads = 1\n'
		sed 's/max-queued = 100/env = { "ANSWER_SECONDS=0.2" }/' /etc/deferd.conf
	} >"$work/narrow.conf" && cp "$work/narrow.conf" /etc/deferd.conf &&
		systemctl restart deferd && wait_for deferctl ping
}

# Asks all the time; a line for each answer.
load()
{
	n=0
	while [ ! -e "$work/enough" ]; do
		n=$((n + 1))
		echo "$(status_of "http://127.0.0.1/jobs/load$n") $n"
	done >"$work/load"
}

upgrade()
{
	rm -f "$work/enough"
	for n in 1 2 3 4 5 6 7 8 9 10; do submit "before$n"; done >"$work/links"
	launcher=$(systemctl show -P MainPID deferd)
	load &
	sleep 0.5
	install_debs 2 >"$work/upgrade.log" 2>&1 || { cat "$work/upgrade.log"; return 1; }
	cat "$work/upgrade.log"
	sleep 0.5
	: >"$work/enough"
	wait
	cut -d ' ' -f 1 "$work/load" | sort | uniq -c
	wait_for deferctl ping &&
		[ "$(systemctl show -P MainPID deferd)" != "$launcher" ] &&
		dpkg -s deferd | grep '^Version: .*next$' &&
		cmp "$work/narrow.conf" /etc/deferd.conf
}

none_lost()
{
	cut -d ' ' -f 1 "$work/load" | sort | uniq -c
	[ "$(grep -c '^202 ' "$work/load")" = "$(wc -l <"$work/load")" ] &&
		[ "$(wc -l <"$work/load")" -gt 10 ]
}

queued_were_kept()
{
	[ "$(wc -l <"$work/links")" = 10 ] || return
	while read -r link; do
		wait_for answers 200 "http://127.0.0.1$link" || { echo "$link"; return 1; }
	done <"$work/links"
}

# ---- the end -----------------------------------------------------------------

remove()
{
	apt-get -q -y remove deferd || return
	sleep 0.5
	nothing_runs && [ -e /etc/deferd.conf ] && [ -e /var/lib/deferd/tasks.db ] &&
		apachectl configtest && answers 404 http://127.0.0.1/jobs/hello
}

comes_back()
{
	install_debs 2 && wait_for deferctl ping && a2enconf deferd &&
		systemctl reload apache2 && answers 200 "http://127.0.0.1$(tail -n 1 "$work/links")"
}

purge()
{
	rm -f /usr/lib/cgi-bin/own.cgi
	apt-get -q -y purge deferd || return
	nothing_runs && apachectl configtest && systemctl reload apache2
}

nothing_left()
{
	list >"$work/after"
	diff "$work/before" "$work/after"
}

no_coredumps()
{
	! journalctl -q --no-pager -b | grep -E 'dumped core|segfault|stack smashing|Failed with result'
}

list >"$work/before"
check "installs without a word of warning" quiet_install
check "runs, and will after a boot" runs
check "is three users" three_users
check "sockets and state are whose they should be" modes
check "deferctl is root's" operator_only
check "no URL leads to it yet" answers 404 http://127.0.0.1/jobs/hello
check "a2enconf deferd, and it works" enable
check "links of the documents" sh /root/check_links.sh /usr/share/doc/deferd
check "the demo" sh /usr/share/doc/deferd/examples/demo.sh --installed
check "through the door, but not as /cgi-bin/defer.cgi" door
check "not for others" strangers
check "a script of one's own, after a reload" own_script
check "one slot, and a restart" narrow
check "upgrade" upgrade
check "an upgrade under load loses no request" none_lost
check "what was queued has run" queued_were_kept
check "remove" remove
check "comes back with its results" comes_back
check "purge" purge
check "nothing is left" nothing_left
check "no unit has failed" no_coredumps
rm -rf "$work"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
