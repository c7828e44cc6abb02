import Netlink

/// What gets a lease of one family, and keeps it: a state machine with its sockets. A session has one; it is called on the daemon's thread.
protocol LeaseDriver: AnyObject {
    /// The lease, or the one that is being probed; nil for none.
    var lease: Lease? { get }
    /// Whether the interface has it.
    var hasLease: Bool { get }
    /// Where it stands, in a word.
    var state: String { get }
    /// What went wrong last; nil for nothing.
    var problem: String? { get }
    /// When ``timeOut()`` has to be called; nil for never.
    var deadline: Int? { get }

    /// Begins the search. One that replaces a lost lease is never given up.
    func start(givingUp: Bool)
    /// Goes on with a lease that was granted before.
    func resume(_ lease: Lease)
    /// The time of ``deadline`` has come.
    func timeOut()
    /// An IPv6 address of the interface is new or has changed.
    func addressChanged(_ info: AddressInfo)
    /// Ends everything. Where there is a lease that has to be given back, it is, after `remove` has taken it from the interface in whose
    /// namespace it is called. The words for how that went; nil where there was nothing to give back.
    func release(removing remove: () -> Void) -> String?
    /// Closes what is open.
    func closeSockets()
    /// Lets go of all that would keep this object: to be called last.
    func dispose()
}
