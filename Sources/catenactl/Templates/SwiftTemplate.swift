/// New modules in Swift, with ModuleKit.
enum SwiftTemplate {
    static let makefile =
        """
        TYPE      := @TYPE@

        """ + ModuleTemplate.directories + """

            # SwiftPM knows itself what has changed.
            all:
            	$(call swift_module,$(TYPE))

            clean:
            	rm -rf $(TYPE).so .build

            # The function swift_module, and ModuleKit: they are installed beside the header.
            include $(shell pkg-config --variable=modulekit catena)/module.mk

            """ + ModuleTemplate.install

    static let package = """
        // swift-tools-version: 6.2
        import PackageDescription

        // The Makefile says where ModuleKit is; `swift build` alone looks where Catena's `make install` puts it.
        let modulekit = Context.environment["CATENA_MODULEKIT"] ?? "/usr/local/share/catena/modulekit"
        let embedded = Context.environment["CATENA_EMBEDDED"] == "1"

        let package = Package(
            name: "@TYPE@",
            products: [.library(name: "@TYPE@", type: .dynamic, targets: ["@Name@"])],
            dependencies: [.package(name: "modulekit", path: modulekit)],
            targets: [
                .target(
                    name: "@Name@", dependencies: [.product(name: "ModuleKit", package: "modulekit")], path: "Sources",
                    swiftSettings: embedded
                        ? [.enableExperimentalFeature("Embedded"), .unsafeFlags(["-wmo", "-Osize"])] : [.unsafeFlags(["-Xcc", "-D_GNU_SOURCE"])])
            ],
            swiftLanguageModes: [.v6])

        """

    static let interface = #"""
        import ModuleKit

        /// @TYPE@: connects the container to the host by a veth pair, whose end on the host has the gateway's address.
        enum @Name@ {
            static let descriptor = ModuleDescriptor(
                type: "@TYPE@", kind: .interface, version: "0.1.0", description: "connects the container by a veth pair", schema: schema)

            /// The host's end: named after the attachment, so that DEL finds it without a namespace and a result.
            private static func hostEnd(_ call: ModuleCall) -> String {
                let hash = String(FNV1a.hash("\(call.network)/\(call.containerID)/\(call.interfaceName)"), radix: 16)
                return "v" + String(hash.prefix(12))
            }

            private static func ipam(_ call: ModuleCall) throws(CNIError) -> IPAMDelegate {
                guard let ipam = try IPAMDelegate(call.config) else { throw CNIError(.invalidConfiguration, "ipam: is missing") }
                return ipam
            }

            /// ADD: makes the pair, and gives both ends their addresses. What was made is removed again when a later step fails.
            static func add(_ call: ModuleCall) throws(CNIError) -> CNIResult? {
                let ipam = try ipam(call)
                let host = try call.hostNetlink()
                let name = hostEnd(call)
                let pair = VethRequest(name: name, peerName: call.interfaceName, peerNamespace: try call.requireNetns())
                try attempt(try host.createVeth(pair))
                var hasAddresses = false
                do throws(CNIError) {
                    var result = try ipam.add(call)
                    hasAddresses = true
                    try call.configureOnlyInterface(&result, dns: try ResultFormat.decodeDNS(call.config))
                    try configureHost(host, name, result)
                    return result
                } catch {
                    do throws(NetlinkError) { try host.deleteLink(named: name) } catch { call.log(.warning, error.cni.text) }
                    if hasAddresses { ipam.undo(call) }
                    throw error
                }
            }

            /// The gateways' addresses, and a route to each of the container's.
            private static func configureHost(_ host: NetlinkSocket, _ name: String, _ result: CNIResult) throws(CNIError) {
                guard let link = try attempt(try host.link(named: name)) else { throw CNIError("\(name) vanished while it was set up") }
                for ip in result.ips {
                    if let gateway = ip.gateway {
                        try attempt(try host.addAddress(IPNetwork(host: gateway), index: link.index, name: name, noDAD: true))
                    }
                    try attempt(try host.addRoute(RouteRequest(destination: IPNetwork(host: ip.address.address), link: link.index), replace: true))
                }
            }

            /// DEL: deletes the pair, then releases the addresses. What is gone is no error.
            static func del(_ call: ModuleCall) throws(CNIError) {
                let host = try call.hostNetlink()
                try attempt(try host.deleteLink(named: hostEnd(call)))
                try IPAMDelegate(call.config)?.del(call)
            }

            /// CHECK: compares what ADD made with what is there, and reports all differences together.
            static func check(_ call: ModuleCall) throws(CNIError) {
                try call.delegate(try ipam(call).type, .check)
                var differences = Differences()
                differences.add(try InterfaceCheck.differences(call, result: try call.requireResult(), kind: "veth"))
                let host = try call.hostNetlink()
                if try attempt(try host.link(named: hostEnd(call))) == nil { differences.add("\(hostEnd(call)): expected on the host, found none") }
                try differences.throwIfAny("\(call.containerID) \(call.interfaceName)")
            }

            /// GC: has IPAM release the addresses of attachments that are not in use.
            static func gc(_ call: ModuleCall) throws(CNIError) {
                if let ipam = try IPAMDelegate(call.config) { try call.delegate(ipam.type, .gc) }
            }

            /// STATUS: whether IPAM has an address.
            static func status(_ call: ModuleCall) throws(CNIError) { try call.delegate(try ipam(call).type, .status) }

            /// JSON Schema (2020-12) of the configuration.
            static let schema: StaticString = """
                {
                  "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "@TYPE@", "type": "object", "required": ["ipam"],
                  "properties": { "ipam": { "type": "object", "required": ["type"], "properties": { "type": { "type": "string" } } } }
                }
                """
        }

        #if hasFeature(Embedded)
            /// The one symbol of the module: see catena/module.h.
            @c(catena_module_entry)
            public func catenaModuleEntry(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
                @Name@.descriptor.module(
                    for: hostABI,
                    add: { ModuleRun.add($0, @Name@.add) }, del: { ModuleRun.other($0, @Name@.del) }, check: { ModuleRun.other($0, @Name@.check) },
                    gc: { ModuleRun.other($0, @Name@.gc) }, status: { ModuleRun.other($0, @Name@.status) })
            }
        #endif

        """#
}
