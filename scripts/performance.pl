#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# usage: performance.pl --print BENCH.json	the rows of README.md's table that it has
#        performance.pl --update BENCH.json	take them over, table and picture
#        performance.pl --draw			make the picture again
#        performance.pl --check			are table and picture made from the data?
#
# What an IO costs, in guest instructions, with this project's driver and program and
# with what else there is. "make bench" measures, and prints the rows with the commands
# that make the disks. Documentation/block/ublk-performance.txt has the figures that
# README.md shows: --update takes them from a full run (build/bench.json) and writes the
# table into README.md and, with gnuplot, ublk-performance.svg.
use strict;
use warnings;
use FindBin;
use Digest::SHA qw(sha256_hex);
# JSON::PP is not needed to check.

my @jobs = (
	['4k-randread-qd32', '4k read, depth 32'],
	['4k-randwrite-qd32', '4k write, depth 32'],
	['4k-randread-qd1', '4k read, depth 1'],
	['128k-read-qd32', '128k read, depth 32'],
);

# Name in the table, subject of bench/guest.sh, command; group in the picture.
my @rows = (
	['null_blk', 'null_blk', 'modprobe null_blk', 'block'],
	['`ublk`, null target', 'null as added, our driver', 'ublk add -t null', 'block'],
	['kernel loop, block device', 'kernel loop, direct IO, on null_blk',
	 'losetup --direct-io=on /dev/loop0 /dev/nullb0', 'block'],
	['`ublk`, block device', 'loop as added, our driver', 'ublk add /dev/nullb0', 'block'],
	["`ublk` on the kernel's driver", 'loop as added, distribution driver',
	 'ublk add /dev/nullb0', 'block'],
	['kernel loop, ext4 file', 'kernel loop, direct IO, on an ext4 file',
	 'losetup --direct-io=on /dev/loop0 file', 'file'],
	['`ublk`, ext4 file', 'loop as added, ext4 file, our driver', 'ublk add file', 'file'],
	['kernel loop, xfs file', 'kernel loop, direct IO, on an xfs file',
	 'losetup --direct-io=on /dev/loop0 file', 'file'],
	['`ublk`, xfs file', 'loop as added, xfs file, our driver', 'ublk add file', 'file'],
);

my ($mode, $bench) = @ARGV;
$mode //= '';
die "usage: performance.pl --print|--update BENCH.json, --draw, --check\n"
	if @ARGV != ($mode =~ /^--(print|update)$/ ? 2 : 1) ||
	   $mode !~ /^--(print|update|draw|check)$/;

sub slurp {
	my ($path) = @_;
	open my $in, '<', $path or die "performance: $path: $!\n";
	local $/;
	return <$in>;
}

sub spill {
	my ($path, $text) = @_;
	open my $out, '>', $path or die "performance: $path: $!\n";
	print $out $text;
	close $out or die "performance: $path: $!\n";
}

sub with_dots {
	return shift =~ s/(?<=\d)(?=(\d{3})+$)/,/gr;
}

# Figures by subject and job.
my $figures = $bench ? do { require JSON::PP; JSON::PP::decode_json(slurp($bench)) } : {};
chdir "$FindBin::Bin/.." or die "performance: $!\n";
my ($txt, $svg) = map { "Documentation/block/ublk-performance.$_" } qw(txt svg);

