import CLinux
import CNI
import JSON
import Linux

/// Asks the daemon, from a module or a program for people.
public enum DaemonConnection {
    /// Where the daemon listens unless something else is configured: the reference's place.
    public static let defaultPath = "/run/cni/dhcp.sock"

    /// Sends a request, waits for the answer, and returns it. Throws code 11 where the daemon can't be reached, code 5 where it breaks
    /// off, and what the daemon itself reports.
    public static func ask(_ path: String, _ request: DaemonRequest) throws(CNIError) -> JSONObject {
        let descriptor = clinux_unix_connect(path)
        if descriptor < 0 {
            // The runtime may try again: the daemon may be on its way.
            throw CNIError(
                .tryAgainLater, "connect to the DHCP daemon at \(path): \(Errno.current.text)",
                details: "start it: systemctl start catena-dhcpd.socket, or run catena-dhcpd")
        }
        let socket = FileDescriptor(owning: descriptor)
        let body: [UInt8]
        do throws(Errno) {
            try send(MessageFrame.encode(request.json), socket)
            body = try receive(socket)
        } catch {
            throw CNIError(.ioFailure, "talk to the DHCP daemon at \(path): \(error.text)")
        }
        guard let object = try? JSON(parsing: body).object else {
            throw CNIError(.decodingFailure, "the answer of the DHCP daemon at \(path) is no JSON object")
        }
        if let error = object["error"], let failure = CNIError(error) { throw failure }
        return object
    }

    private static func send(_ bytes: [UInt8], _ socket: borrowing FileDescriptor) throws(Errno) {
        var done = 0
        while done < bytes.count {
            // A daemon that has closed its end is an error, not a signal.
            let count = bytes.withUnsafeBytes {
                CLinux.send(socket.rawValue, $0.baseAddress.map { $0 + done }, bytes.count - done, Int32(MSG_NOSIGNAL))
            }
            if count < 0 && Errno.current != .interrupted { throw Errno.current }
            done += max(count, 0)
        }
    }

    private static func receive(_ socket: borrowing FileDescriptor) throws(Errno) -> [UInt8] {
        var frame = MessageFrame()
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            if let body = frame.body { return body }
            let count = chunk.withUnsafeMutableBytes { read(socket.rawValue, $0.baseAddress, $0.count) }
            if count < 0 && Errno.current == .interrupted { continue }
            if count < 0 { throw Errno.current }
            if count == 0 || !frame.append(chunk[0..<count]) { throw Errno(rawValue: ECONNRESET) }
        }
    }
}
