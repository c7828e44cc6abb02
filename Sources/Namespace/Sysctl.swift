import CNI
import Linux

/// Kernel parameters under /proc/sys. Those under `net` are of the thread's network namespace.
public enum Sysctl {
    /// The file of a parameter. Its name is given in parts, since an interface's name may hold dots: ["net", "ipv4", "conf", "eth0.5", "arp_notify"].
    public static func path(_ parts: [String]) -> String { "/proc/sys/" + parts.joined(separator: "/") }

    /// Whether this kernel, and namespace, have the parameter.
    public static func exists(_ parts: [String]) -> Bool { File.exists(path(parts)) }

    /// The value, without the newline at its end.
    public static func read(_ parts: [String]) throws(CNIError) -> String {
        do throws(Errno) {
            let bytes = try File.readSmall(path(parts))
            return String(decoding: bytes.last == 0x0a ? bytes.dropLast() : bytes[...], as: UTF8.self)
        } catch {
            throw CNIError("read \(path(parts)): \(error.text)")
        }
    }

    /// Sets the value.
    public static func write(_ value: String, to parts: [String]) throws(CNIError) {
        do throws(Errno) {
            try File.write(value, to: path(parts))
        } catch {
            throw CNIError("write \(value) to \(path(parts)): \(error.text)")
        }
    }

    /// Sets the value without a look at what it is: for one that usually is another. A parameter may be read-only and right already, as in a
    /// container.
    public static func set(_ value: String, at parts: [String]) throws(CNIError) {
        do throws(CNIError) {
            try write(value, to: parts)
        } catch {
            if (try? read(parts)) != value { throw error }
        }
    }

    /// Sets the value where it is another: for one that usually is right. A parameter may be read-only and right already, as in a container.
    public static func ensure(_ value: String, at parts: [String]) throws(CNIError) {
        if try read(parts) != value { try write(value, to: parts) }
    }
}
