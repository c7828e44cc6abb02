import CLinux

/// The system's D-Bus, through libsystemd's sd-bus, which is opened when it is first needed: programs that never ask a service do without.
public final class SystemBus {
    /// Why a call did not succeed.
    public struct Failure: Error, Equatable, Sendable {
        /// The D-Bus error's name: "org.freedesktop.DBus.Error.ServiceUnknown"; empty where the bus itself can't be had.
        public let name: String
        /// The error in words.
        public let message: String

        /// Whether nobody has the service's name: it does not run.
        public var isAbsence: Bool {
            name == "org.freedesktop.DBus.Error.ServiceUnknown" || name == "org.freedesktop.DBus.Error.NameHasNoOwner" || name.isEmpty
        }
    }

    /// A method of a service's object.
    public struct Method: Sendable {
        let destination: String
        let path: String
        let interface: String
        let member: String

        /// Makes one of these parts.
        public init(destination: String, path: String, interface: String, member: String) {
            self.destination = destination
            self.path = path
            self.interface = interface
            self.member = member
        }
    }

    /// struct sd_bus_error.
    private struct BusError {
        var name: UnsafePointer<CChar>?
        var message: UnsafePointer<CChar>?
        var needFree: Int32 = 0
    }

    private typealias Open = @convention(c) (UnsafeMutablePointer<OpaquePointer?>) -> Int32
    private typealias NewCall =
        @convention(c) (
            OpaquePointer?, UnsafeMutablePointer<OpaquePointer?>, UnsafePointer<CChar>?, UnsafePointer<CChar>?, UnsafePointer<CChar>?,
            UnsafePointer<CChar>?
        ) -> Int32
    private typealias Append = @convention(c) (OpaquePointer?, CChar, UnsafeRawPointer?) -> Int32
    private typealias Read = @convention(c) (OpaquePointer?, CChar, UnsafeMutableRawPointer?) -> Int32
    private typealias SetFlag = @convention(c) (OpaquePointer?, Int32) -> Int32
    private typealias Call =
        @convention(c) (OpaquePointer?, OpaquePointer?, UInt64, UnsafeMutableRawPointer?, UnsafeMutablePointer<OpaquePointer?>) -> Int32
    private typealias Free = @convention(c) (UnsafeMutableRawPointer?) -> Void
    private typealias Release = @convention(c) (OpaquePointer?) -> OpaquePointer?

    private let bus: OpaquePointer?
    private let newCall: NewCall
    private let append: Append
    private let read: Read
    private let setAutoStart: SetFlag
    private let callMethod: Call
    private let freeError: Free
    private let releaseMessage: Release
    private let closeBus: Release

    /// Connects to the bus: where DBUS_SYSTEM_BUS_ADDRESS says, else /run/dbus/system_bus_socket. sd_bus_open_system(3).
    public init() throws(Failure) {
        guard let handle = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL) else {
            let why = dlerror().map { String(cString: $0) } ?? "unknown error"
            throw Failure(name: "", message: "open libsystemd: \(why)")
        }
        let open = unsafeBitCast(try SystemBus.symbol(handle, "sd_bus_open_system"), to: Open.self)
        newCall = unsafeBitCast(try SystemBus.symbol(handle, "sd_bus_message_new_method_call"), to: NewCall.self)
        append = unsafeBitCast(try SystemBus.symbol(handle, "sd_bus_message_append_basic"), to: Append.self)
        read = unsafeBitCast(try SystemBus.symbol(handle, "sd_bus_message_read_basic"), to: Read.self)
        setAutoStart = unsafeBitCast(try SystemBus.symbol(handle, "sd_bus_message_set_auto_start"), to: SetFlag.self)
        callMethod = unsafeBitCast(try SystemBus.symbol(handle, "sd_bus_call"), to: Call.self)
        freeError = unsafeBitCast(try SystemBus.symbol(handle, "sd_bus_error_free"), to: Free.self)
        releaseMessage = unsafeBitCast(try SystemBus.symbol(handle, "sd_bus_message_unref"), to: Release.self)
        closeBus = unsafeBitCast(try SystemBus.symbol(handle, "sd_bus_flush_close_unref"), to: Release.self)
        var opened: OpaquePointer?
        let status = open(&opened)
        guard status >= 0, opened != nil else {
            throw Failure(name: "", message: "connect to the system bus: \(Errno(rawValue: -status).text)")
        }
        bus = opened
    }

    deinit { _ = closeBus(bus) }

    private static func symbol(_ handle: UnsafeMutableRawPointer, _ name: String) throws(Failure) -> UnsafeMutableRawPointer {
        guard let symbol = dlsym(handle, name) else { throw Failure(name: "", message: "libsystemd has no function \(name)") }
        return symbol
    }

    /// Calls a method that takes texts, and waits for its answer; a service that does not run is not started. Returns the boolean of the
    /// answer; nil where the answer is none.
    @discardableResult
    public func call(_ method: Method, _ arguments: [String], timeoutMilliseconds: Int) throws(Failure) -> Bool? {
        var message: OpaquePointer?
        try check(newCall(bus, &message, method.destination, method.path, method.interface, method.member), method)
        defer { _ = releaseMessage(message) }
        _ = setAutoStart(message, 0)
        for argument in arguments {
            try check(argument.withCString { append(message, CChar(UInt8(ascii: "s")), $0) }, method)
        }
        var error = BusError()
        var reply: OpaquePointer?
        let status = callMethod(bus, message, UInt64(timeoutMilliseconds) * 1000, &error, &reply)
        defer { _ = releaseMessage(reply) }
        if status < 0 {
            let name = error.name.map { String(cString: $0) } ?? ""
            let text = error.message.map { String(cString: $0) } ?? Errno(rawValue: -status).text
            freeError(&error)
            throw Failure(name: name, message: text)
        }
        var answer: Int32 = 0
        return read(reply, CChar(UInt8(ascii: "b")), &answer) > 0 ? answer != 0 : nil
    }

    private func check(_ status: Int32, _ method: Method) throws(Failure) {
        if status < 0 { throw Failure(name: "", message: "\(method.member): \(Errno(rawValue: -status).text)") }
    }
}
