import CNI
import DHCPSocket

/// A request that waits for its leases, one of each family: it is answered when all are there, or the first one fails.
final class Allocation {
    /// The sessions that were begun for it.
    var began: [SessionKey] = []

    private let request: LeaseRequest
    private var leases: [IPAddress.Family: Lease] = [:]
    private var awaited: Set<IPAddress.Family>
    private var waiter: ((Result<CNIResult, CNIError>) -> Void)?

    init(_ request: LeaseRequest, _ waiter: @escaping (Result<CNIResult, CNIError>) -> Void) {
        self.request = request
        self.waiter = waiter
        awaited = Set(request.families)
    }

    /// Whether it is answered, or no one waits for it any more.
    var isDone: Bool { waiter == nil }

    /// What became of one family: a lease, nil where there need not be one, or why there is none.
    func take(_ outcome: Result<Lease?, CNIError>, _ family: IPAddress.Family) {
        do throws(CNIError) {
            leases[family] = try outcome.get()
            awaited.remove(family)
            if awaited.isEmpty { answer(.success(result)) }
        } catch {
            answer(.failure(error))
        }
    }

    /// No one waits for it any more.
    func cancel() { waiter = nil }

    private func answer(_ result: Result<CNIResult, CNIError>) {
        let waiter = waiter
        self.waiter = nil
        waiter?(result)
    }

    /// The families' results in one, IPv4 first.
    private var result: CNIResult {
        var result = CNIResult()
        for family in request.families {
            guard let part = leases[family]?.result(priority: request.priority) else { continue }
            result.ips += part.ips
            result.routes += part.routes
            result.dns.nameservers += part.dns.nameservers
            result.dns.domain = result.dns.domain ?? part.dns.domain
            result.dns.search += part.dns.search.filter { !result.dns.search.contains($0) }
        }
        return result
    }
}
