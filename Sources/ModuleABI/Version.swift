/// Catena's own version: what the programs, the host table and the first-party modules tell.
public enum CatenaVersion {
    /// "0.1.0".
    public static let text: StaticString = "0.1.0"
}
