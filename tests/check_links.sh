#!/bin/sh
# check_links - every relative link of a document leads to something.
#
# Documents are read in the sources, and also where `make install` has put them,
# and the manual pages name some of these by their paths.  Looked at are the tree
# and what is installed from it, into a directory of its own; and that a file
# which is not there is missed.
#
#	tests/check_links.sh [DIR]	DIR: the documents below it, and nothing else
set -eu

# relative FILE: its links but for those to other hosts and within it, one in a
# line; what stands in a block of code is none.
# shellcheck disable=SC2016 # a fence is three of them
relative()
{
	sed '/^ *```/,/^ *```/d' "$1" |
		grep -oE -e '\]\([^) ]+' -e '^\[[^]]+\]: *[^ ]+' -e '(href|src)="[^"]+' |
		sed -E -e 's/^(\]\(|\[[^]]+\]: *|(href|src)=")//' -e 's/#.*//' \
			-e '/^[a-z]+:/d' -e '/^$/d'
}

# dead DIR: says which links lead to nothing.  What deferd serves as pages, and
# what a build has made, are no documents.
dead()
{
	find "$1" \( -path '*/daemon/master/page' -o -path "$1/build*" \) -prune -o \
		-type f \( -name '*.md' -o -name '*.html' \) -print | LC_ALL=C sort |
	while read -r file; do
		relative "$file" | while read -r link; do
			[ -e "${file%/*}/$link" ] || echo "${file#"$1"/}: $link"
		done
	done
}

# unnamed DESTDIR: the same of the documents that an installed manual page names
unnamed()
{
	find "$1" -path '*/man[1-9]/*' -type f | while read -r page; do
		grep -oE "$docdir/[A-Za-z0-9_./-]*[A-Za-z0-9_/]" "$page" |
		while read -r name; do
			[ -e "$1$name" ] || echo "${page##*/}: $name"
		done
	done
}

# none WHAT LINES: what should not be
status=0
none()
{
	[ -z "$2" ] || { echo "$1 leads to nothing:"; echo "$2"; status=1; }
}

if [ $# -gt 0 ]; then
	none "in $1" "$(dead "$1")"
	exit $status
fi

top=${top_srcdir:-$(dirname "$0")/..}
none "in the tree" "$(dead "$top")"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
docdir=${docdir:-/usr/local/share/doc/deferd}
unset MAKEFLAGS MFLAGS
make -C "${top_builddir:-.}" -s DESTDIR="$work" install-data >"$work/log" 2>&1 ||
	{ cat "$work/log"; exit 1; }
none "installed" "$(dead "$work$docdir")"
none "of the manual pages" "$(unnamed "$work")"

guide=$work$docdir/doc/guide.md
rm "$guide"
for found in "$(dead "$work$docdir")" "$(unnamed "$work")"; do
	case $found in
	*guide.md*) ;;
	*) echo "$guide is gone, and nobody misses it"; status=1 ;;
	esac
done
exit $status
