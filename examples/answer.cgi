#!/bin/sh
# answer.cgi - the example that every document of deferd uses, as a script.
#
# It takes its time, ANSWER_SECONDS (10 if the route says nothing), and then
# answers with one JSON string:
#
#	GET /hello	"The answer is: hello"
#
#	route "/*" { exec = "/where/it/is/answer.cgi"
#	             env = { "ANSWER_SECONDS=10" } }
#
# There is nothing of deferd in it but one line, and that one is optional:
# it is a CGI script, and runs under any web server as it is.

seconds=${ANSWER_SECONDS:-10}

# What takes long.  Whole seconds are counted, to show how far it is.
case $seconds in
*[!0-9]*)
	sleep "$seconds"
	;;
*)
	i=0
	while [ "$i" -lt "$seconds" ]; do
		# The one line: percent and a text, to a descriptor that deferd
		# opens.  Under a web server the variable is not there.
		[ -n "$DEFERD_PROGRESS_FD" ] &&
			echo "$((100 * i / seconds)) thinking" >&"$DEFERD_PROGRESS_FD"
		sleep 1
		i=$((i + 1))
	done
	;;
esac

# Inside a JSON string a quote and a backslash need a backslash before them.
# Control characters do too, but deferd lets none into a path.
path=$(printf '%s\n' "${PATH_INFO#/}" | sed 's/[\\"]/\\&/g')

printf 'Content-Type: application/json\r\n\r\n'
printf '"The answer is: %s"\n' "$path"
