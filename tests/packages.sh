# To be sourced: installs Debian packages that are missing, and nothing else.
#
# A fresh web server would be started by its package.  It is kept from that:
# the demo and the tests bring servers of their own.

packages_build="autoconf automake gcc libc6-dev make pkg-config uuid-dev check
	libevent-dev libconfuse-dev uthash-dev libjansson-dev libmd-dev
	libseccomp-dev libsqlite3-dev musl-tools"

# Web servers, browsers, and what else the tests speak with.
packages_tests="python3 python3-pytest python3-pytest-xdist curl apache2-bin
	nginx lighttpd chromium chromium-driver python3-selenium man2html info2www
	cgit mandoc sqlite3 jq python3-prometheus-client tmux valgrind"

# What reads the sources; what tries the packages.
packages_analyze="clang-tidy cppcheck shellcheck pyflakes3"
packages_package="debootstrap systemd-container dpkg-dev"

# What bench/run.sh measures against.
packages_bench="apache2-bin nginx libfcgi-bin libfcgi-dev gunicorn python3-flask
	python3-flask-restful celery python3-redis redis-server sqlite3 gnuplot-nox"

# packages_missing NAME...: those that are not installed
packages_missing()
{
	for package; do
		dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null |
			grep -q '^installed$' || printf '%s ' "$package"
	done
}

# packages_need NAME...: installs what is missing, with sudo if need be
packages_need()
{
	missing=$(packages_missing "$@")
	[ -n "$missing" ] || return 0
	as_root=
	if [ "$(id -u)" != 0 ]; then
		as_root=sudo
		command -v sudo >/dev/null || {
			echo "These packages are missing, and there is no sudo to" \
				"install them: $missing" >&2
			return 1
		}
	fi
	echo "Installing what is missing: $missing"
	$as_root sh -c '
		export DEBIAN_FRONTEND=noninteractive
		if [ ! -e /usr/sbin/policy-rc.d ]; then
			trap "rm -f /usr/sbin/policy-rc.d" EXIT INT TERM
			printf "#!/bin/sh\nexit 101\n" >/usr/sbin/policy-rc.d
			chmod 755 /usr/sbin/policy-rc.d
		fi
		apt-get -q -q update &&
		apt-get -q -q -y --no-install-recommends install "$@" >/dev/null || exit
		# nor at the next boot
		for service; do
			case $service in nginx|lighttpd|redis-server)
				systemctl disable --quiet "$service" 2>/dev/null ;;
			esac
		done
		exit 0
	' sh $missing
}
