#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# usage: support.pl LOG...
#        support.pl --table
#
# What was tested on which kernel. A LOG is the output of "make check", with or without
# KERNEL= and TESTS=, or of .ci/run, of which the part "check" counts. For each kernel
# that the guests of a log had, with this project's driver or with the kernel's own, the
# results of the kselftests replace what Documentation/block/ublk-support.txt says of the
# same series and driver; then README.md gets the table of what the file has. --table
# prints the table; scripts/check-docs.sh compares it with README.md.
#
# A series that config.sh has and no log yet has a row all the same.
#
# Exit status: 1 if a log does not say which kernel was tested, or how its tests went.
use strict;
use warnings;
use FindBin;

chdir "$FindBin::Bin/.." or die "support: $!\n";
my $file = 'Documentation/block/ublk-support.txt';
my @columns = qw(series release driver built tests passed failed skipped features date);
my $format = "%-6s %-20s %-6s %-5s %5s %6s %6s %7s %18s %10s %s\n";

sub lines_of {
	my ($path) = @_;
	open my $in, '<', $path or die "support: $path: $!\n";
	return <$in>;
}

# The file as a table: "SERIES DRIVER" to a hash of the columns.
sub read_file {
	my %rows;

	for (grep { !/^#/ } lines_of($file)) {
		my ($lacks, %row) = ('');
		(@row{@columns}, $lacks) = split ' ', $_, @columns + 1;
		$row{lacks} = $lacks =~ s/\s+$//r;
		$rows{"$row{series} $row{driver}"} = \%row;
	}
	my ($series) = join('', lines_of('test/vm/config.sh')) =~ /^UBLK_SERIES="([^"]*)"$/m;
	for (split ' ', $series) {
		$rows{"$_ ours"} //= {
			(map { $_ => '-' } @columns), lacks => '-',
			(map { $_ => 0 } qw(tests passed failed skipped)),
			series => $_, driver => 'ours',
		};
	}
	return %rows;
}

# The newest series first, this project's driver first.
sub in_order {
	my ($rows) = @_;
	my $number = sub { my ($major, $minor) = split /\./, shift; $major * 1000 + $minor };

	return sort {
		$number->($b->{series}) <=> $number->($a->{series}) ||
			$a->{driver} cmp $b->{driver}
	} values %$rows;
}

# Count the leaves of the kselftests of a driver, as test/vm/ktap.awk does. What is
# printed of a test stands before its result.
sub count {
	my ($log, $own) = @_;
	my ($block, $ktap, $tests) = ('', '', 0);

	for (@$log) {
		$block .= $_ if /^ /;
		my ($name, $distro) = /^(?:not )?ok \d+ (\S+)( \(distro\))?/ or next;
		if ($name =~ /^(uapi_|test_|crash_|chaos)/ && !$distro == !$own) {
			$ktap .= "$block$_";
			$tests++;
		}
		$block = '';
	}
	return if !$tests;
	open my $out, '>', "/tmp/ublk-support.$$" or die "support: $!\n";
	print $out $ktap;
	close $out;
	my @said = `awk -f test/vm/ktap.awk /tmp/ublk-support.$$`;
	unlink "/tmp/ublk-support.$$";
	my ($passed, $failed, $skipped) = $said[-1] =~ /^(\d+) passed, (\d+) failed, (\d+) skipped/
		or die "support: test/vm/ktap.awk prints no total\n";
	return (tests => $tests, passed => $passed, failed => $failed, skipped => $skipped);
}

# Does the driver compile for a series without a warning? The test "series" says so,
# and for the kernel of the guest the static gate "warnings". "-": not in this log.
sub built {
	my ($log, $series, $guest) = @_;
	my $pattern = $guest ? qr/\Q$series\E|warnings/ : qr/\Q$series\E/;
	my @results = map { /^\s+(not ok|ok) \d+ $pattern$/ ? $1 : () } @$log;

	return !@results ? '-' : (grep { $_ eq 'not ok' } @results) ? 'no' : 'yes';
}

sub read_log {
	my ($path, $rows) = @_;
	my @log = lines_of($path);
	my $found;

	# .ci/run goes on with other kernels and fewer tests.
	my ($end) = grep { $log[$_] =~ /^# check: \d+ passed/ } 0 .. $#log;
	splice @log, $end if defined $end;
	for (@log) {
		my ($release, $driver, $features, $date, $lacks) =
			/^# guest: kernel (\S+), driver (ours|own), features (0x[0-9a-f]+), date (\S+), lacks (.*)$/
			or next;
		my ($series) = $release =~ /^(\d+\.\d+)/ or next;
		my %counts = count(\@log, $driver eq 'own') or next;
		my $built = $driver eq 'own' ? '-' : built(\@log, $series, 1);
		my $old = $rows->{"$series $driver"};
		$built = $old->{built} if $built eq '-' && $old;
		$rows->{"$series $driver"} = {
			series => $series, release => $release, driver => $driver,
			features => $features, date => $date, lacks => $lacks,
			built => $built, %counts,
		};
		$found = 1;
	}
	die "support: $path does not say which kernel was tested, and how; " .
	    "is it the output of \"make check\"?\n" if !$found;
	for my $row (grep { $_->{driver} eq 'ours' } values %$rows) {
		my $built = built(\@log, $row->{series});
		$row->{built} = $built if $built ne '-';
	}
}

sub write_file {
	my ($rows) = @_;
	my @heading = grep { /^#/ } lines_of($file);

	open my $out, '>', $file or die "support: $file: $!\n";
	print $out @heading;
	printf $out $format, @$_{@columns}, $_->{lacks} for in_order($rows);
	close $out or die "support: $file: $!\n";
}

sub table {
	my ($rows) = @_;
	my $text = "| Kernel | Driver | Compiles | Tests | Passed, failed, skipped | Features | Date |\n" .
		"|---|---|---|---|---|---|---|\n";

	for my $row (in_order($rows)) {
		$text .= sprintf "| %s | %s | %s | %s | %s | %s | %s |\n",
			$row->{release} eq '-' ? "$row->{series}.x" : $row->{release} =~ s/\+.*//r,
			$row->{driver} eq 'ours' ? 'this' : "the kernel's",
			@$row{qw(built tests)},
			$row->{tests} ? join(', ', @$row{qw(passed failed skipped)}) : 'not run yet',
			@$row{qw(features date)};
	}
	return $text;
}

sub write_readme {
	my ($table) = @_;
	my $text = join '', lines_of('README.md');

	$text =~ s/^\| Kernel \|.*\n(?:\|.*\n)*/$table/m
		or die "support: README.md has no table that begins with \"| Kernel |\"\n";
	open my $out, '>', 'README.md' or die "support: README.md: $!\n";
	print $out $text;
	close $out or die "support: README.md: $!\n";
}

die "usage: support.pl LOG...\n       support.pl --table\n" if !@ARGV;
my %rows = read_file();
if ($ARGV[0] eq '--table') {
	print table(\%rows);
	exit 0;
}
read_log($_, \%rows) for @ARGV;
write_file(\%rows);
write_readme(table(\%rows));
