// swift-tools-version: 6.2
import PackageDescription

// The Makefile says where ModuleKit is; `swift build` alone looks where `make install` puts it.
let modulekit = Context.environment["CATENA_MODULEKIT"] ?? "/usr/local/share/catena/modulekit"
let embedded = Context.environment["CATENA_EMBEDDED"] == "1"

let package = Package(
    name: "routed",
    products: [.library(name: "routed", type: .dynamic, targets: ["Routed"])],
    dependencies: [.package(name: "modulekit", path: modulekit)],
    targets: [
        .target(
            name: "Routed", dependencies: [.product(name: "ModuleKit", package: "modulekit")], path: "Sources",
            swiftSettings: embedded
                ? [.enableExperimentalFeature("Embedded"), .unsafeFlags(["-wmo", "-Osize"])] : [.unsafeFlags(["-Xcc", "-D_GNU_SOURCE"])])
    ],
    swiftLanguageModes: [.v6])
