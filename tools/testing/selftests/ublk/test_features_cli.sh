#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "ublk features": each feature of the ABI is either offered, with its bit, or
# named with the release of Linux that it needs; one of an extension, with the driver.
#
# runner: stock distro

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require

"$UBLK" features >"$TMP/features"
say "$(cat "$TMP/features")"
mask=$(sed -n 's/^ublk_drv features: //p' "$TMP/features")
sed -nE 's/^([A-Z_]+) +: (0x[0-9a-f]+)$/\1 \2/p' "$TMP/features" >"$TMP/offered"
sed -nE 's/^  ([A-Z_]+) +: needs (Linux [0-9]+\.[0-9]+( with CONFIG_[A-Z_]+)?|the ublk_drv of this project)$/\1/p' \
	"$TMP/features" >"$TMP/missing"

# The sum of the bits that are printed.
sum() {
	local sum=0 bit

	while read -r _ bit; do
		sum=$((sum | bit))
	done <"$TMP/offered"
	printf '0x%x\n' "$sum"
}

# A line that is neither a heading nor one of the two kinds.
other_line() {
	grep -vE '^ublk_drv features: |^not offered:$' "$TMP/features" |
		grep -vE '^[A-Z_]+ +: 0x|^  [A-Z_]+ +: needs (Linux|the ublk_drv) '
}

check "offered bits make up the mask" prints "$mask" sum
check "23 features are named" prints 23 \
	sh -c "cut -d' ' -f1 '$TMP/offered' '$TMP/missing' | sort -u | wc -l"
check "none of them twice" prints 23 \
	sh -c "cat '$TMP/offered' '$TMP/missing' | wc -l"
check "nothing else is printed" not other_line
check "a heading only if something is missing" \
	[ "$(grep -c '^not offered:$' "$TMP/features")" -eq "$([ ! -s "$TMP/missing" ]; echo $?)" ]
# What is absent is refused where it is asked for.
while read -r option feature; do
	grep -qx "$feature" "$TMP/missing" || continue
	check "add $option is refused" \
		fails 1 driver -- "$UBLK" add -t null "$option"
	check "no device is left" prints "" "$UBLK" list
done <<-END
	--zerocopy AUTO_BUF_REG
	--batch-io BATCH_IO
	--no_auto_part_scan NO_AUTO_PART_SCAN
END
finish
