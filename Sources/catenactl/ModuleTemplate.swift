import CNI

/// The files of a new module.
struct ModuleTemplate {
    /// What it is written in.
    enum Language: String, CaseIterable {
        case c
        case cPlusPlus = "c++"
        case rust
        case swift

        /// The kinds that there is a template of, the usual one first.
        var kinds: [Kind] {
            switch self {
            case .c: [.meta, .interface, .ipam]
            case .cPlusPlus: [.meta]
            case .rust: [.meta, .ipam]
            case .swift: [.interface]
            }
        }
    }

    /// What it is for: the kinds of catena/module.h.
    enum Kind: String, CaseIterable {
        case interface
        case ipam
        case meta
    }

    /// Paths below the module's directory, and contents.
    let files: [(path: String, text: String)]

    /// Throws where the name can't be one, or there is no such template.
    init(name: String, language: Language, kind: Kind?) throws(CNIError) {
        guard ModuleTemplate.isName(name) else {
            throw CNIError(
                "\"\(name)\" can't be a module's name",
                details: "lower-case letters, digits and hyphens, a letter first, no hyphen last, at most 32; such as my-plugin")
        }
        let kind = kind ?? language.kinds[0]
        guard language.kinds.contains(kind) else {
            let kinds = language.kinds.map { $0.rawValue }.joined(separator: ", ")
            throw CNIError("there is no template of kind \(kind.rawValue) in \(language.rawValue)", details: "there is: \(kinds)")
        }
        let texts =
            [(".gitignore", ".build/\n*.rlib\n*.so\n"), ("README.md", ModuleTemplate.readme(kind))]
            + [("@TYPE@.conflist", ModuleTemplate.conflist(kind))] + ModuleTemplate.sources(language, kind)
        files = texts.map { (path, text) in (ModuleTemplate.filled(path, name), ModuleTemplate.filled(text, name)) }
    }

    /// Names that can be a file, a plugin, a crate and a Swift type alike.
    private static func isName(_ name: String) -> Bool {
        let letters: ClosedRange<Character> = "a"..."z"
        guard let first = name.first, letters.contains(first), name.last != "-", name.count <= 32 else { return false }
        return name.allSatisfy { letters.contains($0) || ("0"..."9").contains($0) || $0 == "-" }
    }

    private static func filled(_ text: String, _ name: String) -> String {
        let words = name.split(separator: "-").map { $0.prefix(1).uppercased() + $0.dropFirst() }
        return text.replacing("@TYPE@", with: name).replacing("@Name@", with: words.joined())
    }

    private static func sources(_ language: Language, _ kind: Kind) -> [(String, String)] {
        switch (language, kind) {
        case (.c, .meta): [("@TYPE@.c", CTemplate.meta), ("Makefile", CTemplate.makefile(libraries: "jansson"))]
        case (.c, .ipam): [("@TYPE@.c", CTemplate.ipam), ("Makefile", CTemplate.makefile(libraries: "jansson"))]
        case (.c, .interface): [("@TYPE@.c", CTemplate.interface), ("Makefile", CTemplate.makefile(libraries: "jansson libmnl"))]
        case (.cPlusPlus, _): [("@TYPE@.cpp", CPlusPlusTemplate.meta), ("Makefile", CPlusPlusTemplate.makefile)]
        case (.rust, .ipam): [("@TYPE@.rs", RustTemplate.ipam), ("Makefile", RustTemplate.makefile)]
        case (.rust, _): [("@TYPE@.rs", RustTemplate.meta), ("Makefile", RustTemplate.makefile)]
        case (.swift, _):
            [
                ("Sources/@Name@.swift", SwiftTemplate.interface), ("Package.swift", SwiftTemplate.package),
                ("Makefile", SwiftTemplate.makefile),
            ]
        }
    }

    // MARK: What all languages share

    /// The end of each Makefile, and the first lines' variables.
    static let directories = """
        DESTDIR   ?=
        MODULEDIR := $(shell pkg-config --variable=moduledir catena)
        PROGDIR   := $(shell pkg-config --variable=progdir catena)
        CNIBINDIR ?= $(shell pkg-config --variable=cnibindir catena)
        $(if $(MODULEDIR),,$(error pkg-config does not find catena: is it installed? PKG_CONFIG_PATH=PREFIX/lib/pkgconfig says where))

        .PHONY: all install clean

        """

    /// How a module gets to where it is looked for.
    static let install = """

        # The module, and the plugin's name for runtimes that run plugins one by one: a link to catena-exec, which runs the module of its name.
        install: all
        	install -d $(DESTDIR)$(MODULEDIR) $(DESTDIR)$(CNIBINDIR)
        	install -m 755 $(TYPE).so $(DESTDIR)$(MODULEDIR)/
        	ln -sf $(PROGDIR)/catena-exec $(DESTDIR)$(CNIBINDIR)/$(TYPE)

        """

    private static func conflist(_ kind: Kind) -> String {
        let addresses = #""ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.123.0.0/24" }]] }"#
        let bridge = #""type": "bridge", "bridge": "demo0", "isGateway": true"#
        let plugins =
            switch kind {
            case .meta: "{ \(bridge),\n      \(addresses) },\n    { \"type\": \"@TYPE@\", \"portStart\": 80 }"
            case .interface: "{ \"type\": \"@TYPE@\",\n      \(addresses) }"
            case .ipam:
                "{ \(bridge),\n      \"ipam\": { \"type\": \"@TYPE@\", \"address\": \"10.123.0.2/24\", \"gateway\": \"10.123.0.1\" } }"
            }
        return "{\n  \"cniVersion\": \"1.1.0\",\n  \"name\": \"@TYPE@-demo\",\n  \"plugins\": [\n    \(plugins)\n  ]\n}\n"
    }

    private static func readme(_ kind: Kind) -> String {
        let (summary, keys) =
            switch kind {
            case .meta:
                (
                    "Lets programs in the container that are not root listen on ports from a number on.",
                    "| `portStart` | integer, 0 | the first port that needs no privilege: net.ipv4.ip_unprivileged_port_start |"
                )
            case .interface:
                (
                    "Connects the container to the host by a veth pair, whose end on the host has the gateway's address.",
                    "| `ipam` | object, required | the IPAM plugin, by its `type` |"
                )
            case .ipam:
                (
                    "Gives the container the address that the configuration names.",
                    """
                    | `ipam.address` | string, required | the address with prefix length: `10.123.0.2/24` |
                    | `ipam.gateway` | string | the next hop |
                    """
                )
            }
        return """
            # @TYPE@

            \(summary)

            | key | type, default | meaning |
            |---|---|---|
            \(keys)

            ```sh
            make                  # @TYPE@.so
            sudo make install     # to where Catena looks for modules
            catenactl module list
            catenactl validate @TYPE@.conflist
            ```

            Where Catena is not in /usr or /usr/local: `PKG_CONFIG_PATH=PREFIX/lib/pkgconfig make`.

            To try it without installing it, in a network that is gone when you leave the shell:

            ```sh
            unshare -Urnm bash
            mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib && mkdir /run/netns && ip link set lo up && ip netns add test
            export NETCONFPATH=$PWD CATENA_MODULE_PATH=$PWD:$(pkg-config --variable=moduledir catena)
            catenactl add @TYPE@-demo /run/netns/test
            catenactl check @TYPE@-demo /run/netns/test
            catenactl del @TYPE@-demo /run/netns/test
            ```

            What a module may and must do is told in catena/module.h, `$(pkg-config --variable=includedir catena)/catena/module.h`.

            """
    }
}
