# For Makefiles of modules in Swift:
#
#   include $(shell pkg-config --variable=modulekit catena)/module.mk
#   all:
#   	$(call swift_module,TYPE)
#
# builds the product TYPE of the Package.swift beside the Makefile as Embedded Swift, into TYPE.so.
MODULEKIT ?= $(shell pkg-config --variable=modulekit catena)
SWIFT_SCRATCH ?= .build
export CATENA_MODULEKIT := $(MODULEKIT)

# Comparing strings needs the Unicode tables: a static archive of the toolchain.
swift_unicode_tables = $(shell swiftc -print-target-info | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p')/embedded/$(shell swiftc -print-target-info | sed -n 's/.*"unversionedTriple": "\(.*\)".*/\1/p')/libswiftUnicodeDataTables.a

define swift_module
CATENA_EMBEDDED=1 CATENA_UNICODE_TABLES=$(swift_unicode_tables) \
    swift build -c release --disable-local-rpath --scratch-path $(SWIFT_SCRATCH) --product $(1)
strip -o $(1).so $(SWIFT_SCRATCH)/release/lib$(1).so
endef
