# To be sourced: counts what passed and failed in the logs of `make check`.

# count_tests DIRECTORY: sets `passed` and `failed`
count_tests()
{
	passed=0 failed=0
	for trs in "$1"/*.trs; do
		[ -e "$trs" ] || continue
		log=${trs%.trs}.log
		counts=$(awk '
			/^[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/ {
				split($0, n, /[^0-9]+/)
				good += n[2] - n[3] - n[4]
				bad += n[3] + n[4]
				found = 1
			}
			/^(=+ )?[0-9]+ (passed|failed|skipped|errors?|deselected).* in [0-9.]+s/ {
				words = split($0, w, /[ ,=]+/)
				for (i = 2; i <= words; i++) {
					if (w[i] == "passed") good += w[i - 1]
					if (w[i] ~ /^(failed|errors?)$/) bad += w[i - 1]
				}
				found = 1
			}
			END { if (found) print good + 0, bad + 0 }
		' "$log")
		verdict=$(sed -n 's/^:test-result: \([A-Z]*\).*/\1/p' "$trs")
		case $counts:$verdict in
		:PASS) counts="1 0" ;;
		:SKIP) counts="0 0" ;;
		:*|*" 0:FAIL"|*" 0:ERROR") counts="${counts%% *} 1" ;;
		esac
		set -- "$1" ${counts%:*}
		[ $# = 3 ] || set -- "$1" 0 1
		passed=$((passed + $2)) failed=$((failed + $3))
	done
}
