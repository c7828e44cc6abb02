# Catena: `make` builds what ships into .build/stage, `make demo` shows it, `make test` checks it, `make install` puts it in place.
SHELL := /bin/bash
.DEFAULT_GOAL := all

VERSION  := $(shell sed -n 's/.*StaticString = "\(.*\)"/\1/p' Sources/ModuleABI/Version.swift)
PREFIX   ?= /usr/local
DESTDIR  ?=
# Where the runtime looks for plugins: /opt/cni/bin and /usr/lib/cni are the field's usual ones. The programs themselves are always in
# PREFIX/lib/cni, from where they find their modules; another directory gets links to them.
CNIBINDIR ?= $(PREFIX)/lib/cni
PROGDIR   := $(PREFIX)/lib/cni

MODULES  := bandwidth bridge dhcp dummy firewall flannel host-device host-local ipvlan loopback macvlan portmap ptp sbr static tap tuning vlan vrf
WRAPPERS := $(MODULES)
PROGRAMS := catena catena-exec catena-dhcpd
UNITS    := catena-dhcpd.service catena-dhcpd.socket
STAGE    := $(CURDIR)/.build/stage

BUILD_PACKAGES := libmnl-dev libnftables-dev libjansson-dev libmd-dev pkg-config gcc make
# Compilers for modules in other languages than C.
DEV_PACKAGES   := g++ rustc
# The second kernel, under emulation: x86-64 only.
VM_PACKAGES    := $(if $(filter x86_64,$(shell uname -m)),qemu-system-x86 busybox-static linux-image-amd64 cpio kmod)
TEST_PACKAGES  := $(BUILD_PACKAGES) $(DEV_PACKAGES) $(VM_PACKAGES) nftables iproute2 iputils-ping util-linux python3 python3-pytest \
                  python3-pytest-xdist binutils conntrack containernetworking-plugins iptables strace \
                  dnsmasq-base kea-dhcp4-server kea-dhcp6-server udhcpd systemd firewalld dbus-daemon
BENCH_PACKAGES := $(TEST_PACKAGES) netavark python3-matplotlib

