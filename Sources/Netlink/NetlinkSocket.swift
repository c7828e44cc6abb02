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

    /// The longest datagram that the kernel sends in answer to a request.
    private static let datagramLimit = 32 * 1024

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
        switchOn(NETLINK_EXT_ACK, socket)
        if family == NETLINK_ROUTE { switchOn(NETLINK_GET_STRICT_CHK, socket) }
        return NetlinkSocket(owning: socket)
    }

    private static func switchOn(_ option: Int32, _ socket: OpaquePointer) {
        var on: Int32 = 1
        mnl_socket_setsockopt(socket, option, &on, socklen_t(MemoryLayout<Int32>.size))
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
        // What is longer than the byte that is read is dropped with it.
        var first: UInt8 = 0
        while recv(descriptor, &first, 1, Int32(MSG_DONTWAIT)) > 0 {}
        return true
    }

    /// Opens a socket in another network namespace. The thread is back in its own when this returns.
    ///
    /// - Parameter home: the thread's own namespace, where the caller has it open.
    public static func open(
        inNamespace namespace: Int32, from home: NetworkNamespace? = nil, protocol family: Int32 = NETLINK_ROUTE
    ) throws(NetlinkError) -> NetlinkSocket {
        var opened: Result<NetlinkSocket, NetlinkError>?
        do throws(CNIError) {
            let own = if let home { home } else { try NetworkNamespace.current() }
            try NetworkNamespace.with(fd: namespace, from: own) {
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

    /// Why an exchange failed: what it was for is known to the caller. Where that were handed down as a closure, the compiler would make a
    /// copy of all the code below for each request that there is.
    private struct Failure: Error {
        let errno: Errno
        var kernelMessage: String?

        func during(_ operation: String) -> NetlinkError {
            NetlinkError(operation: operation, errno: errno, kernelMessage: kernelMessage)
        }
    }

    /// Sends a request and returns the messages of its answer.
    ///
    /// A list that changed while the kernel wrote it (NLM_F_DUMP_INTR) is asked for again, at most three times.
    @discardableResult
    public func request(_ message: NetlinkMessage, _ operation: @autoclosure () -> String) throws(NetlinkError) -> [NetlinkReply] {
        do throws(Failure) { return try exchange(message) } catch { throw error.during(operation()) }
    }

    /// Sends several messages as one datagram, and waits for the answer to the last of them. The kernel takes them in order; an error of one
    /// does not keep it from the next, unless they begin and end a batch of nfnetlink. The first error is thrown.
    ///
    /// - Parameter operation: what the message of this index is for.
    public func request(all messages: [NetlinkMessage], _ operation: (Int) -> String) throws(NetlinkError) {
        if let first = try failures(ofAll: messages, operation).first { throw first.error }
    }

    /// The same for messages that may fail: which did, in their order. Throws where the kernel can't be asked.
    func failures(
        ofAll messages: [NetlinkMessage], _ operation: (Int) -> String
    ) throws(NetlinkError) -> [(index: Int, error: NetlinkError)] {
        if messages.isEmpty { return [] }
        do throws(Failure) {
            return try exchange(all: messages).map { ($0.index, $0.failure.during(operation($0.index))) }
        } catch {
            throw error.during(operation(messages.count - 1))
        }
    }

    @inline(never)
    private func exchange(_ message: NetlinkMessage) throws(Failure) -> [NetlinkReply] {
        var attempts = 0
        while true {
            let number = nextSequence()
            try send(message.finished(sequence: number))
            let answer = try receive(number, single: !message.isDump && !message.isAcknowledged)
            attempts += 1
            if !answer.interrupted || attempts == 4 { return answer.replies }
        }
    }

    /// The messages that failed, and why.
    @inline(never)
    private func exchange(all messages: [NetlinkMessage]) throws(Failure) -> [(index: Int, failure: Failure)] {
        // Of a batch of nfnetlink the last message is its end, which is not answered.
        let last = messages.lastIndex { !$0.isBatchMark } ?? 0
        if Int(sequence) + messages.count >= 0x7fff_ffff { sequence = 0 }
        let first = sequence + 1
        var bytes: [UInt8] = []
        for (index, message) in messages.enumerated() {
            bytes += message.finished(sequence: nextSequence(), acknowledged: index == last)
        }
        try send(bytes)
        var failed: [(index: Int, failure: Failure)] = []
        while true {
            let (type, flags, sequence, payload) = try nextMessage()
            let index = Int(sequence) - Int(first)
            guard Int32(type) == NLMSG_ERROR, messages.indices.contains(index) else { continue }
            do throws(Failure) { try check(payload, flags) } catch { failed.append((index, error)) }
            // An error of the batch as a whole is about its first message, and then nothing else is answered.
            if index == last || (index == 0 && !failed.isEmpty && messages[0].isBatchMark) { return failed }
        }
    }

    private func nextSequence() -> UInt32 {
        sequence = sequence == 0x7fff_ffff ? 1 : sequence + 1
        return sequence
    }

    private func send(_ bytes: [UInt8]) throws(Failure) {
        var kernel = sockaddr_nl()
        kernel.nl_family = sa_family_t(AF_NETLINK)
        while true {
            let sent = withUnsafePointer(to: &kernel) { address in
                address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    clinux_sendto(descriptor, bytes, bytes.count, 0, $0, socklen_t(MemoryLayout<sockaddr_nl>.size))
                }
            }
            if sent == bytes.count { return }
            if Errno.current != .interrupted { throw Failure(errno: .current) }
        }
    }

    // MARK: Answers

    // What was received and not yet looked at: one datagram may hold answers to several requests.
    private var pending: ArraySlice<UInt8> = []

    /// - Parameter single: whether the answer is one message: the question of an object, without an acknowledgement.
    private func receive(_ number: UInt32, single: Bool) throws(Failure) -> (replies: [NetlinkReply], interrupted: Bool) {
        var replies: [NetlinkReply] = []
        var interrupted = false
        while true {
            let (type, flags, sequence, payload) = try nextMessage()
            // An answer to what an earlier user of the socket did not wait for.
            if sequence != number { continue }
            if flags & UInt16(NLM_F_DUMP_INTR) != 0 { interrupted = true }
            switch Int32(type) {
            case NLMSG_ERROR:
                try check(payload, flags)
                return (replies, interrupted)
            case NLMSG_DONE:
                // A list that the kernel could not write to its end says so here.
                let code = payload.count < 4 ? 0 : Int32(bitPattern: payload.number(at: 0, as: UInt32.self))
                if code < 0 { throw Failure(errno: Errno(rawValue: code == Int32.min ? EINVAL : -code)) }
                return (replies, interrupted)
            case NLMSG_NOOP: continue
            default:
                replies.append(NetlinkReply(type: type, payload: payload))
                if single { return (replies, interrupted) }
            }
        }
    }

    private func nextMessage() throws(Failure) -> (type: UInt16, flags: UInt16, sequence: UInt32, payload: ArraySlice<UInt8>) {
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
            pending = try readDatagram()[...]
        }
    }

    /// The buffer is not kept: clearing it, and the memory it takes, would cost more than the answers, most of which are short.
    private func readDatagram() throws(Failure) -> [UInt8] {
        try withUnsafeTemporaryAllocation(byteCount: NetlinkSocket.datagramLimit, alignment: 8) { (buffer) throws(Failure) in
            while true {
                // MSG_TRUNC tells the datagram's length also where the buffer is too small for it.
                var sender: UInt32 = 0
                let count = clinux_receive_netlink(descriptor, buffer.baseAddress, buffer.count, &sender)
                // Other processes can send to a netlink socket too: only the kernel, which is number 0, answers.
                if count > 0 && sender != 0 { continue }
                if count > buffer.count { throw Failure(errno: .fileTooLarge, kernelMessage: "an answer of \(count) bytes") }
                if count > 0 { return Array(buffer.prefix(count)) }
                if count == 0 { throw Failure(errno: Errno(rawValue: EPROTO), kernelMessage: "an empty answer") }
                if Errno.current != .interrupted { throw Failure(errno: .current) }
            }
        }
    }

    /// Reads an NLMSG_ERROR: 0 is the acknowledgement.
    private func check(_ payload: ArraySlice<UInt8>, _ flags: UInt16) throws(Failure) {
        let code = Int32(bitPattern: payload.number(at: 0, as: UInt32.self))
        if code == 0 { return }
        // With NLM_F_CAPPED the request's header alone is repeated, else the whole request; attributes follow.
        var skipped = 4 + NetlinkMessage.headerLength
        if flags & UInt16(NLM_F_CAPPED) == 0 { skipped = 4 + (Int(payload.number(at: 4, as: UInt32.self)) + 3) & ~3 }
        let attributes = NetlinkAttributes(flags & UInt16(NLM_F_ACK_TLVS) == 0 ? [] : payload.dropFirst(max(0, skipped)))
        throw Failure(
            errno: Errno(rawValue: code == Int32.min ? EINVAL : abs(code)),
            kernelMessage: attributes.text(Int32(NLMSGERR_ATTR_MSG.rawValue)))
    }
}
