# SPDX-License-Identifier: GPL-2.0
#
# Included by test/unit, test/model and test/fuzz: programs of one C file each
# that compile the logic headers with the address and undefined behaviour
# sanitizers. PROGS names them.

top	:= $(abspath $(dir $(lastword $(MAKEFILE_LIST)))/..)
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
