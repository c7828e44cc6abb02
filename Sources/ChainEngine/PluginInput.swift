import CNI
import JSON
import Linux

/// The configuration on standard input: a JSON object with a valid network name.
struct PluginInput {
    let config: ConfigReader
    /// The network's name.
    let network: String

    /// More bytes than this are no configuration.
    static let limit = 8 << 20

    init(_ bytes: [UInt8]) throws(CNIError) {
        config = ConfigReader(try PluginInput.decode(bytes))
        network = try config.string("name") ?? ""
        try Names.checkNetwork(network)
    }

    /// Reads standard input to its end.
    static func read() throws(CNIError) -> [UInt8] {
        do throws(Errno) {
            return try StandardStream.readInput(limit: limit)
        } catch {
            if error == .fileTooLarge {
                throw CNIError(.ioFailure, "read configuration from standard input: it is longer than \(limit >> 20) MiB")
            }
            throw CNIError(.ioFailure, "read configuration from standard input: \(error.text)")
        }
    }

    private static func decode(_ bytes: [UInt8]) throws(CNIError) -> JSONObject {
        if bytes.isEmpty { throw CNIError(.decodingFailure, "decode configuration: standard input is empty") }
        let json: JSON
        do throws(JSONError) {
            json = try JSON(parsing: bytes)
        } catch {
            throw CNIError(.decodingFailure, "decode configuration: line \(error.line), column \(error.column): \(error.text)")
        }
        guard let object = json.object else {
            throw CNIError(.decodingFailure, "decode configuration: expected an object, found \(json.kind)")
        }
        return object
    }
}
