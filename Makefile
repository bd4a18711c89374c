# SPDX-License-Identifier: GPL-2.0
#
# Entry points of the project; "make help" lists them. The module is built by
# Kbuild (file Kbuild), the program by ublksrv/Makefile, everything that needs
# a guest by test/vm/.

PREFIX ?= /usr
KDIR ?= /lib/modules/$(shell uname -r)/build
SH_VM := test/vm
CHAOS_ARGS = $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

# Kbuild reads this directory as M=, so nothing here may be relative to it.
TOP := $(abspath $(dir $(lastword $(MAKEFILE_LIST))))

all: modules user

help:
	@echo 'modules     the driver, for the kernel in KDIR= (default: the running one)'
	@echo 'user        the ublk program and its library'
	@echo 'install     program, module, udev rules, units of systemd, man pages; PREFIX= DESTDIR= KDIR='
	@echo 'uninstall   remove what install wrote; with the same variables'
	@echo 'deb         Debian packages of it, in build/deb'
	@echo 'demo        boot a guest and show a file system on a ublk device'
	@echo 'check       all tests, in guests; TESTS="PATTERN..." selects, LESS=1 repeats most'
	@echo 'check-debug what check runs in guests, on a debug kernel compiled once; TESTS= LESS='
	@echo 'check-extents what extents need long for: the protocol with an empty table, ten minutes of moves; LESS='
	@echo 'check-chaos random misuse of all modes on the debug kernel; SECONDS=600 SEED='
	@echo 'check-kcsan the same on a kernel that looks for data races; SECONDS=600 SEED='
	@echo 'check-fresh demo, check and check-debug, each from an empty cache'
	@echo 'check-packages the packages in a clean Debian: install, reboot, upgrade, remove; NATIVE=1'
	@echo 'check-system devices as services: systemd, udev, crashes and reboots; STEPS="NAME..." SCALE='
	@echo 'check-net   servers of NBD and a Ceph killed again and again under writes; KILLS=30'
	@echo 'check-cross the driver in a kernel tree, for other machines, gcc and clang'
	@echo 'check-intree a kernel with the driver built in boots and runs the kselftests; TESTS= LESS='
	@echo 'export      a series of patches in the kernel source TREE='
	@echo 'mutants     do the tests see faults? seeds them one by one; MUTANTS="NAME..."'
	@echo 'unit        the tests that need neither root nor guest'
	@echo 'bench       measurements in a guest'
	@echo 'bench-net   the same for disks of NBD servers'
	@echo 'shell       a shell in a guest; SMP= MEM= KERNEL= UDEV=1 DISTRO_DRIVER=1'
	@echo 'pictures    the pictures of the documents, with graphviz'
	@echo 'compile_commands.json  how each file is compiled, for clangd; KDIR='
	@echo 'clean       remove products'

modules:
	$(MAKE) -C $(KDIR) M=$(TOP) modules

user:
	$(MAKE) -C ublksrv

deb:
	@test/packages/build.sh

demo:
	@$(SH_VM)/demo.sh

check:
	@$(SH_VM)/check.sh $(if $(LESS),--less $(LESS)) $(if $(TESTS),--tests "$(TESTS)")

check-debug:
	@$(SH_VM)/check.sh --debug $(if $(LESS),--less $(LESS)) $(if $(TESTS),--tests "$(TESTS)")

check-extents:
	@$(SH_VM)/extents.sh $(if $(LESS),--less $(LESS))

check-chaos:
	@$(SH_VM)/chaos.sh $(CHAOS_ARGS)

check-kcsan:
	@$(SH_VM)/chaos.sh --kcsan $(CHAOS_ARGS)

check-fresh:
	@$(SH_VM)/fresh.sh

check-packages:
	@test/packages/run.sh

check-system:
	@$(if $(STEPS),STEPS="$(STEPS)") test/system/run.sh

check-net:
	@$(SH_VM)/net.sh $(if $(KILLS),--kills $(KILLS)) $(if $(TESTS),--tests "$(TESTS)")

check-cross:
	@$(SH_VM)/cross.sh

check-intree:
	@$(SH_VM)/check-intree.sh $(if $(LESS),--less $(LESS)) $(if $(TESTS),--tests "$(TESTS)")

export:
	@scripts/export.sh "$(TREE)"

mutants:
	@test/mutants/run.sh $(MUTANTS)

bench:
	@bench/run.sh

bench-net:
	@bench/net.sh

shell:
	@$(SH_VM)/run.sh --shell $(if $(UDEV),--udev) $(if $(DISTRO_DRIVER),--distro-driver)

unit:
	$(MAKE) -C test/unit run
	$(MAKE) -C test/model run
	$(MAKE) -C test/fuzz run

pictures:
	scripts/picture.sh Documentation/block/*.dot
	scripts/performance.pl --draw

# The driver's part comes from its products; without KDIR it is left out.
compile_commands.json: $(if $(wildcard $(KDIR)/Makefile),modules)
	scripts/compile-commands.sh >$@.new
	mv $@.new $@

install: install-user install-modules

install-user: user
	$(MAKE) -C ublksrv install PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)

# modules_install leaves depmod out where KDIR has no System.map, as in
# distributions' header packages (nor is the signing key). It would compress the
# module with a program that need not be there. Below DESTDIR there is nothing
# to index.
install-modules: modules
	$(MAKE) -C $(KDIR) M=$(TOP) INSTALL_MOD_PATH=$(DESTDIR) \
		CONFIG_MODULE_SIG_ALL= CONFIG_MODULE_COMPRESS_ALL= \
		modules_install
	rm -f $(MODULE).gz $(MODULE).xz $(MODULE).zst
	$(if $(DESTDIR),,depmod "$(KERNELRELEASE)")

# Where modules_install puts the module. KDIR may be gone when it is removed.
KERNELRELEASE = $(eval KERNELRELEASE := $(or $(shell $(MAKE) -s -C $(KDIR) \
		kernelrelease 2>/dev/null),$(shell uname -r)))$(KERNELRELEASE)
MODLIB = $(DESTDIR)/lib/modules/$(KERNELRELEASE)
MODULE = $(MODLIB)/$(or $(INSTALL_MOD_DIR),updates)/drivers/block/ublk/ublk_drv.ko

uninstall: uninstall-user uninstall-modules

uninstall-user:
	$(MAKE) -C ublksrv uninstall PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)

uninstall-modules:
	rm -f $(MODULE) $(MODULE).gz $(MODULE).xz $(MODULE).zst
	ublksrv/lib/rmdirs.sh '$(DESTDIR)' '$(patsubst $(DESTDIR)%,%,$(MODLIB))' \
		$(patsubst $(DESTDIR)%,%,$(dir $(MODULE)))
	$(if $(DESTDIR),,depmod "$(KERNELRELEASE)")

clean: clean-modules
	$(MAKE) -C ublksrv clean
	$(MAKE) -C test/unit clean
	$(MAKE) -C test/model clean
	$(MAKE) -C test/fuzz clean
	rm -f compile_commands.json

# Works without the kernel's build directory.
clean-modules:
	if [ -e $(KDIR)/Makefile ]; then $(MAKE) -C $(KDIR) M=$(TOP) clean; fi

.PHONY: all help modules user deb demo check check-debug check-extents check-chaos \
	check-kcsan check-fresh check-packages check-system check-net check-cross \
	check-intree export \
	mutants bench bench-net shell unit pictures compile_commands.json install \
	install-user install-modules uninstall uninstall-user uninstall-modules \
	clean clean-modules
