# To be sourced behind core.sh: a task whose response is a gigabyte.

gigabyte_route="route \"/gigabyte\" { exec = \"$dir/bin/gigabyte\" }"
mkdir -p "$dir/bin"
cat >"$dir/bin/gigabyte" <<-'END'
	#!/bin/sh
	printf 'Content-Type: application/octet-stream\n\n'
	exec head -c 1000000000 /dev/zero
END
chmod 755 "$dir/bin/gigabyte"

# Runs it; $gigabyte is its link.
make_gigabyte()
{
	gigabyte=$(link_of /gigabyte)
	until [ "$(tasks running)" = 0 ]; do
		sleep 0.1
	done
	[ "$(tasks succeeded)" = 1 ] || fail "no gigabyte"
}
