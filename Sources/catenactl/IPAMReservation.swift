import CNI
import HostLocalModule
import JSON
import Namespace
import State

/// A reservation, and what is known of the attachment that it is for.
struct IPAMReservation {
    /// Whether a reservation is still for something.
    enum State {
        /// The attachment is known, and so is that its namespace exists, where it has one.
        case inUse(String)
        case leaked(String)
        /// Reserved so short a time ago, in seconds, that its ADD may still be under way: a runtime keeps the result when that has ended.
        case new(Int)
        /// Made before this boot.
        case earlierBoot
        /// The file names nobody.
        case torn

        /// Whether releasing it can take an address from a container.
        var isInUse: Bool {
            switch self {
            case .inUse, .new: true
            default: false
            }
        }
        var isLeaked: Bool { if case .leaked = self { true } else { false } }

        /// One word.
        var text: String {
            switch self {
            case .inUse: "in use"
            case .leaked: "leaked"
            case .new: "new"
            case .earlierBoot: "earlier boot"
            case .torn: "torn"
            }
        }

        /// Why that is so.
        var reason: String {
            switch self {
            case .inUse(let why), .leaked(let why): why
            case .new(let seconds): "it was reserved \(seconds) s ago, and its ADD may still be under way"
            case .earlierBoot: "it was reserved before this boot: the next operation in the network frees it"
            case .torn: "its file is empty, damaged, or can't be read"
            }
        }
    }

    let network: String
    let directory: String
    let held: Inspection.Held
    let state: State
    /// CNI_NETNS of the attachment, where it is known.
    let netns: String

    /// - Parameters:
    ///   - known: the network's attachments, by container ID.
    ///   - grace: how many seconds a reservation is new.
    init(network: String, directory: String, held: Inspection.Held, known: [String: [KnownAttachment]], grace: Int) {
        self.network = network
        self.directory = directory
        self.held = held
        let attachment = (held.containerID.flatMap { known[$0] } ?? []).first {
            held.interfaceName == nil || held.interfaceName == $0.attachment.interfaceName
        }
        netns = attachment?.netns ?? ""
        state = IPAMReservation.state(held, attachment, grace)
    }

    private static func state(_ held: Inspection.Held, _ attachment: KnownAttachment?, _ grace: Int) -> State {
        if held.containerID == nil { return .torn }
        if held.isOfEarlierBoot { return .earlierBoot }
        guard let attachment else {
            let age = Timestamp.now.seconds - held.since.seconds
            if age >= 0 && age < grace { return .new(age) }
            return .leaked("no attachment is known: neither a cached result nor a record of catena")
        }
        let netns = attachment.netns
        if netns.isEmpty { return .inUse("the attachment is known, its network namespace is not") }
        if (try? NetworkNamespace.open(netns)) == nil { return .leaked("its network namespace \(netns) is gone") }
        return .inUse("its network namespace \(netns) is there")
    }

    /// The cells of a table: network, address, container, interface, since, state.
    var row: [String] {
        [network, held.address.text, held.containerID ?? "-", held.interfaceName ?? "-", held.since.text, state.text]
    }

    var json: JSON {
        .object(
            JSONObject([
                ("network", .string(network)), ("address", .string(held.address.text)),
                ("containerID", held.containerID.map { .string($0) } ?? .null), ("ifname", held.interfaceName.map { .string($0) } ?? .null),
                ("since", .string(held.since.text)), ("state", .string(state.text)), ("reason", .string(state.reason)),
                ("netns", .string(netns)), ("file", .string("\(directory)/\(held.file)")),
            ]))
    }

    /// All of it, a line for each part.
    var description: String {
        let parts = [
            ("address", held.address.text), ("network", network), ("container", held.containerID ?? "-"),
            ("ifname", held.interfaceName ?? "-"),
            ("since", held.since.text), ("state", "\(state.text): \(state.reason)"), ("netns", netns.isEmpty ? "-" : netns),
            ("file", "\(directory)/\(held.file)"),
        ]
        return parts.map { name, value in name + String(repeating: " ", count: 11 - name.count) + value + "\n" }.joined()
    }
}
