#!/bin/sh
# The Debian packages, from the source to "nothing is left": built and checked
# in a clean tree, installed in another one, which is then booted with its
# systemd and Apache (tests/package/session.sh says what happens there).
#
# usage: tests/package.sh [SUITE...]	(bookworm, if none is named)
#
# Needs root, for debootstrap, chroot and systemd-nspawn, and the mirror that
# apt uses here.  What it makes is in one directory under /tmp, several hundred
# megabytes, and removed at the end; nothing of this system is touched.  It
# takes two to four minutes for a suite.  The last line is
#
#	N passed, N failed
#
# DEFERD_KEEP	"1" leaves the trees where they are, and says where

set -u
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/packages.sh"
passed=0 failed=0

give_up()
{
	echo "package: $*" >&2
	echo "$passed passed, $((failed + 1)) failed"
	exit 1
}

[ "$(id -u)" = 0 ] || give_up "needs root, for debootstrap and systemd-nspawn"
packages_need $packages_package || give_up "no debootstrap"

dir=$(mktemp -d /tmp/deferd-package.XXXXXX) || exit 1

# Called when this script ends, however it ends.
cleanup()
{
	trap - EXIT
	trap '' INT TERM HUP
	wait
	if [ "${DEFERD_KEEP-}" = 1 ]; then
		echo "The trees are in $dir"
	else
		rm -rf --one-file-system "$dir"
	fi
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

# step WHAT COMMAND...: runs it, says whether it went well and how long it took;
# what it printed is shown if it did not.  Gives its status.
step()
{
	what=$1 from=$(date +%s) status=0
	shift
	"$@" >"$dir/step.log" 2>&1 </dev/null || status=$?
	took=$(($(date +%s) - from))
	if [ $status = 0 ]; then
		passed=$((passed + 1))
		echo "ok     $what ($took s)"
	else
		failed=$((failed + 1))
		grep -v -e "^gcc " -e "^musl-gcc " "$dir/step.log" | tail -n 60
		echo "not ok $what ($took s)"
	fi
	return $status
}

# ---- trees -------------------------------------------------------------------

# Where apt gets Debian from on this machine.
find_mirror()
{
	. /etc/os-release
	mirror=$(apt-get indextargets --format '$(SITE)' "Created-By: Packages" \
		"Release: $VERSION_CODENAME" "Component: main" | head -n 1)
	[ -n "$mirror" ] || mirror=$(apt-get indextargets --format '$(SITE)' \
		"Created-By: Packages" "Component: main" | head -n 1)
	[ -n "$mirror" ]
}

# inside TREE [OPTION...] -- COMMAND...: in a world of its own; nothing of it is
# left when the call returns.
inside()
{
	tree=$1
	shift
	systemd-nspawn --quiet --directory="$tree" --register=no --keep-unit --as-pid2 \
		--resolv-conf=off --console=pipe --setenv=LC_ALL=C.UTF-8 \
		--setenv=DEBIAN_FRONTEND=noninteractive "$@"
}

apt_get()
{
	tree=$1
	shift
	inside "$tree" -- apt-get -q -y --no-install-recommends "$@"
}

# A minimal Debian, whose services are not started while it sleeps.  apt gets
# there as it does here.
bootstrap()
{
	include=
	case $mirror in https:*) include=--include=ca-certificates ;; esac
	debootstrap --variant=minbase $include "$suite" "$dir/base" "$mirror" || return
	apt-config dump Acquire >"$dir/base/etc/apt/apt.conf.d/90here"
	printf '#!/bin/sh\nexit 101\n' >"$dir/base/usr/sbin/policy-rc.d"
	chmod 755 "$dir/base/usr/sbin/policy-rc.d"
}

# ---- the packages ------------------------------------------------------------

# The sources, as a clean clone would have them.
copy_sources()
{
	cp -a "$dir/base" "$dir/build" && mkdir -p "$dir/build/src/deferd" || return
	(cd "$top" && if [ -e .git ]; then
		git ls-files -z --cached --others --exclude-standard
	else
		find . -name build\* -prune -o -type f -print0
	fi | xargs -0 ls -d 2>/dev/null | tar -cf - -T -) |
		tar -C "$dir/build/src/deferd" -xf - || return
	inside "$dir/build" -- useradd --create-home builder &&
		chown -R --reference="$dir/build/home/builder" "$dir/build/src"
}

install_builders()
{
	apt_get "$dir/build" install build-essential lintian &&
		apt_get "$dir/build" build-dep /src/deferd
}

