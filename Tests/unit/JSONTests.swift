import JSON
import Testing

@Suite struct JSONTests {
    @Test func keepsOrderAndValues() throws {
        let text = #"{"b":1,"a":[true,null,-9007199254740993,1.5,"é\"\\"],"o":{}}"#
        let json = try JSON(parsing: text)
        #expect(json.object?.members.map { $0.key } == ["b", "a", "o"])
        #expect(json.text() == text)
    }

    @Test func indentsByFourSpacesAndEndsWithoutANewline() throws {
        #expect(try JSON(parsing: #"{"a":[1]}"#).text(indented: true) == "{\n    \"a\": [\n        1\n    ]\n}")
    }

    @Test(arguments: ["", "{", "[1,]", "{\"a\":1}x", "nul", "\"\\u0000\"", "\u{1}"])
    func refusesWhatIsNotJSON(text: String) {
        #expect(throws: JSONError.self) { try JSON(parsing: text) }
    }

    @Test func deepNestingIsRefusedNotFatal() {
        #expect(throws: JSONError.self) { try JSON(parsing: String(repeating: "[", count: 100_000)) }
    }

    @Test func notUTF8IsRefused() {
        #expect(throws: JSONError.self) { try JSON(parsing: [0x22, 0xff, 0x22]) }
    }

    @Test func ofAKeyGivenTwiceTheLastCounts() throws {
        #expect(try JSON(parsing: #"{"a":1,"a":2}"#).object?["a"] == .integer(2))
    }

    @Test func membersCanBeReplacedAndRemoved() {
        var object = JSONObject([("a", .integer(1)), ("b", .integer(2))])
        object["a"] = .null
        object["c"] = .bool(true)
        object["b"] = nil
        #expect(JSON.object(object).text() == #"{"a":null,"c":true}"#)
    }
}
