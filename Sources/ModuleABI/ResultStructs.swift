import CNI
import CatenaABI

/// Results between Swift and the C structs of `catena/module.h`.
public enum ResultStructs {
    /// More entries than this in one list can't be meant: a module handed over a wild count.
    private static let limit: UInt32 = 1 << 16

    // MARK: Swift to C

    /// The result as C structs that live as long as `arena`.
    public static func write(_ result: CNIResult, into arena: Arena) -> UnsafePointer<catena_result>? {
        var raw = catena_result()
        raw.size = size(catena_result.self)
        raw.interface_count = UInt32(result.interfaces.count)
        raw.interfaces = arena.array(result.interfaces.map { write($0, arena) })
        raw.ip_count = UInt32(result.ips.count)
        raw.ips = arena.array(result.ips.map { write($0, interfaces: result.interfaces.count, arena) })
        raw.route_count = UInt32(result.routes.count)
        raw.routes = arena.array(result.routes.map { write($0, arena) })
        if !result.dns.isEmpty { raw.dns = write(result.dns, arena) }
        return arena.store(raw)
    }

    private static func write(_ interface: CNIResult.Interface, _ arena: Arena) -> UnsafePointer<catena_interface>? {
        var raw = catena_interface()
        raw.size = size(catena_interface.self)
        raw.mtu = UInt32(clamping: interface.mtu ?? 0)
        raw.name = arena.string(interface.name)
        raw.mac = arena.string(interface.mac)
        raw.sandbox = arena.string(interface.sandbox)
        raw.socket_path = arena.string(interface.socketPath)
        raw.pci_id = arena.string(interface.pciID)
        return arena.store(raw)
    }

    /// An index that leads nowhere, as a runtime's prevResult may have it, is not told: a module may use an index as it is.
    private static func write(_ ip: CNIResult.IP, interfaces: Int, _ arena: Arena) -> UnsafePointer<catena_ip>? {
        var raw = catena_ip()
        raw.size = size(catena_ip.self)
        raw.interface_index = ip.interface.map { (0..<interfaces).contains($0) ? Int32(clamping: $0) : -1 } ?? -1
        raw.address = arena.string(ip.address.text)
        raw.gateway = arena.string(ip.gateway?.text)
        return arena.store(raw)
    }

    private static func write(_ route: CNIResult.Route, _ arena: Arena) -> UnsafePointer<catena_route>? {
        var raw = catena_route()
        raw.size = size(catena_route.self)
        raw.dst = arena.string(route.destination.text)
        raw.gw = arena.string(route.gateway?.text)
        raw.mtu = UInt32(clamping: route.mtu ?? 0)
        raw.advmss = UInt32(clamping: route.advertisedMSS ?? 0)
        raw.priority = UInt32(clamping: route.priority ?? 0)
        raw.table = UInt32(clamping: route.table ?? 0)
        raw.scope = UInt32(clamping: route.scope ?? 0)
        raw.flags = (route.table == nil ? 0 : UInt32(CATENA_ROUTE_HAS_TABLE)) | (route.scope == nil ? 0 : UInt32(CATENA_ROUTE_HAS_SCOPE))
        return arena.store(raw)
    }

    private static func write(_ dns: CNIResult.DNS, _ arena: Arena) -> UnsafePointer<catena_dns>? {
        var raw = catena_dns()
        raw.size = size(catena_dns.self)
        raw.nameserver_count = UInt32(dns.nameservers.count)
        raw.nameservers = arena.strings(dns.nameservers)
        raw.search_count = UInt32(dns.search.count)
        raw.search = arena.strings(dns.search)
        raw.option_count = UInt32(dns.options.count)
        raw.options = arena.strings(dns.options)
        raw.domain = arena.string(dns.domain)
        return arena.store(raw)
    }

    // MARK: C to Swift

    /// Copies a result that came across the ABI. Throws where it is malformed: a size too small, an address that is none, an interface
    /// index out of range.
    public static func read(_ raw: UnsafePointer<catena_result>) throws(CNIError) -> CNIResult {
        try requireSize(raw.pointee.size, FirstRelease.result, "catena_result")
        let result = raw.pointee
        var read = CNIResult()
        for item in try items(result.interfaces, result.interface_count, "interfaces") { read.interfaces.append(try interface(item)) }
        for item in try items(result.ips, result.ip_count, "ips") {
            let ip = try ip(item)
            if let index = ip.interface, !read.interfaces.indices.contains(index) {
                throw malformed(
                    "ips[\(read.ips.count)].interface_index \(index) is out of range: there are \(read.interfaces.count) interfaces")
            }
            read.ips.append(ip)
        }
        for item in try items(result.routes, result.route_count, "routes") { read.routes.append(try route(item)) }
        if let raw = result.dns { read.dns = try dns(raw) }
        return read
    }

