import CNI
import Namespace
import Testing

@Suite struct NamespaceTests {
    @Test(arguments: ["", "/nonexistent/netns", "/proc/self/status/below-a-file"])
    func aMissingPathIsNone(path: String) throws {
        #expect(try NetworkNamespace.open(path) == nil)
    }

    @Test(arguments: ["/tmp", "/etc/passwd", "/proc/self/ns/mnt", "/dev/null"])
    func somethingElseIsAnError(path: String) {
        do throws(CNIError) {
            _ = try NetworkNamespace.open(path)
            Issue.record("\(path) was taken for a network namespace")
        } catch {
            #expect(error.code == .invalidNetns && error.message.contains(path) && error.message.contains("not a network namespace"))
        }
    }

    @Test func theThreadsOwnIsRecognised() throws {
        #expect(try NetworkNamespace.open("/proc/self/ns/net") != nil)
        #expect(NetworkNamespace.isCurrent("/proc/self/ns/net"))
        #expect(!NetworkNamespace.isCurrent("/proc/self/ns/mnt") && !NetworkNamespace.isCurrent("/nonexistent"))
    }

    @Test func parametersNameTheirFile() {
        #expect(Sysctl.path(["net", "ipv4", "conf", "eth0.5", "arp_notify"]) == "/proc/sys/net/ipv4/conf/eth0.5/arp_notify")
        do throws(CNIError) {
            try Sysctl.write("1", to: ["net", "no-such-parameter"])
            Issue.record("a parameter that does not exist was written")
        } catch {
            #expect(error.message == "write 1 to /proc/sys/net/no-such-parameter: No such file or directory")
        }
    }
}
