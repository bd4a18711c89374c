# SPDX-License-Identifier: GPL-2.0
# Prints the lines "ROW <subject> <job> <instructions>" as a table, and writes them
# as JSON to the file `json`.
{
	if (!($2 in seen)) {
		seen[$2] = 1
		subject[++subjects] = $2
	}
	if (!($3 in job_seen)) {
		job_seen[$3] = 1
		job[++jobs] = $3
	}
	cost[$2, $3] = $4
}
END {
	printf "%-44s", "guest instructions per IO"
	for (j = 1; j <= jobs; j++)
		printf " %18s", job[j]
	printf "\n"
	for (s = 1; s <= subjects; s++) {
		printf "%-44s", subject[s]
		for (j = 1; j <= jobs; j++)
			printf " %18s", ((subject[s], job[j]) in cost) ? cost[subject[s], job[j]] : "-"
		printf "\n"
	}
	print "{" > json
	for (s = 1; s <= subjects; s++) {
		printf("  \"%s\": {", subject[s]) > json
		# not every subject is measured with the first job
		comma = " "
		for (j = 1; j <= jobs; j++)
			if ((subject[s], job[j]) in cost) {
				printf("%s\"%s\": %s", comma, job[j],
				       cost[subject[s], job[j]]) > json
				comma = ", "
			}
		printf(" }%s\n", (s < subjects ? "," : "")) > json
	}
	print "}" > json
}
