// swift-tools-version: 6.2
import PackageDescription

// ModuleKit and the layers below it, for modules in Swift that are built elsewhere. `make install` puts what is listed here into
// PREFIX/share/catena/modulekit, which `pkg-config --variable=modulekit catena` tells. Built with CATENA_EMBEDDED=1, as module.mk does,
// a module is Embedded Swift: it needs no Swift runtime. Without, it is ordinary Swift, for unit tests.
let embedded = Context.environment["CATENA_EMBEDDED"] == "1"

let swift: [SwiftSetting] =
    embedded
    ? [.enableExperimentalFeature("Embedded"), .unsafeFlags(["-wmo", "-Osize", "-Xfrontend", "-function-sections"])]
    : [.unsafeFlags(["-Xcc", "-D_GNU_SOURCE"])]

/// What a module is linked with; it exports its entry and nothing else. These settings go to whoever links ModuleKit.
let link: [LinkerSetting] =
    [.linkedLibrary("jansson"), .linkedLibrary("mnl"), .linkedLibrary("m")]
    + (embedded
        ? [
            .unsafeFlags([
                Context.environment["CATENA_UNICODE_TABLES"] ?? "", "-Xlinker", "-z", "-Xlinker", "defs", "-Xlinker", "--gc-sections",
                "-Xlinker", "--as-needed", "-Xlinker", "-l:libmd.a", "-use-ld=lld", "-Xlinker",
                "--version-script=\(Context.packageDirectory)/CatenaABI/module.map",
            ])
        ] : [])

func layer(_ name: String, _ dependencies: [Target.Dependency], linkerSettings: [LinkerSetting] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: name, swiftSettings: swift, linkerSettings: linkerSettings)
}

let package = Package(
    name: "modulekit",
    products: [.library(name: "ModuleKit", targets: ["ModuleKit"])],
    targets: [
        .target(name: "CatenaABI", path: "CatenaABI", exclude: ["module.map", "rust"]),
        .target(name: "CLinux", path: "CLinux"),
        .systemLibrary(name: "CJansson", path: "CJansson", pkgConfig: "jansson", providers: [.apt(["libjansson-dev"])]),
        .systemLibrary(name: "CMnl", path: "CMnl", pkgConfig: "libmnl", providers: [.apt(["libmnl-dev"])]),
        .systemLibrary(name: "CMd", path: "CMd", pkgConfig: embedded ? nil : "libmd", providers: [.apt(["libmd-dev"])]),
        layer("Linux", ["CLinux"]),
        layer("JSON", ["CJansson", "CLinux"]),
        layer("CNI", ["JSON", "CLinux"]),
        layer("Namespace", ["CLinux", "CNI", "Linux"]),
        layer("State", ["CLinux", "CNI", "JSON", "Linux"]),
        layer("Netlink", ["CLinux", "CMnl", "CNI", "Linux", "Namespace"]),
        layer("ModuleABI", ["CatenaABI", "CLinux", "CNI"]),
        layer("Digest", ["CMd", "CNI"]),
        layer(
            "ModuleKit", ["ModuleABI", "CatenaABI", "CLinux", "CNI", "Digest", "JSON", "Linux", "Namespace", "Netlink", "State"],
            linkerSettings: link),
    ],
    swiftLanguageModes: [.v6])
