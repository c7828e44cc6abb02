import CNI
import DHCP
import Netlink

/// The addresses of an interface in the thread's network namespace.
struct InterfaceAddresses {
    private let socket: NetlinkSocket
    private let all: [AddressInfo]

    /// Reads them.
    init(_ index: Int32) throws(CNIError) {
        do throws(NetlinkError) {
            socket = try NetlinkSocket.open()
            all = try socket.addresses(index: index).filter { $0.address.address.family == .v6 }
        } catch { throw error.cni }
    }

    /// The link-local address that can be used; nil for none.
    var linkLocal: IPAddress? { all.first { $0.isUsableLinkLocal }?.address.address }

    /// Gives a lease's lifetimes to its addresses; of a router's network only to those that have none, since the kernel knows better of the
    /// others. Whether all of them were there.
    func limit(to lease: IPv6Lease, at now: Int) throws(CNIError) -> Bool {
        var count = 0
        for info in all where lease.addresses.contains(where: { $0.network == info.address }) {
            count += 1
            guard lease.grant != nil || info.isPermanent, let times = lease.lifetimes(of: info.address.address, at: now) else { continue }
            do throws(NetlinkError) {
                try socket.setLifetimes(info, preferred: times.preferred, valid: times.valid)
            } catch { throw error.cni }
        }
        return count == lease.addresses.count
    }

    /// Removes what the kernel has made of a router's network: from now on such addresses are ours to make.
    func removeAutomatic(name: String) throws(CNIError) {
        for info in all where !info.isPermanent && info.address.address.isLinkLocal == false {
            do throws(NetlinkError) { try socket.deleteAddress(info.address, index: info.link, name: name) } catch { throw error.cni }
        }
    }
}

extension IPv6Lease {
    /// How long an address of the lease is preferred and valid from now on, in seconds; nil where it is none of the lease's, or its time is
    /// over.
    func lifetimes(of address: IPAddress, at now: Int) -> (preferred: UInt32, valid: UInt32)? {
        guard let found = addresses.first(where: { $0.network.address == address }) else { return nil }
        func left(_ seconds: UInt32) -> UInt32 {
            if seconds == UInt32.max { return seconds }
            // Rounded up: the kernel is not to be earlier than the daemon.
            return UInt32(clamping: (start + Int(seconds) * 1000 - now + 999) / 1000)
        }
        let valid = left(found.valid)
        return valid == 0 ? nil : (min(left(found.preferred), valid), valid)
    }
}

extension MACAddress {
    /// The link-local address that the kernel makes of it: RFC 4291, appendix A.
    var linkLocal: IPAddress {
        guard bytes.count == 6 else { return .unspecified(.v6) }
        let identifier = [bytes[0] ^ 2, bytes[1], bytes[2], 0xff, 0xfe, bytes[3], bytes[4], bytes[5]]
        return IPAddress(bytes: [0xfe, 0x80, 0, 0, 0, 0, 0, 0] + identifier) ?? .unspecified(.v6)
    }
}
