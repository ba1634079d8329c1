# The lines of the rows (bench/run.sh says what they look like) as a table, with
# the medians of each row.

function median(list,    v, n, i, j, t) {
	n = split(list, v, " ")
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) {
			t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
		}
	return v[int((n + 1) / 2)]
}

# Four digits that say something, or all that stand before the point.
function short(x) {
	if (x == "-" || x == "")
		return "-"
	return x >= 100 ? sprintf("%.0f", x) : sprintf("%.3g", x)
}

function verdict(x, wanted) {
	if (wanted == "-")
		return ""
	if (wanted ~ /^>=/ ? x + 0 >= substr(wanted, 3) + 0 : x + 0 <= substr(wanted, 3) + 0)
		return "ok"
	return "MISSED"
}

/^row=/ {
	what = $0
	sub(/.* what=/, "", what)
	for (i = 1; i <= NF && $i !~ /^what=/; i++) {
		at = index($i, "=")
		field[substr($i, 1, at - 1)] = substr($i, at + 1)
	}
	row = field["row"]
	if (!(row in wanted))
		order[++rows] = row
	ours[row] = ours[row] " " field["ours"]
	theirs[row] = theirs[row] " " field["theirs"]
	ratio[row] = ratio[row] " " field["ratio"]
	wanted[row] = field["wanted"]
	unit[row] = field["unit"]
	says[row] = what
}

function print_line(r, what, ours, theirs, unit, x, least, word) {
	if (markdown)
		printf "| %s | %s | %s | %s | %s | %s | %s | %s |\n", r, what, ours, theirs, unit,
			x, least, word == "ok" ? "yes" : word == "MISSED" ? "**no**" : word
	else
		printf "%-4s %-62s %9s %9s %-7s %7s %7s  %s\n", r, what, ours, theirs, unit,
			x, least, word
}

END {
	if (!markdown)
		print ""
	print_line("row", "what", "ours", "theirs", markdown ? "unit" : "", "ratio", "wanted",
		markdown ? "holds" : "")
	if (markdown)
		print "|---|---|--:|--:|---|--:|--:|---|"
	for (i = 1; i <= rows; i++) {
		r = order[i]
		x = median(ratio[r])
		print_line(r, says[r], short(median(ours[r])), short(median(theirs[r])), unit[r],
			x == "-" ? x : sprintf("%.4g", x), wanted[r], verdict(x, wanted[r]))
	}
	print "\nMade: " made "."
}
