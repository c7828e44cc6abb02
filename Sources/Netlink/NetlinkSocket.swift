import CLinux
import CMnl
import CNI
import Linux
import Namespace

/// A netlink socket: requests go out, their answers come back, one after the other. See netlink(7), rtnetlink(7).
public final class NetlinkSocket {
    /// The descriptor.
    public let descriptor: Int32
    // libmnl's socket, where this one was opened here.
    private let socket: OpaquePointer?
    private var sequence: UInt32
    private var buffer = [UInt8](repeating: 0, count: 32 * 1024)

    /// Works on a socket that someone else opened and closes.
    public init(borrowing descriptor: Int32) {
        self.descriptor = descriptor
        socket = nil
        sequence = NetlinkSocket.firstSequence
    }

    private init(owning socket: OpaquePointer) {
        self.socket = socket
        descriptor = mnl_socket_get_fd(socket)
        sequence = NetlinkSocket.firstSequence
    }

    deinit { if let socket { mnl_socket_close(socket) } }

    // Several users may share a descriptor one after the other: starting from the time keeps their numbers apart.
    private static var firstSequence: UInt32 { UInt32(truncatingIfNeeded: Clock.microseconds) & 0x7fff_ffff }

    /// Opens a socket in the thread's network namespace, with extended acknowledgements on, and for NETLINK_ROUTE strict checking too.
    ///
    /// It is bound when it is first used: the kernel then chooses its port, since a process may have several sockets.
    public static func open(protocol family: Int32 = NETLINK_ROUTE) throws(NetlinkError) -> NetlinkSocket {
        guard let socket = mnl_socket_open2(family, Int32(SOCK_CLOEXEC.rawValue)) else {
            throw NetlinkError(operation: "open a netlink socket", errno: .current)
        }
        // Each is a help, none is needed: kernels that lack one still answer.
        for option in family == NETLINK_ROUTE ? [NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK] : [NETLINK_EXT_ACK] {
            var on: Int32 = 1
            mnl_socket_setsockopt(socket, option, &on, socklen_t(MemoryLayout<Int32>.size))
        }
        return NetlinkSocket(owning: socket)
    }

    /// Opens a socket that gets the messages of multicast groups (RTNLGRP_…), in a network namespace; nil for the thread's own.
    static func open(groups: [rtnetlink_groups], inNamespace namespace: Int32? = nil) throws(NetlinkError) -> NetlinkSocket {
        let socket = if let namespace { try open(inNamespace: namespace) } else { try open() }
        // Without a port of its own it would not be told what the kernel does by itself: those messages leave out port 0.
        if clinux_bind_netlink(socket.descriptor) != 0 {
            throw NetlinkError(operation: "bind a netlink socket", errno: .current)
        }
        for group in groups {
            var number = Int32(group.rawValue)
            if setsockopt(socket.descriptor, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &number, socklen_t(MemoryLayout<Int32>.size)) != 0 {
                throw NetlinkError(operation: "subscribe to netlink group \(number)", errno: .current)
            }
        }
        return socket
    }