# build VERSION: as a user who is not root, and without a network
build()
{
	inside "$dir/build" --private-network --user=builder --chdir=/src/deferd \
		--setenv=DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS-}" -- \
		dpkg-buildpackage -us -uc -j2 || return
	mkdir -p "$dir/deb/$1" && mv "$dir/build/src"/*.* "$dir/deb/$1/"
}

# The same once more, as what comes after it; its tests have run.
build_next()
{
	changelog=$dir/build/src/deferd/debian/changelog
	version=$(dpkg-parsechangelog -l "$changelog" -S Version) || return
	{
		echo "deferd ($version+next) unstable; urgency=medium"
		printf '\n  * Nothing new.\n\n'
		sed -n '/^ -- /{p;q}' "$changelog"
		echo
		cat "$changelog"
	} >"$dir/changelog" && cp "$dir/changelog" "$changelog" || return
	DEB_BUILD_OPTIONS=nocheck build 2
}

check_lintian()
{
	mkdir -p "$dir/build/deb" && cp "$dir/deb/1"/* "$dir/build/deb/" || return
	inside "$dir/build" --user=builder -- sh -c \
		'lintian -EvIL +pedantic --fail-on error,warning /deb/*.changes'
}

# What deferd-dev is for.
check_dev()
{
	inside "$dir/build" -- sh -c 'apt-get -q -y install /deb/deferd-dev_*.deb' &&
		inside "$dir/build" --user=builder -- sh -e -c 'cd
		cc -Wall -Werror -shared -fPIC $(pkg-config --cflags deferd) -o answer.so \
			/src/deferd/examples/answer.c
		[ "$(pkg-config --variable=moduledir deferd)" = /usr/lib/deferd ]'
}

# ---- the machine -------------------------------------------------------------

# All that deferd needs is there already, so that its own traces are seen.
prepare_machine()
{
	cp -a "$dir/base" "$dir/run" && mkdir "$dir/run/deb" &&
		cp -r "$dir/deb/1" "$dir/deb/2" "$dir/run/deb/" || return
	apt_get "$dir/run" install systemd-sysv apache2 curl procps iproute2 &&
		apt_get "$dir/run" satisfy "$(dpkg-deb -f "$dir"/deb/1/deferd_*.deb Depends)" ||
		return
	rm "$dir/run/usr/sbin/policy-rc.d"
	install -m 755 "$top/tests/package/session.sh" "$top/tests/check_links.sh" \
		"$dir/run/root/"
	cat >"$dir/run/etc/systemd/system/session.service" <<-'END'
		[Unit]
		Description=What is done to deferd here
		Wants=apache2.service
		After=apache2.service
		SuccessAction=exit
		FailureAction=exit
		[Service]
		Type=oneshot
		ExecStart=/root/session.sh
		StandardOutput=file:/root/session.log
		StandardError=inherit
	END
}

# Its network is its own loopback, so the ports are all free.
boot()
{
	SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 timeout 300 systemd-nspawn --quiet --boot \
		--directory="$dir/run" --private-network --register=no --keep-unit \
		--console=pipe systemd.unit=session.service >"$dir/boot.log" 2>&1
	cat "$dir/run/root/session.log"
	tail -n 1 "$dir/run/root/session.log" | grep -q '^[0-9]* passed, 0 failed$'
}

# The lines of the session count as those from here.
session()
{
	boot >"$dir/session.log" 2>&1 </dev/null || :
	grep -v '^[0-9]* passed, ' "$dir/session.log"
	last=$(tail -n 1 "$dir/session.log")
	case $last in
	*" passed, "*" failed")
		passed=$((passed + ${last%% *}))
		last=${last#*, } failed=$((failed + ${last%% *})) ;;
	*)	failed=$((failed + 1))
		tail -n 30 "$dir/boot.log"
		echo "not ok the session came to its end" ;;
	esac
}

package()
{
	suite=$1
	echo "---- $suite"
	rm -rf --one-file-system "${dir:?}"/*
	step "a minimal tree" bootstrap || return
	step "sources" copy_sources || return
	step "what is needed to build" install_builders || return
	step "dpkg-buildpackage, with tests" build 1 || return
	step "lintian has nothing to say" check_lintian
	step "deferd-dev builds a module" check_dev
	step "the next version" build_next || return
	step "a machine" prepare_machine || return
	session
}

find_mirror || give_up "no mirror in apt's sources"
for suite in "${@:-bookworm}"; do
	package "$suite"
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
