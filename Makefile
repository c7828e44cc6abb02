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

MODULES  := bridge dummy firewall host-device host-local loopback portmap tap
WRAPPERS := $(MODULES)
STAGE    := $(CURDIR)/.build/stage

BUILD_PACKAGES := libmnl-dev libnftables-dev libjansson-dev libmd-dev pkg-config gcc make
TEST_PACKAGES  := $(BUILD_PACKAGES) nftables iproute2 iputils-ping util-linux python3 python3-pytest binutils g++ conntrack containernetworking-plugins \
                  iptables strace firewalld dbus-daemon

# Embedded Swift: the toolchain's Unicode tables are a static archive that has to be named (docs/building.md).
UNICODE_TABLES = $(shell swiftc -print-target-info | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p')/embedded/$(shell swiftc -print-target-info | sed -n 's/.*"unversionedTriple": "\(.*\)".*/\1/p')/libswiftUnicodeDataTables.a
EMBEDDED       = CATENA_EMBEDDED=1 CATENA_UNICODE_TABLES=$(UNICODE_TABLES) swift build -c release --disable-local-rpath --scratch-path .build-embedded

.PHONY: all stage embedded catenactl deps deps-test deps-bench demo test test-unit test-integration bench install uninstall format lint clean

all: deps stage

embedded:
	$(EMBEDDED)

catenactl:
	swift build -c release --static-swift-stdlib --disable-local-rpath --scratch-path .build-release --product catenactl

# What `make install` copies, with the layout it has there.
stage: embedded catenactl
	@set -e; built=.build-embedded/release; \
	rm -rf $(STAGE).new; \
	mkdir -p $(STAGE).new/{bin,lib/cni,lib/catena/modules,lib/pkgconfig,include/catena,share/catena/conflists}; \
	for program in catena catena-exec; do strip -o $(STAGE).new/lib/cni/$$program $$built/$$program; done; \
	for wrapper in $(WRAPPERS); do ln -s catena-exec $(STAGE).new/lib/cni/$$wrapper; done; \
	for module in $(MODULES); do strip -o $(STAGE).new/lib/catena/modules/$$module.so $$built/lib$$module.so; done; \
	strip -o $(STAGE).new/bin/catenactl .build-release/release/catenactl; \
	cp Sources/CatenaABI/include/catena/module.h $(STAGE).new/include/catena/; \
	cp conflists/*.conflist $(STAGE).new/share/catena/conflists/ 2>/dev/null || true; \
	sed -e 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' catena.pc.in > $(STAGE).new/lib/pkgconfig/catena.pc; \
	chmod -R go-w $(STAGE).new; rm -rf $(STAGE); mv $(STAGE).new $(STAGE); \
	echo "built into $(STAGE)"

# Debian and Ubuntu packages: installed when this is root, else the command to run is told.
deps:
	@./Tests/tools/packages $(BUILD_PACKAGES)

deps-bench:
	@./Tests/tools/packages $(TEST_PACKAGES)

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
	CATENA_STAGE=$(STAGE) /usr/bin/python3 -m pytest -q Tests/integration

bench: deps-bench stage
	CATENA_STAGE=$(STAGE) Tests/bench/bench

install:
	@test -d $(STAGE) || { echo "nothing is built yet: run make first"; exit 1; }
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PROGDIR) $(DESTDIR)$(CNIBINDIR) $(DESTDIR)$(PREFIX)/lib/catena/modules
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include/catena $(DESTDIR)$(PREFIX)/share/catena/conflists
	install -m 755 $(STAGE)/bin/catenactl $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(STAGE)/lib/cni/catena $(STAGE)/lib/cni/catena-exec $(DESTDIR)$(PROGDIR)/
	for wrapper in $(WRAPPERS); do ln -sf catena-exec $(DESTDIR)$(PROGDIR)/$$wrapper; done
	if [ "$(CNIBINDIR)" != "$(PROGDIR)" ]; then \
	    for program in catena $(WRAPPERS); do ln -sf $(PROGDIR)/$$program $(DESTDIR)$(CNIBINDIR)/$$program; done; fi
	install -m 755 $(STAGE)/lib/catena/modules/*.so $(DESTDIR)$(PREFIX)/lib/catena/modules/
	install -m 644 $(STAGE)/include/catena/module.h $(DESTDIR)$(PREFIX)/include/catena/
	install -m 644 $(STAGE)/share/catena/conflists/* $(DESTDIR)$(PREFIX)/share/catena/conflists/
	sed -e 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' catena.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/catena.pc
	chmod 644 $(DESTDIR)$(PREFIX)/lib/pkgconfig/catena.pc

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/catenactl $(foreach p,catena catena-exec $(WRAPPERS),$(DESTDIR)$(PROGDIR)/$(p) $(DESTDIR)$(CNIBINDIR)/$(p))
	rm -f $(foreach m,$(MODULES),$(DESTDIR)$(PREFIX)/lib/catena/modules/$(m).so) $(DESTDIR)$(PREFIX)/include/catena/module.h
	rm -f $(DESTDIR)$(PREFIX)/lib/pkgconfig/catena.pc
	rm -rf $(DESTDIR)$(PREFIX)/share/catena

format:
	swift format --in-place --recursive --configuration .swift-format Package.swift Sources Modules Tests/unit

lint:
	swift format lint --strict --recursive --configuration .swift-format Package.swift Sources Modules Tests/unit

clean:
	rm -rf .build .build-embedded .build-release
