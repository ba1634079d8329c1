# The parts of the pages as C: each file given becomes a string named after
# it, `wait.js` view_part_wait_js.  Indentation, empty lines, and comments
# that have a line to themselves stay here.

function name(path) {
	sub(/.*\//, "", path)
	gsub(/[^a-z0-9]/, "_", path)
	return path
}

BEGIN {
	print "/* made by embed.awk from daemon/master/page/ */"
	print "#include \"config.h\"\n"
	print "#include \"daemon/master/view_parts.h\""
}

FNR == 1 {
	if (NR > 1)
		print "\t\"\";"
	printf "\nconst char view_part_%s[] =\n", name(FILENAME)
}

{
	sub(/^[ \t]+/, "")
	if ($0 == "" || /^\/\// || /^\/\*.*\*\/$/)
		next
	gsub(/\\/, "&&")
	gsub(/"/, "\\\"")
	printf "\t\"%s\\n\"\n", $0
}

END {
	print "\t\"\";"
}
