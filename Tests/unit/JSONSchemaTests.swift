import CLinux
import JSON
import Linux
import Testing

@testable import JSONSchema

/// Schemas, and what they say of values.
@Suite struct JSONSchemaTests {
    private func findings(_ schema: String, _ value: String) throws -> [String] {
        try JSONSchema(JSON(parsing: schema)).examine(JSON(parsing: value)).errors.map { "\($0.pointer): \($0.text)" }
    }

    @Test(arguments: [
        (#"{"type":"integer"}"#, #""5""#, #": expected an integer, found the string "5""#),
        (
            #"{"enum":["bridge","private"]}"#, #""brigde""#,
            #": expected one of "bridge", "private", found the string "brigde": did you mean "bridge"?"#
        ),
        (#"{"properties":{"a":{"minimum":1}}}"#, #"{"a":0}"#, "/a: expected at least 1, found 0"),
        (#"{"required":["x"]}"#, "{}", #": key "x" is missing"#),
        (##"{"items":{"$ref":"#/$defs/n"},"$defs":{"n":{"type":"number"}}}"##, #"[1,true]"#, "/1: expected a number, found true"),
        (#"{"properties":{"a/b":{"maxLength":2}}}"#, #"{"a/b":"abc"}"#, "/a~1b: expected at most 2 characters, found 3"),
        (#"{"if":{"properties":{"m":{"const":1}}},"then":{"required":["x"]}}"#, #"{"m":1}"#, #": key "x" is missing"#),
        (#"{"not":{"required":["a","b"]}}"#, #"{"a":1,"b":2}"#, #": "a" and "b" can't be set so together"#),
        (#"{"unevaluatedProperties":false,"allOf":[{"properties":{"a":true}}]}"#, #"{"a":1,"b":2}"#, "/b: nothing is allowed here"),
    ])
    func whatIsWrong(schema: String, value: String, expected: String) throws {
        #expect(try findings(schema, value) == [expected])
    }

    @Test(arguments: [
        (#"{"type":"integer"}"#, "1.0"), (#"{"enum":[{"a":1,"b":2}]}"#, #"{"b":2,"a":1}"#), (#"{"pattern":"^[a-z]+$"}"#, #""abc""#),
        (#"{"oneOf":[{"type":"string"},{"type":"null"}]}"#, "null"), (##"{"$ref":"#"}"##, "1"),
        (##"{"$ref":"#here","$defs":{"a":{"$anchor":"here","type":"string"}}}"##, #""x""#),
    ])
    func whatIsRight(schema: String, value: String) throws { #expect(try findings(schema, value) == []) }

    @Test func keysThatNoPartKnows() throws {
        let schema = JSONSchema(
            try JSON(
                parsing: #"{"properties":{"isGateway":true,"args":{"additionalProperties":true}},"allOf":[{"properties":{"mtu":true}}]}"#))
        let found = schema.examine(try JSON(parsing: #"{"isGatway":true,"mtu":1,"args":{"x":{"y":1}},"zzz":1}"#)).unknownKeys
        #expect(found.map { $0.text } == [#"unknown key "isGatway": did you mean "isGateway"?"#, #"unknown key "zzz""#])
        #expect(found.allSatisfy { $0.isKey })
    }

    @Test(arguments: [
        #"{"type":"text"}"#, ##"{"properties":{"a":{"$ref":"#/$defs/none"}}}"##, #"{"items":[1]}"#, #"{"required":[1]}"#,
        #"{"pattern":"("}"#, "[]",
    ])
    func schemasThatAreNone(schema: String) throws { #expect(try JSONSchema(JSON(parsing: schema)).problems.count == 1) }

    @Test func placesOfKeysAndValues() throws {
        let map = SourceMap(Array("{\n  \"a\": [1,\r\n    {\"ü\\\"/\": \"ä\", \"b\": true}]\n}".utf8))
        #expect(map.place("/a") == SourceMap.Place(line: 2, column: 8))
        #expect(map.place("/a/1/b") == SourceMap.Place(line: 3, column: 24))
        #expect(map.place("/a/1/b", isKey: true) == SourceMap.Place(line: 3, column: 19))
        #expect(map.place("/a/1/ü\"~1") == SourceMap.Place(line: 3, column: 14))
        #expect(map.place("/a/1/none") == SourceMap.Place(line: 3, column: 5))
    }
}