if ($mode eq '--print') {
	for (grep { $figures->{$_->[1]} } @rows) {
		my ($name, $subject, $command) = @$_;
		printf "%-32s %9s %9s %9s %9s  %s\n", $name =~ tr/`//dr,
			(map { with_dots($figures->{$subject}{$_->[0]} // '-') } @jobs),
			$command;
	}
	exit 0;
}

if ($mode eq '--update') {
	my $text = slurp($txt) =~ s/^[^#].*\n//gmr;

	for (@rows) {
		my $f = $figures->{$_->[1]} or die "performance: $bench has no row \"$_->[1]\"\n";
		$text .= join("\t", $_->[1], map { $f->{$_->[0]} // '-' } @jobs) . "\n";
	}
	spill($txt, $text);
}

for (grep { !/^#/ } split /\n/, slurp($txt)) {
	my ($subject, @values) = split /\t/;
	@{$figures->{$subject}}{map { $_->[0] } @jobs} = @values;
}

sub table {
	my $text = '| Guest instructions per IO | ' . join(' | ', map { $_->[1] } @jobs) .
		" |\n|---|" . '--:|' x @jobs . "\n";

	# README.md is short: the picture has the others as well.
	for (grep { $_->[1] !~ /xfs|distribution/ } @rows) {
		my ($name, $subject) = @$_;
		my $f = $figures->{$subject};
		$text .= "| $name | " .
			join(' | ', map { with_dots($f->{$_->[0]} // '-') } @jobs) . " |\n";
	}
	return $text;
}

# A bar for each row, in groups by job; 0 where nothing was measured.
sub plot {
	my $data = '';
	my %color = (block => ['#8c959f', '#57ab5a', '#d29922', '#2f81f7', '#a371f7'],
		     file => ['#b0862a', '#1f6feb', '#8a6a1f', '#1158c7']);
	my (%used, @bars);

	for my $job (@jobs) {
		$data .= join("\t", "\"$job->[1]\"",
			      map { my $v = $figures->{$_->[1]}{$job->[0]} // '-';
				    $v eq '-' ? 0 : $v } @rows) . "\n";
	}
	for my $i (0 .. $#rows) {
		my $group = $rows[$i][3];
		my $color = $color{$group}[$used{$group}++];
		my $name = $rows[$i][0] =~ tr/`//dr =~ s/'/''/gr;
		push @bars, sprintf("\$d using %d%s title '%s' linecolor rgb '%s'", $i + 2,
				    $i ? '' : ':xtic(1)', $name, $color);
	}
	return "\$d << END\n${data}END\n" . <<'PLOT' . 'plot ' . join(', ', @bars) . "\n";
set terminal svg size 860,400 dynamic noenhanced font 'sans-serif,12' background '#00ffffff'
set style data histogram
set style histogram cluster gap 1.5
set style fill solid 1 noborder
set border 2 linecolor rgb '#808890'
set grid ytics linecolor rgb '#808890' linewidth 0.4 dashtype 3
set ytics nomirror format "%'.0f"
set xtics nomirror scale 0
set yrange [0:*]
set key outside below horizontal samplen 1.2 width 1
set ylabel 'guest instructions per IO'
PLOT
}

my $sum = sha256_hex(plot());
my $comment = "<!-- made by \"make pictures\" from ublk-performance.txt: $sum -->";

if ($mode eq '--check') {
	my $bad = 0;

	$bad |= print "README.md does not have the table of $txt (performance.pl)\n"
		if index(slurp('README.md'), table()) < 0;
	$bad |= print "not made from the present $txt: $svg (make pictures)\n"
		if index(slurp($svg), $comment) < 0;
	exit $bad;
}

if ($mode eq '--update') {
	my $readme = slurp('README.md');
	my $table = table();

	$readme =~ s/^\| Guest instructions per IO \|.*\n(\|.*\n)*/$table/m or
		die "performance: README.md has no table to replace\n";
	spill('README.md', $readme);
}

my $source = "/tmp/ublk-performance.$$";
spill($source, plot());
my $drawn = `gnuplot $source`;
my $failed = $?;
unlink $source;
die "performance: gnuplot failed\n" if $failed || $drawn !~ /<svg/;
$drawn =~ s/^.*?(?=<svg)//s;
$drawn =~ s/<desc>.*?<\/desc>//s;
$drawn =~ s/[ \t]+$//mg;
$drawn =~ s/^<rect [^>]*fill="#ffffff"\/>\n//m;
$drawn =~ s/(<svg[^>]*>)/$1\n<style>text { fill: #6e7781 !important; stroke: none }<\/style>/;
spill($svg, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" .
      "<!-- SPDX-License-Identifier: GPL-2.0 -->\n$comment\n$drawn");
