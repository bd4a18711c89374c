#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Chunk c of a striped disk is chunk c / n of member c % n, for writes, reads,
# discards and zeroing. The capacity is whole stripes of the smallest member.
# Members that do not fit together are refused with one line.
#
# runner: stock

# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"

require cmp blkdiscard perl

# woven CHUNK SIZE FILE...: print chunks of all files in turn.
woven() {
	perl -we 'use strict;
		my ($chunk, $size, @names) = @ARGV;
		my @files = map { open my $f, "<:raw", $_ or die "$_: $!"; $f }
			@names;
		for (my $c = 0; $c * $chunk < $size; $c++) {
			my $n = read $files[$c % @files], my $data, $chunk;
			print $data if $n == $chunk or die "chunk $c is short";
		}' "$@"
}

# laid_out CHUNK FILE...: the members have the contents of the disk.
laid_out() {
	local chunk=$1 size
	shift

	size=$(blockdev --getsize64 "$BDEV")
	dd if="$BDEV" of="$TMP/disk" bs=1M iflag=direct status=none || return
	woven "$chunk" "$size" "$@" >"$TMP/woven" || return
	cmp "$TMP/disk" "$TMP/woven"
}

# says WORD... -- COMMAND...: the command fails and prints one line with these words.
says() {
	local words=()

	while [ "$1" != -- ]; do
		words+=("$1")
		shift
	done
	shift
	if timeout "$((30 * SCALE))" "$@" >"$TMP/out" 2>"$TMP/err"; then
		echo "status 0"
		return 1
	fi
	cat "$TMP/err"
	[ "$(wc -l <"$TMP/err")" -eq 1 ] || { echo "not one line"; return 1; }
	for word in "${words[@]}"; do
		grep -qi -- "$word" "$TMP/err" || { echo "no \"$word\""; return 1; }
	done
}

zero_range() {
	dd if=/dev/zero of="$TMP/want" bs=512 seek="$(($1 / 512))" \
		count="$(($2 / 512))" conv=notrunc status=none
}

while read -r members chunk; do
	name="$members members, chunk $chunk"
	files=()
	for ((i = 0; i < members; i++)); do
		rm -f "$TMP/img$i"
		files+=("$(new_file "img$i" $((300000 + i * 23457)))")
	done
	add_dev -t stripe --chunk-size "$chunk" "${files[@]}"
	size=$((300000 / chunk * chunk * members))
	check "$name: size" prints "$size" blockdev --getsize64 "$BDEV"
	head -c "$size" /dev/urandom >"$TMP/want"
	check "$name: write" dd if="$TMP/want" of="$BDEV" bs=333312 \
		oflag=direct status=none
	check "$name: layout" laid_out "$chunk" "${files[@]}"
	check "$name: contents" cmp "$TMP/want" "$TMP/disk"
	check "$name: zero" blkdiscard -z -o 66048 -l 33280 "$BDEV"
	zero_range 66048 33280
	check "$name: discard" blkdiscard -o 131072 -l $((members * 65536)) "$BDEV"
	zero_range 131072 $((members * 65536))
	check "$name: layout with zeroes" laid_out "$chunk" "${files[@]}"
	check "$name: contents with zeroes" cmp "$TMP/want" "$TMP/disk"
	check "$name: delete" del_dev
done <<END
2 65536
3 4096
3 65536
5 16384
END

# The same members make the same disk again, in another order another disk.
add_dev -t stripe --chunk-size 16384 "${files[@]}"
check "the same members again" cmp -n "$size" "$TMP/want" "$BDEV"
del_dev
add_dev -t stripe --chunk-size 16384 --read-only "${files[1]}" "${files[0]}" \
	"${files[@]:2}"
check "in another order" not cmp -n "$size" "$TMP/want" "$BDEV"
check "--read-only" prints 1 blockdev --getro "$BDEV"
del_dev

ln "$TMP/img0" "$TMP/again"
ln -s img0 "$TMP/link"
new_file small 4095 >"$TMP/out"
check "one member" says "two or more" loop -- \
	"$UBLK" add -t stripe "$TMP/img0"
check "no member" says "needs --file" -- "$UBLK" add -t stripe
check "one file twice" says "same" img0 -- \
	"$UBLK" add -t stripe "$TMP/img0" "$TMP/img1" "$TMP/img0"
check "one file by a hard link" says "same" again -- \
	"$UBLK" add -t stripe "$TMP/img0" "$TMP/again"
check "one file by a symbolic link" says "same" -- \
	"$UBLK" add -t stripe "$TMP/img0" "$TMP/link"
check "no such file" says "no such file" nothing -- \
	"$UBLK" add -t stripe "$TMP/img0" "$TMP/nothing"
check "a member below a chunk" says "smaller than a chunk" small -- \
	"$UBLK" add -t stripe "$TMP/img0" "$TMP/small"
check "a chunk that is no power of two" says "power of two" 12288 -- \
	"$UBLK" add -t stripe --chunk-size 12K "$TMP/img0" "$TMP/img1"
check "a chunk below 4096" says "out of range" -- \
	"$UBLK" add -t stripe --chunk-size 2K "$TMP/img0" "$TMP/img1"
for ((i = 0; i < 33; i++)); do
	many[i]=$(new_file "many$i" 65536)
done
check "33 members" says "at most 32" -- "$UBLK" add -t stripe "${many[@]}"
add_dev -t stripe "${many[@]:0:32}"
check "32 members" prints $((32 * 65536)) blockdev --getsize64 "$BDEV"
finish
