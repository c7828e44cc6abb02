import ModuleKit

/// Accepts by firewalld: the container's addresses are sources of a zone, over D-Bus. They are of its runtime configuration: a reload of
/// firewalld drops them.
struct Firewalld {
    private static let timeoutMilliseconds = 20_000

    private let zone: String
    private let bus: SystemBus

    init(_ zone: String) throws(CNIError) {
        self.zone = zone
        do throws(SystemBus.Failure) {
            bus = try SystemBus()
        } catch {
            throw CNIError("firewalld: \(error.message)", details: "the backend firewalld needs firewalld, the system bus, and libsystemd")
        }
    }

    private func call(_ member: String, _ address: IPNetwork) throws(SystemBus.Failure) -> Bool? {
        let method = SystemBus.Method(
            destination: "org.fedoraproject.FirewallD1", path: "/org/fedoraproject/FirewallD1",
            interface: "org.fedoraproject.FirewallD1.zone", member: member)
        return try bus.call(
            method, [zone, IPNetwork(host: address.address).text], timeoutMilliseconds: Firewalld.timeoutMilliseconds)
    }

    private func failure(_ error: SystemBus.Failure, _ member: String, _ address: IPNetwork) -> CNIError {
        CNIError(
            "firewalld: \(member) \(zone) \(IPNetwork(host: address.address).text): \(error.message)",
            details: error.isAbsence ? "is firewalld running?" : "")
    }

    /// Makes the addresses sources of the zone. One that is a source of another zone was left behind by someone who had it before.
    func add(_ addresses: [IPNetwork]) throws(CNIError) {
        for address in addresses {
            do throws(SystemBus.Failure) {
                do throws(SystemBus.Failure) {
                    _ = try call("addSource", address)
                } catch {
                    // The first says that it is a source of this zone already, the second of another.
                    if error.message.hasPrefix("ZONE_ALREADY_SET") { continue }
                    guard error.message.hasPrefix("ZONE_CONFLICT") else { throw error }
                    _ = try call("changeZoneOfSource", address)
                }
            } catch {
                throw failure(error, "addSource", address)
            }
        }
    }

    /// Takes the addresses out of the zone. A firewalld that does not run has none.
    static func remove(_ call: ModuleCall, _ addresses: [IPNetwork], zone: String) throws(CNIError) {
        guard let firewalld = try? Firewalld(zone) else { return }
        for address in addresses {
            do throws(SystemBus.Failure) {
                _ = try firewalld.call("removeSource", address)
            } catch {
                if error.isAbsence { return }
                // It is no source of any zone, or of another's.
                let isGone = ["UNKNOWN_SOURCE", "ZONE_CONFLICT", "INVALID_ZONE"].contains { error.message.hasPrefix($0) }
                if !isGone { throw firewalld.failure(error, "removeSource", address) }
            }
        }
    }

    /// The addresses that are no sources of the zone.
    func check(_ addresses: [IPNetwork]) throws(CNIError) -> [String] {
        var lines: [String] = []
        for address in addresses {
            do throws(SystemBus.Failure) {
                if try call("querySource", address) == true { continue }
            } catch {
                throw failure(error, "querySource", address)
            }
            lines.append("firewalld: expected \(IPNetwork(host: address.address).text) in zone \(zone), found that it is not")
        }
        return lines
    }

    /// Throws where firewalld does not answer, or does not know the zone.
    func checkAvailable() throws(CNIError) {
        guard let address = IPNetwork("192.0.2.1/32") else { return }
        do throws(SystemBus.Failure) { _ = try call("querySource", address) } catch { throw failure(error, "querySource", address) }
    }
}
