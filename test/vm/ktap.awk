# SPDX-License-Identifier: GPL-2.0
#
# Reads KTAP with any nesting (indentation is the level) and counts the leaves:
# results that have no results nested in them. A parent counts only when it
# failed although nothing inside it did, as a test does that died early.
#
# awk -f ktap.awk: lists failures and skips, then the closing total on a line of
# its own; exit status 1 when anything failed or nothing was counted.
# awk -v verdict=1 -v status=N -v seconds=S -v limit=L: judge the output of one
# test program that ended with status N after S of at most L seconds and print
# its result without number and name: "ok", "ok # SKIP reason", "not ok # reason".

function level(line) {
	match(line, /^ */)
	return RLENGTH
}

# Forget what is nested deeper than d; say in kids and kidfails what was there.
function fold(d,    k) {
	kids = kidfails = 0
	for (k in results) {
		if (k + 0 <= d)
			continue
		kids += results[k]
		kidfails += failed[k]
		delete results[k]
		delete failed[k]
	}
	for (k in plan)
		if (k + 0 > d)
			delete plan[k]
}

function note(kind, d, name) {
	n++
	kindof[n] = kind
	depth[n] = d
	names[n] = name
}

{ sub(/\r$/, "") }

/^ *(K?TAP) version [0-9]+/ {
	d = level($0)
	if (!(d in results))
		fold(d - 1)
	next
}

/^ *1\.\.[0-9]+/ {
	d = level($0)
	line = substr($0, d + 4)
	plan[d] = line + 0
	if (match(toupper(line), /# *SKIP/))
		planskip = substr(line, RSTART + RLENGTH)
	sub(/^ */, "", planskip)
	next
}

/^ *(not )?ok [0-9]+/ {
	d = level($0)
	fold(d)
	bad = $1 == "not"
	name = substr($0, d + 1)
	sub(/^(not )?ok [0-9]+ *(- )?/, "", name)
	directive = ""
	if (match(name, / *#/)) {
		directive = substr(name, RSTART + RLENGTH)
		name = substr(name, 1, RSTART - 1)
	}
	for (i = 1; i <= n; i++) {
		if (depth[i] > d) {
			depth[i] = d
			names[i] = name ": " names[i]
		}
	}
	skip = !bad && toupper(directive) ~ /^ *SKIP/
	if (skip)
		sub(/^ *[A-Za-z]* */, "", directive)
	sub(/^ */, "", directive)
	results[d]++
	if (bad)
		failed[d]++
	if (bad && !kidfails) {
		fails++
		note("failed", d, name (directive == "" ? "" : " (" directive ")"))
	} else if (kids || bad) {
		# Its leaves were counted.
	} else if (skip) {
		skips++
		reason = directive
		note("skipped", d, name ": " (reason == "" ? "no reason given" : reason))
	} else {
		passes++
	}
	next
}

/^ *# / { remark = $0; sub(/^ *# */, "", remark) }

function judge(    why) {
	if (status == 124 || status == 137 && seconds >= limit)
		return "not ok # no end after " limit " s"
	if (fails)
		why = fails " failed"
	if (status == 4 && !fails)
		return "ok # SKIP " (reason != "" ? reason : planskip != "" ? planskip : remark)
	if (status > 128)
		why = why (why == "" ? "" : ", ") "killed by signal " status - 128
	else if (status != 0 && !fails)
		why = "exit status " status
	if (!(0 in plan))
		why = why (why == "" ? "" : ", ") "no plan"
	else if (plan[0] != results[0] + 0)
		why = why (why == "" ? "" : ", ") results[0] + 0 " results of " plan[0]
	if (why != "")
		return "not ok # " why
	if (plan[0] == 0)
		return planskip != "" ? "ok # SKIP " planskip : "not ok # empty plan"
	return "ok"
}

END {
	if (verdict) {
		print judge()
		exit
	}
	for (i = 1; i <= n; i++)
		print "# " kindof[i] ": " names[i]
	printf "%d passed, %d failed, %d skipped\n", passes, fails, skips
	exit fails > 0 || passes == 0
}
