# SPDX-License-Identifier: GPL-2.0
#
# Included by test/unit, test/model and test/fuzz. Every C file of such a
# directory is one program; it includes the headers it tests and is built with
# the address and undefined behaviour sanitizers.
#
#   make -C test/unit run		build and run all, KTAP on stdout
#   make -C test/unit run PROGS=pos	one of them
#   make -C test/unit run O=DIR		objects somewhere else

top	:= $(abspath $(dir $(lastword $(MAKEFILE_LIST)))/..)
PROGS	:= $(basename $(sort $(wildcard *.c)))
O	?= $(top)/out/$(CURDIR:$(top)/%=%)

CFLAGS	?= -O1 -g
SANITIZE ?= -fsanitize=address,undefined -fno-sanitize-recover=all
test-cflags := -std=gnu11 -Wall -Wextra -Werror -Wshadow \
	-Wmissing-prototypes -Wstrict-prototypes $(SANITIZE)
# test/include first: its linux/types.h stands in for the kernel's.
test-cppflags := -I$(top)/test/include -I$(top)/include/uapi \
	-I$(top)/drivers/block/ublk

programs := $(PROGS:%=$(O)/%)

all programs: $(programs)

$(O)/%: %.c
	@mkdir -p $(O)
	$(CC) $(CFLAGS) $(test-cflags) $(test-cppflags) -MMD -MP $< -o $@

run: $(programs)
	@$(top)/scripts/ktap-run.sh $(programs)

clean:
	rm -rf $(O)

.PHONY: all programs run clean

-include $(programs:%=%.d)
