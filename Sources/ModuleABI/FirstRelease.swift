/// Sizes in bytes that the structs of `catena/module.h` had in the first release: the least that a module of ABI 1 hands over, for ever.
///
/// A struct that has grown since is read field by field, what is new only where its `size` says that it is there.
public enum FirstRelease {
    /// `catena_module`
    public static let module: UInt32 = 104
    /// `catena_result`
    public static let result: UInt32 = 48
    /// `catena_interface`
    public static let interface: UInt32 = 48
    /// `catena_ip`
    public static let ip: UInt32 = 24
    /// `catena_route`
    public static let route: UInt32 = 48
    /// `catena_dns`
    public static let dns: UInt32 = 48
}
