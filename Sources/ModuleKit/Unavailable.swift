import CNI

/// Turns a failure into what STATUS says: not available. CNI 1.1.0, section 2 "STATUS", code 50.
@discardableResult
public func unavailable<T>(_ body: () throws(CNIError) -> T) throws(CNIError) -> T {
    do throws(CNIError) {
        return try body()
    } catch {
        throw CNIError(.notAvailable, error.message, details: error.details)
    }
}
