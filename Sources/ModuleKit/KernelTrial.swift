import CNI
import Namespace

/// Finds out for STATUS whether the kernel can make a kind of link, where it disturbs no one: a kernel that can't says so now, not at the
/// first ADD.
public enum KernelTrial {
    /// Runs `body`, which makes a link, in a network namespace that is gone afterwards. Throws "not available" where it fails.
    ///
    /// - Parameters:
    ///   - links: what is made, in words: "bridges".
    ///   - advice: what to do where it can't be.
    public static func make(_ links: String, advice: String, _ body: () throws(CNIError) -> Void) throws(CNIError) {
        do throws(CNIError) {
            _ = try NetworkNamespace.withTemporary(body)
        } catch {
            throw CNIError(.notAvailable, "the kernel can't make \(links): \(error.message)", details: advice)
        }
    }
}
