// swift-tools-version: 6.2
import PackageDescription

// One source, two ways to compile (docs/building.md): `make` sets CATENA_EMBEDDED=1 and builds what ships, as Embedded Swift;
// a bare `swift build` and `swift test` compile the same files as ordinary Swift.
let embedded = Context.environment["CATENA_EMBEDDED"] == "1"
let unicodeTables = Context.environment["CATENA_UNICODE_TABLES"] ?? ""

// Our C shims are read with _GNU_SOURCE; in ordinary Swift, Glibc's own module has to be read alike, or their types would differ.
let ordinary: [SwiftSetting] = [.unsafeFlags(["-Xcc", "-D_GNU_SOURCE"])]

let swift: [SwiftSetting] =
    embedded
    ? [.enableExperimentalFeature("Embedded"), .unsafeFlags(["-wmo", "-Osize", "-Xfrontend", "-function-sections"])]
    : [.treatWarning("EmbeddedRestrictions", as: .warning)] + ordinary

// The Unicode tables are what comparing Strings needs in Embedded Swift; `-z defs` turns a forgotten library into a link error.
let link: [LinkerSetting] =
    embedded
    ? [
        .unsafeFlags([
            unicodeTables, "-Xlinker", "-z", "-Xlinker", "defs", "-Xlinker", "--gc-sections", "-Xlinker", "--as-needed", "-Xlinker", "-z",
            "-Xlinker", "now", "-use-ld=lld",
        ])
    ]
    : []

/// SHA-512 for the modules, of libmd's archive: a shared library more is not worth one function.
let hash: [LinkerSetting] = embedded ? [.unsafeFlags(["-Xlinker", "-l:libmd.a"])] : []

let exportEntryOnly: [LinkerSetting] =
    embedded ? [.unsafeFlags(["-Xlinker", "--version-script=\(Context.packageDirectory)/Sources/CatenaModules/modules.map"])] : []

/// A layer of the engine, compiled both ways.
func layer(_ name: String, _ dependencies: [Target.Dependency], path: String? = nil, exclude: [String] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: path, exclude: exclude, swiftSettings: swift)
}

/// The modules that ship: type name, and the Swift target of its folder under `Modules/`.
let modules = [
    (type: "bandwidth", target: "BandwidthModule"),
    (type: "bridge", target: "BridgeModule"),
    (type: "dhcp", target: "DHCPModule"),
    (type: "dummy", target: "DummyModule"),
    (type: "firewall", target: "FirewallModule"),
    (type: "flannel", target: "FlannelModule"),
    (type: "host-device", target: "HostDeviceModule"),
    (type: "host-local", target: "HostLocalModule"),
    (type: "ipvlan", target: "IpvlanModule"),
    (type: "loopback", target: "LoopbackModule"),
    (type: "macvlan", target: "MacvlanModule"),
    (type: "portmap", target: "PortmapModule"),
    (type: "ptp", target: "PtpModule"),
    (type: "sbr", target: "SourceRoutingModule"),
    (type: "static", target: "StaticModule"),
    (type: "tap", target: "TapModule"),
    (type: "tuning", target: "TuningModule"),
    (type: "vlan", target: "VlanModule"),
    (type: "vrf", target: "VRFModule"),
]

