import CLinux
import CNI
import DHCPSocket
import JSON
import Linux

/// A connection to the daemon's socket: one request, one answer.
final class Connection {
    /// How long a client may take to say what it wants, and to take the answer.
    private static let patience = 10_000

    private let descriptor: Int32
    private let table: LeaseTable
    private let loop: EventLoop
    private var frame = MessageFrame()
    private var timer = 0
    private var waitsFor: LeaseKey?
    private var output: ArraySlice<UInt8> = []
    private var isClosed = false

    /// Takes over a descriptor.
    init(_ descriptor: Int32, _ table: LeaseTable) throws(CNIError) {
        self.descriptor = descriptor
        self.table = table
        loop = table.loop
        timer = loop.makeTimer { [self] in close() }
        loop.set(timer, to: loop.now + Connection.patience)
        try loop.watch(descriptor) { [self] in ready() }
    }

    private func ready() {
        if !output.isEmpty { return flush() }
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        let count = chunk.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
        if count < 0 {
            if Errno.current.rawValue == EAGAIN || Errno.current == .interrupted { return }
            return close()
        }
        if count == 0 { return close() }
        // Nothing follows a request.
        if waitsFor != nil || !frame.append(chunk[0..<count]) { return close() }
        if let body = frame.body { serve(body) }
    }

    private func serve(_ body: [UInt8]) {
        do throws(CNIError) {
            let json: JSON
            do throws(JSONError) { json = try JSON(parsing: body) } catch {
                throw CNIError(.decodingFailure, "decode request: \(error.text)")
            }
            if let answer = try answer(to: try DaemonRequest(json)) { send(answer) }
        } catch {
            send(Connection.object(error))
        }
    }

    private static func object(_ error: CNIError) -> JSONObject { JSONObject([("error", error.json(version: nil))]) }

    /// The answer; nil where it comes later.
    private func answer(to request: DaemonRequest) throws(CNIError) -> JSONObject? {
        switch request {
        case .allocate(let request):
            waitsFor = request.key
            loop.set(timer, to: nil)
            try table.allocate(request) { [self] in granted($0) }
            return nil
        case .release(let key):
            table.release(key)
            return JSONObject()
        case .check(let key):
            let addresses = try table.check(key).flatMap { $0.addresses }.map { JSON.string($0.text) }
            return JSONObject([("addresses", .array(addresses))])
        case .collect(let network, let valid):
            return JSONObject([("released", .integer(Int64(table.collect(network: network, valid: valid))))])
        case .status: return JSONObject([("pid", .integer(Int64(getpid())))])
        case .leases: return JSONObject([("leases", table.list)])
        case .metrics: return JSONObject([("metrics", .string(table.metrics))])
        }
    }

    private func granted(_ result: Result<CNIResult, CNIError>) {
        waitsFor = nil
        do throws(CNIError) {
            send(JSONObject([("result", try ResultFormat.encode(try result.get(), version: "1.1.0"))]))
        } catch {
            send(Connection.object(error))
        }
    }

    private func send(_ object: JSONObject) {
        if isClosed { return }
        waitsFor = nil
        output = MessageFrame.encode(object)[...]
        loop.set(timer, to: loop.now + Connection.patience)
        flush()
    }

    private func flush() {
        while !output.isEmpty {
            let count = output.withUnsafeBytes { CLinux.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count < 0 {
                if Errno.current == .interrupted { continue }
                if Errno.current.rawValue == EAGAIN { return loop.watchWriting(descriptor) }
                break
            }
            output = output.dropFirst(count)
        }
        close()
    }

    private func close() {
        if isClosed { return }
        isClosed = true
        loop.close(descriptor)
        loop.remove(timer)
        if let key = waitsFor { table.abandon(key) }
    }
}