    /// Waits for a message of the groups and takes all that are there off: only that something happened matters. False when the time
    /// (of ``Clock``) is over.
    func waitForEvent(until deadline: Int) -> Bool {
        var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        let left = deadline - Clock.milliseconds
        if left <= 0 || poll(&polled, 1, Int32(clamping: left)) == 0 { return false }
        while buffer.withUnsafeMutableBytes({ recv(descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT)) }) > 0 {}
        return true
    }

    /// Opens a socket in another network namespace. The thread is back in its own when this returns.
    public static func open(inNamespace namespace: Int32, protocol family: Int32 = NETLINK_ROUTE) throws(NetlinkError) -> NetlinkSocket {
        var opened: Result<NetlinkSocket, NetlinkError>?
        do throws(CNIError) {
            try NetworkNamespace.with(fd: namespace) {
                do throws(NetlinkError) { opened = .success(try open(protocol: family)) } catch { opened = .failure(error) }
            }
        } catch {
            throw NetlinkError(operation: "open a netlink socket in the container: \(error.message)", errno: .current)
        }
        switch opened {
        case .success(let socket): return socket
        case .failure(let error): throw error
        case nil: throw NetlinkError(operation: "open a netlink socket in the container", errno: .noEntry)
        }
    }

    /// Sends a request and returns the messages of its answer.
    ///
    /// A list that changed while the kernel wrote it (NLM_F_DUMP_INTR) is asked for again, at most three times.
    @discardableResult
    public func request(_ message: NetlinkMessage, _ operation: @autoclosure () -> String) throws(NetlinkError) -> [NetlinkReply] {
        var attempts = 0
        while true {
            let number = nextSequence()
            try send(message.finished(sequence: number), operation())
            let answer = try receive(number, single: !message.isDump && !message.isAcknowledged, operation())
            attempts += 1
            if !answer.interrupted || attempts == 4 { return answer.replies }
        }
    }

    /// Sends several messages as one datagram, and waits for the answer to the last of them that asks for one. The kernel takes them in order; an
    /// error of one does not keep it from the next, unless they begin and end a batch of nfnetlink. The first error is thrown.
    ///
    /// - Parameter operation: what the message of this index is for.
    public func request(all messages: [NetlinkMessage], _ operation: (Int) -> String) throws(NetlinkError) {
        guard let last = messages.lastIndex(where: { $0.isAcknowledged }) else { return }
        let numbers = messages.map { _ in nextSequence() }
        var bytes: [UInt8] = []
        for (message, number) in zip(messages, numbers) { bytes += message.finished(sequence: number) }
        try send(bytes, operation(last))
        var failure: NetlinkError?
        while true {
            let (type, flags, sequence, payload) = try nextMessage(operation(last))
            guard Int32(type) == NLMSG_ERROR, let index = numbers.firstIndex(of: sequence) else { continue }
            do throws(NetlinkError) { try check(payload, flags, operation(index)) } catch { failure = failure ?? error }
            // An error of the batch as a whole is about its first message, and then nothing else is answered.
            if index == last || (index == 0 && failure != nil && messages[0].isBatchMark) { break }
        }
        if let failure { throw failure }
    }

    private func nextSequence() -> UInt32 {
        sequence = sequence == 0x7fff_ffff ? 1 : sequence + 1
        return sequence
    }

    private func send(_ bytes: [UInt8], _ operation: @autoclosure () -> String) throws(NetlinkError) {
        var kernel = sockaddr_nl()
        kernel.nl_family = sa_family_t(AF_NETLINK)
        while true {
            let sent = withUnsafePointer(to: &kernel) { address in
                address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    clinux_sendto(descriptor, bytes, bytes.count, 0, $0, socklen_t(MemoryLayout<sockaddr_nl>.size))
                }
            }
            if sent == bytes.count { return }
            if Errno.current != .interrupted { throw NetlinkError(operation: operation(), errno: .current) }
        }
    }

    // MARK: Answers

    // What was received and not yet looked at: one datagram may hold answers to several requests.
    private var pending: ArraySlice<UInt8> = []

    /// - Parameter single: whether the answer is one message: the question of an object, without an acknowledgement.
    private func receive(
        _ number: UInt32, single: Bool, _ operation: @autoclosure () -> String
    ) throws(NetlinkError) -> (replies: [NetlinkReply], interrupted: Bool) {
        var replies: [NetlinkReply] = []
        var interrupted = false
        while true {
            let (type, flags, sequence, payload) = try nextMessage(operation())
            // An answer to what an earlier user of the socket did not wait for.
            if sequence != number { continue }
            if flags & UInt16(NLM_F_DUMP_INTR) != 0 { interrupted = true }
            switch Int32(type) {
            case NLMSG_ERROR:
                try check(payload, flags, operation())
                return (replies, interrupted)
            case NLMSG_DONE:
                // A list that the kernel could not write to its end says so here.
                let code = payload.count < 4 ? 0 : Int32(bitPattern: payload.number(at: 0, as: UInt32.self))
                if code < 0 { throw NetlinkError(operation: operation(), errno: Errno(rawValue: code == Int32.min ? EINVAL : -code)) }
                return (replies, interrupted)
            case NLMSG_NOOP: continue
            default:
                replies.append(NetlinkReply(type: type, payload: payload))
                if single { return (replies, interrupted) }
            }
        }
    }

    private func nextMessage(
        _ operation: @autoclosure () -> String
    ) throws(NetlinkError) -> (type: UInt16, flags: UInt16, sequence: UInt32, payload: ArraySlice<UInt8>) {
        while true {
            let length = Int(pending.number(at: 0, as: UInt32.self))
            if length >= NetlinkMessage.headerLength && length <= pending.count {
                let message = pending.prefix(length)
                pending = pending.dropFirst((length + 3) & ~3)
                return (
                    message.number(at: 4, as: UInt16.self), message.number(at: 6, as: UInt16.self), message.number(at: 8, as: UInt32.self),
                    message.dropFirst(NetlinkMessage.headerLength)
                )
            }
            pending = try readDatagram(operation())
        }
    }

    private func readDatagram(_ operation: @autoclosure () -> String) throws(NetlinkError) -> ArraySlice<UInt8> {
        while true {
            // MSG_TRUNC tells the datagram's length also where the buffer is too small for it.
            var sender: UInt32 = 0
            let count = buffer.withUnsafeMutableBytes { clinux_receive_netlink(descriptor, $0.baseAddress, $0.count, &sender) }
            // Other processes can send to a netlink socket too: only the kernel, which is number 0, answers.
            if count > 0 && sender != 0 { continue }
            if count > buffer.count { throw NetlinkError(operation: "\(operation()): answer of \(count) bytes", errno: .fileTooLarge) }
            if count > 0 { return ArraySlice(buffer[0..<count].map { $0 }) }
            if count == 0 { throw NetlinkError(operation: "\(operation()): empty answer", errno: Errno(rawValue: EPROTO)) }
            if Errno.current != .interrupted { throw NetlinkError(operation: operation(), errno: .current) }
        }
    }

    /// Reads an NLMSG_ERROR: 0 is the acknowledgement.
    private func check(_ payload: ArraySlice<UInt8>, _ flags: UInt16, _ operation: @autoclosure () -> String) throws(NetlinkError) {
        let code = Int32(bitPattern: payload.number(at: 0, as: UInt32.self))
        if code == 0 { return }
        // With NLM_F_CAPPED the request's header alone is repeated, else the whole request; attributes follow.
        var skipped = 4 + NetlinkMessage.headerLength
        if flags & UInt16(NLM_F_CAPPED) == 0 { skipped = 4 + (Int(payload.number(at: 4, as: UInt32.self)) + 3) & ~3 }
        let attributes = NetlinkAttributes(flags & UInt16(NLM_F_ACK_TLVS) == 0 ? [] : payload.dropFirst(max(0, skipped)))
        throw NetlinkError(
            operation: operation(), errno: Errno(rawValue: code == Int32.min ? EINVAL : abs(code)),
            kernelMessage: attributes.text(Int32(NLMSGERR_ATTR_MSG.rawValue)))
    }
}