    private static func interface(_ raw: UnsafePointer<catena_interface>) throws(CNIError) -> CNIResult.Interface {
        try requireSize(raw.pointee.size, FirstRelease.interface, "catena_interface")
        let raw = raw.pointee
        guard let name = optional(raw.name) else { throw malformed("an interface has no name") }
        return CNIResult.Interface(
            name: name, mac: optional(raw.mac), mtu: raw.mtu == 0 ? nil : Int(raw.mtu), sandbox: optional(raw.sandbox),
            socketPath: optional(raw.socket_path), pciID: optional(raw.pci_id))
    }

    private static func ip(_ raw: UnsafePointer<catena_ip>) throws(CNIError) -> CNIResult.IP {
        try requireSize(raw.pointee.size, FirstRelease.ip, "catena_ip")
        let raw = raw.pointee
        return CNIResult.IP(
            address: try network(raw.address, "address"), gateway: try address(raw.gateway, "gateway"),
            interface: raw.interface_index < 0 ? nil : Int(raw.interface_index))
    }

    private static func route(_ raw: UnsafePointer<catena_route>) throws(CNIError) -> CNIResult.Route {
        try requireSize(raw.pointee.size, FirstRelease.route, "catena_route")
        let raw = raw.pointee
        func nonZero(_ number: UInt32) -> Int? { number == 0 ? nil : Int(number) }
        return CNIResult.Route(
            destination: try network(raw.dst, "dst"), gateway: try address(raw.gw, "gw"), mtu: nonZero(raw.mtu),
            advertisedMSS: nonZero(raw.advmss), priority: nonZero(raw.priority),
            table: raw.flags & UInt32(CATENA_ROUTE_HAS_TABLE) == 0 ? nil : Int(raw.table),
            scope: raw.flags & UInt32(CATENA_ROUTE_HAS_SCOPE) == 0 ? nil : Int(raw.scope))
    }

    private static func dns(_ raw: UnsafePointer<catena_dns>) throws(CNIError) -> CNIResult.DNS {
        try requireSize(raw.pointee.size, FirstRelease.dns, "catena_dns")
        let raw = raw.pointee
        return CNIResult.DNS(
            nameservers: try strings(raw.nameservers, raw.nameserver_count, "nameservers"), domain: optional(raw.domain),
            search: try strings(raw.search, raw.search_count, "search"), options: try strings(raw.options, raw.option_count, "options"))
    }

    // MARK: Pieces

    /// The elements of a C array of pointers, none of which may be NULL.
    private static func items<T>(
        _ array: UnsafePointer<UnsafePointer<T>?>?, _ count: UInt32, _ name: String
    ) throws(CNIError) -> [UnsafePointer<T>] {
        if count == 0 { return [] }
        guard let array, count <= limit else { throw malformed("\(name): a count of \(count) without such an array") }
        var items: [UnsafePointer<T>] = []
        for index in 0..<Int(count) {
            guard let item = array[index] else { throw malformed("\(name)[\(index)] is NULL") }
            items.append(item)
        }
        return items
    }

    private static func strings(
        _ array: UnsafePointer<UnsafePointer<CChar>?>?, _ count: UInt32, _ name: String
    ) throws(CNIError) -> [String] {
        var strings: [String] = []
        for item in try items(array, count, name) { strings.append(String(cString: item)) }
        return strings
    }

    private static func optional(_ text: UnsafePointer<CChar>?) -> String? {
        guard let text, text.pointee != 0 else { return nil }
        return String(cString: text)
    }

    private static func network(_ text: UnsafePointer<CChar>?, _ name: String) throws(CNIError) -> IPNetwork {
        guard let text = optional(text) else { throw malformed("\(name) is missing") }
        guard let network = IPNetwork(text) else { throw malformed("\(name) \"\(text)\" is no address with prefix length") }
        return network
    }

    private static func address(_ text: UnsafePointer<CChar>?, _ name: String) throws(CNIError) -> IPAddress? {
        guard let text = optional(text) else { return nil }
        guard let address = IPAddress(text) else { throw malformed("\(name) \"\(text)\" is no IP address") }
        return address
    }

    private static func size<T>(_ type: T.Type) -> UInt32 { UInt32(MemoryLayout<T>.size) }

    private static func requireSize(_ size: UInt32, _ least: UInt32, _ name: String) throws(CNIError) {
        if size < least { throw malformed("\(name).size is \(size): expected at least \(least)") }
    }

    private static func malformed(_ why: String) -> CNIError { CNIError("malformed result across the module ABI: \(why)") }
}