# Embedded Swift: the toolchain's Unicode tables are a static archive that has to be named (docs/building.md).
UNICODE_TABLES = $(shell swiftc -print-target-info | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p')/embedded/$(shell swiftc -print-target-info | sed -n 's/.*"unversionedTriple": "\(.*\)".*/\1/p')/libswiftUnicodeDataTables.a
EMBEDDED       = CATENA_EMBEDDED=1 CATENA_UNICODE_TABLES=$(UNICODE_TABLES) swift build -c release --disable-local-rpath --scratch-path .build-embedded

.PHONY: all stage embedded catenactl sdk deps deps-dev deps-test deps-bench demo test test-unit test-integration test-vm fuzz bench bench-vm install uninstall format lint clean

all: deps stage

embedded:
	$(EMBEDDED)

catenactl:
	swift build -c release --static-swift-stdlib --disable-local-rpath --scratch-path .build-release --product catenactl

# What `make install` copies, with the layout it has there.
stage: embedded catenactl
	@set -e; built=.build-embedded/release; \
	rm -rf $(STAGE).new; \
	mkdir -p $(STAGE).new/{bin,lib/cni,lib/catena/modules,lib/systemd/system,share/catena/conflists}; \
	for program in $(PROGRAMS); do strip -o $(STAGE).new/lib/cni/$$program $$built/$$program; done; \
	for wrapper in $(WRAPPERS); do ln -s catena-exec $(STAGE).new/lib/cni/$$wrapper; done; \
	strip -o $(STAGE).new/lib/catena/libcatena-modules.so $$built/libcatena-modules.so; \
	for module in $(MODULES); do ln -s ../libcatena-modules.so $(STAGE).new/lib/catena/modules/$$module.so; done; \
	strip -o $(STAGE).new/bin/catenactl .build-release/release/catenactl; \
	cp conflists/*.conflist $(STAGE).new/share/catena/conflists/ 2>/dev/null || true; \
	$(MAKE) -s --no-print-directory sdk INTO=$(STAGE).new; \
	cp systemd/catena-dhcpd.socket $(STAGE).new/lib/systemd/system/; \
	sed -e 's|@PREFIX@|$(PREFIX)|' systemd/catena-dhcpd.service.in > $(STAGE).new/lib/systemd/system/catena-dhcpd.service; \
	chmod -R go-w $(STAGE).new; rm -rf $(STAGE); mv $(STAGE).new $(STAGE); \
	echo "built into $(STAGE)"

# What modules are built with: headers, pkg-config file, the interface for Rust, ModuleKit's sources (Sources/Package.swift lists them).
KIT := CatenaABI CLinux CJansson CMnl CMd Linux JSON CNI Namespace State Netlink ModuleABI Digest ModuleKit
sdk:
	@test -n "$(INTO)" || { echo "sdk is a part of stage and install"; exit 1; }
	install -d $(INTO)/include/catena $(INTO)/lib/pkgconfig $(INTO)/share/catena/rust $(INTO)/share/catena/modulekit
	install -p -m 644 Sources/CatenaABI/include/catena/*.h $(INTO)/include/catena/
	install -p -m 644 Sources/CatenaABI/module.map $(INTO)/share/catena/
	install -p -m 644 Sources/CatenaABI/rust/*.rs $(INTO)/share/catena/rust/
	install -p -m 644 Sources/Package.swift Sources/module.mk $(INTO)/share/catena/modulekit/
	rm -rf $(addprefix $(INTO)/share/catena/modulekit/,$(KIT))
	cp -R --preserve=timestamps $(addprefix Sources/,$(KIT)) $(INTO)/share/catena/modulekit/
	chmod -R a+rX,go-w $(INTO)/share/catena/modulekit
	sed -e 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|; s|@CNIBINDIR@|$(CNIBINDIR)|' catena.pc.in > $(INTO)/lib/pkgconfig/catena.pc
	chmod 644 $(INTO)/lib/pkgconfig/catena.pc

# Debian and Ubuntu packages: installed when this is root, else the command to run is told.
deps:
	@./Tests/tools/packages $(BUILD_PACKAGES)

# What the examples of Examples/modules need beside Swift.
deps-dev:
	@./Tests/tools/packages $(BUILD_PACKAGES) $(DEV_PACKAGES)

deps-bench:
	@./Tests/tools/packages $(BENCH_PACKAGES)

deps-test:
	@./Tests/tools/packages $(TEST_PACKAGES)

demo: deps-test stage
	@CATENA_STAGE=$(STAGE) Tests/demo/demo.sh

# Unit tests (ordinary Swift), then the shipped build in private namespaces. The last line counts them all.
test: deps-test stage
	@CATENA_STAGE=$(STAGE) Tests/tools/run-tests

test-unit: deps
	swift test

test-integration: deps-test stage
	CATENA_STAGE=$(STAGE) /usr/bin/python3 -m pytest -q -n 4 Tests/integration

# All integration tests under the second kernel: half an hour. `make test` runs those that need it.
test-vm: deps-test stage
	CATENA_STAGE=$(STAGE) Tests/vm/run-tests

# libFuzzer for FUZZ_SECONDS on each target, or on those of FUZZ_TARGETS; inputs that reach new code are kept in Tests/fuzz/corpus.
fuzz: deps
	FUZZ_KEEP=1 Tests/fuzz/run $(or $(FUZZ_SECONDS),300) $(FUZZ_TARGETS)

bench: deps-bench stage
	CATENA_STAGE=$(STAGE) Tests/bench/bench
	CATENA_STAGE=$(STAGE) Tests/bench/modules
	CATENA_STAGE=$(STAGE) Tests/bench/host-local-scale
	CATENA_STAGE=$(STAGE) Tests/bench/curves

# The interface modules that this kernel lacks, under the second one (and the others too).
bench-vm: deps-bench stage
	Tests/vm/boot Tests/bench/modules

install:
	@test -d $(STAGE) || { echo "nothing is built yet: run make first"; exit 1; }
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PROGDIR) $(DESTDIR)$(CNIBINDIR) $(DESTDIR)$(PREFIX)/lib/catena/modules
	install -d $(DESTDIR)$(PREFIX)/share/catena/conflists
	install -m 755 $(STAGE)/bin/catenactl $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(foreach p,$(PROGRAMS),$(STAGE)/lib/cni/$(p)) $(DESTDIR)$(PROGDIR)/
	ln -sf $(PROGDIR)/catena-dhcpd $(DESTDIR)$(PREFIX)/bin/catena-dhcpd
	for wrapper in $(WRAPPERS); do ln -sf catena-exec $(DESTDIR)$(PROGDIR)/$$wrapper; done
	if [ "$(CNIBINDIR)" != "$(PROGDIR)" ]; then \
	    for program in catena $(WRAPPERS); do ln -sf $(PROGDIR)/$$program $(DESTDIR)$(CNIBINDIR)/$$program; done; fi
	install -m 755 $(STAGE)/lib/catena/libcatena-modules.so $(DESTDIR)$(PREFIX)/lib/catena/
	for module in $(MODULES); do ln -sf ../libcatena-modules.so $(DESTDIR)$(PREFIX)/lib/catena/modules/$$module.so; done
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 644 $(STAGE)/lib/systemd/system/catena-dhcpd.socket $(DESTDIR)$(PREFIX)/lib/systemd/system/
	sed -e 's|@PREFIX@|$(PREFIX)|' systemd/catena-dhcpd.service.in > $(DESTDIR)$(PREFIX)/lib/systemd/system/catena-dhcpd.service
	chmod 644 $(DESTDIR)$(PREFIX)/lib/systemd/system/catena-dhcpd.service
	install -m 644 $(STAGE)/share/catena/conflists/* $(DESTDIR)$(PREFIX)/share/catena/conflists/
	$(MAKE) -s --no-print-directory sdk INTO=$(DESTDIR)$(PREFIX)

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/catenactl $(DESTDIR)$(PREFIX)/bin/catena-dhcpd $(foreach p,$(PROGRAMS) $(WRAPPERS),$(DESTDIR)$(PROGDIR)/$(p) $(DESTDIR)$(CNIBINDIR)/$(p))
	rm -f $(foreach m,$(MODULES),$(DESTDIR)$(PREFIX)/lib/catena/modules/$(m).so) $(DESTDIR)$(PREFIX)/lib/catena/libcatena-modules.so $(DESTDIR)$(PREFIX)/include/catena/{module,helpers}.h
	rm -f $(DESTDIR)$(PREFIX)/lib/pkgconfig/catena.pc $(foreach u,$(UNITS),$(DESTDIR)$(PREFIX)/lib/systemd/system/$(u))
	rm -rf $(DESTDIR)$(PREFIX)/share/catena

format:
	swift format --in-place --recursive --configuration .swift-format Package.swift Sources Modules Tests/unit Tests/fuzz Examples

lint:
	swift format lint --strict --recursive --configuration .swift-format Package.swift Sources Modules Tests/unit Tests/fuzz Examples

clean:
	rm -rf .build .build-embedded .build-release .build-fuzz