var products: [Product] = [
    .executable(name: "catena", targets: ["catena"]),
    .executable(name: "catena-dhcpd", targets: ["catena-dhcpd"]),
    .executable(name: "catena-exec", targets: ["catena-exec"]),
]
var targets: [Target] = [
    .target(name: "CatenaABI", exclude: ["module.map", "rust"]),
    .target(name: "CLinux"),
    .systemLibrary(name: "CJansson", pkgConfig: "jansson", providers: [.apt(["libjansson-dev"])]),
    .systemLibrary(name: "CMnl", pkgConfig: "libmnl", providers: [.apt(["libmnl-dev"])]),
    // Only its header: the library is opened when a chain first needs it.
    .systemLibrary(name: "CNftables", providers: [.apt(["libnftables-dev"])]),
    layer("Linux", ["CLinux"]),
    layer("JSON", ["CJansson", "CLinux"]),
    layer("CNI", ["JSON", "CLinux"]),
    layer("Namespace", ["CLinux", "CNI", "Linux"]),
    layer("State", ["CLinux", "CNI", "JSON", "Linux"]),
    layer("Netlink", ["CLinux", "CMnl", "CNI", "Linux", "Namespace"]),
    layer("Nftables", ["CLinux", "CNftables", "CNI", "Linux", "Netlink"]),
    layer("NetworkConfiguration", ["CNI", "JSON", "Linux"]),
    layer("ModuleABI", ["CatenaABI", "CLinux", "CNI"]),
    .systemLibrary(name: "CMd", pkgConfig: embedded ? nil : "libmd", providers: [.apt(["libmd-dev"])]),
    layer("Digest", ["CMd", "CNI"]),
    layer("DHCP", ["CNI"]),
    layer("DHCPSocket", ["CLinux", "CNI", "DHCP", "JSON", "Linux", "State"]),
    layer("ModuleKit", ["ModuleABI", "CatenaABI", "CLinux", "CNI", "Digest", "JSON", "Linux", "Namespace", "Netlink", "State"]),
    layer("ChainEngine", ["ModuleABI", "CatenaABI", "CLinux", "CNI", "JSON", "Linux", "Namespace", "Netlink", "Nftables", "State"]),
    .executableTarget(
        name: "catena", dependencies: ["ChainEngine", "CLinux", "Linux"], swiftSettings: swift, linkerSettings: link + libraries),
    .executableTarget(
        name: "catena-dhcpd",
        dependencies: ["DHCP", "DHCPSocket", "CLinux", "CNI", "JSON", "Linux", "ModuleABI", "Namespace", "Netlink", "State"],
        swiftSettings: swift, linkerSettings: link + libraries),
    .executableTarget(
        name: "catena-exec", dependencies: ["ChainEngine", "CLinux", "Linux"], swiftSettings: swift, linkerSettings: link + libraries),
]

/// Auto-linking does not happen in Embedded Swift: each C library is named. libnftables is opened at run time, when a chain needs it.
/// Unoptimised code calls more of libm than CLinux has.
var libraries: [LinkerSetting] { [.linkedLibrary("jansson"), .linkedLibrary("mnl")] + (embedded ? [] : [.linkedLibrary("m")]) }

/// Layers that one module alone works with.
let extraLayers: [String: [Target.Dependency]] = ["dhcp": ["DHCP", "DHCPSocket"]]

for module in modules {
    targets.append(
        .target(
            name: module.target, dependencies: ["ModuleKit"] + (extraLayers[module.type] ?? []), path: "Modules/\(module.type)",
            exclude: ["README.md"], swiftSettings: swift, linkerSettings: embedded ? [] : libraries))
}

// All modules in one shared object.
if embedded {
    products.append(.library(name: "catena-modules", type: .dynamic, targets: ["CatenaModules"]))
    targets.append(
        .target(
            name: "CatenaModules", dependencies: ["CatenaABI"] + modules.map { .target(name: $0.target) }, exclude: ["modules.map"],
            swiftSettings: swift,
            linkerSettings: link + libraries + hash + exportEntryOnly))
}

var dependencies: [Package.Dependency] = []
if !embedded {
    dependencies.append(.package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"))
    products.append(.executable(name: "catenactl", targets: ["catenactl"]))
    targets.append(layer("JSONSchema", ["JSON"]))
    targets.append(
        .executableTarget(
            name: "catenactl",
            dependencies: [
                "ChainEngine", "DHCPSocket", "Digest", "HostLocalModule", "JSONSchema", "NetworkConfiguration",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: ordinary))
    targets.append(
        .testTarget(
            name: "CatenaTests",
            dependencies: ["ChainEngine", "CLinux", "DHCP", "DHCPSocket", "JSONSchema", "ModuleKit", "NetworkConfiguration"]
                + modules.map { .target(name: $0.target) },
            path: "Tests/unit",
            swiftSettings: ordinary))
}

// Fuzzing, by Tests/fuzz/run: one program with all targets, its libraries instrumented by flags of the command line.
if Context.environment["CATENA_FUZZ"] == "1" {
    products.append(.executable(name: "fuzz", targets: ["fuzz"]))
    targets.append(
        .executableTarget(
            name: "fuzz", dependencies: ["CLinux", "CNI", "DHCP", "DHCPSocket", "HostLocalModule", "JSON", "ModuleKit"], path: "Tests/fuzz",
            exclude: ["corpus", "run"],
            swiftSettings: ordinary + [.unsafeFlags(["-parse-as-library"])],
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])]))
}

let package = Package(name: "catena", products: products, dependencies: dependencies, targets: targets, swiftLanguageModes: [.v6])
