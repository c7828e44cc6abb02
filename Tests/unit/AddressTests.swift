import CNI
import Testing

@Suite struct AddressTests {
    @Test func parsesBothFamilies() {
        #expect(IPAddress("10.1.0.5")?.text == "10.1.0.5")
    }
}
