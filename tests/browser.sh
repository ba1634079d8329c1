#!/bin/sh
# The browser tests: what a person sees (tests/browser/), in a real Chromium.
#
# Run by `make check`; by hand, from a build directory:
#	../tests/browser.sh [arguments of pytest, such as -k cancel]
#
# DEFERD_BROWSER	"no" leaves them out
# DEFERD_REQUIRE	"1": a missing browser is a failure, not a skip
# DEFERD_SHOTS		a folder: pictures of the pages go there

set -u
here=$(dirname "$0")
DEFERD_BUILD=${top_builddir:-.}
PYTHONDONTWRITEBYTECODE=1
export DEFERD_BUILD PYTHONDONTWRITEBYTECODE

if [ "${DEFERD_BROWSER-yes}" = no ] || [ "${DEFERD_SYSTEM-yes}" != yes ]; then
	echo "browser tests: left out"
	exit 77
fi
for program in chromium chromedriver; do
	command -v $program >/dev/null && continue
	echo "browser tests: $program is missing"
	[ "${DEFERD_REQUIRE-}" = 1 ] && exit 1
	exit 77
done
if ! /usr/bin/python3 -c 'import pytest, selenium' 2>/dev/null; then
	echo "browser tests: python3-pytest or python3-selenium is missing"
	[ "${DEFERD_REQUIRE-}" = 1 ] && exit 1
	exit 77
fi
exec /usr/bin/python3 -m pytest -p no:cacheprovider -q -rsfE --color=no \
	--rootdir="$here/browser" "$here/browser" "$@"
