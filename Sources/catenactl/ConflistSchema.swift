import CNI
import JSON

/// One JSON Schema (2020-12) of a whole configuration file, made of those that the installed modules carry.
enum ConflistSchema {
    /// The schema: of a `.conflist`, or of a single plugin's `.conf`.
    ///
    /// - Parameter modules: the modules' types, kinds and schemas. A plugin of another type may have any keys.
    static func make(_ modules: [(type: String, kind: String, schema: JSON)]) -> JSON {
        var definitions: [(String, JSON)] = [
            ("plugin", plugin(modules)), ("common", common(modules)), ("capabilities", capabilities), ("dns", dns), ("host", host),
        ]
        definitions += modules.map { ($0.type, moved($0.schema, to: "#/$defs/\($0.type)")) }
        return .object(
            JSONObject([
                ("$schema", "https://json-schema.org/draft/2020-12/schema"), ("title", "CNI network configuration"), ("type", "object"),
                ("if", object(["required": ["plugins"]])), ("then", list), ("else", object(["$ref": "#/$defs/plugin"])),
                ("$defs", .object(JSONObject(definitions))),
            ]))
    }

    /// References within a module's schema are to its root: they become references to its place here.
    private static func moved(_ schema: JSON, to place: String) -> JSON {
        switch schema {
        case .object(let object):
            return .object(
                JSONObject(
                    object.members.filter { $0.key != "$schema" }.map { member in
                        if member.key == "$ref", let reference = member.value.string, reference.first == "#" {
                            return (member.key, .string(place + reference.dropFirst()))
                        }
                        return (member.key, moved(member.value, to: place))
                    }))
        case .array(let items): return .array(items.map { moved($0, to: place) })
        default: return schema
        }
    }

    private static let version: JSON = object(["enum": .array(CNIVersion.released.map { .string($0) })])
    private static let flag: JSON = object(["enum": [true, false, "true", "false", "True", "False"]])
    private static let anything: JSON = object(["type": "object", "additionalProperties": true])
    private static let strings: JSON = object(["type": "array", "items": object(["type": "string"])])
    private static let name: JSON = object(["type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]*$", "examples": ["mynet"]])
    private static let capabilities: JSON = object(["type": "object", "additionalProperties": object(["type": "boolean"])])
    private static let dns: JSON = object([
        "type": "object",
        "properties": object(["nameservers": strings, "domain": object(["type": "string"]), "search": strings, "options": strings]),
    ])

    /// CNI 1.1.0, section 1 "Configuration format".
    private static let list: JSON = object([
        "required": ["name"],
        "properties": object([
            "cniVersion": version, "cniVersions": object(["type": "array", "items": version]), "name": name, "disableCheck": flag,
            "disableGC": flag, "loadOnlyInlinedPlugins": flag,
            "plugins": object(["type": "array", "items": object(["$ref": "#/$defs/plugin"])]),
        ]),
    ])

    /// A plugin's object: its type decides which module's schema holds.
    private static func plugin(_ modules: [(type: String, kind: String, schema: JSON)]) -> JSON {
        let known = modules.filter { $0.kind != "ipam" }.map { $0.type } + ["catena"]
        var parts: [JSON] = known.map { type in
            let place = type == "catena" ? "host" : type
            return object([
                "if": object(["properties": object(["type": object(["const": .string(type)])]), "required": ["type"]]),
                "then": object(["allOf": [object(["$ref": "#/$defs/common"]), object(["$ref": .string("#/$defs/\(place)")])]]),
            ])
        }
        parts += modules.filter { $0.kind == "ipam" }.map { module in
            let delegates = object(["properties": object(["type": object(["const": .string(module.type)])]), "required": ["type"]])
            return object([
                "if": object(["properties": object(["ipam": delegates]), "required": ["ipam"]]),
                "then": object(["$ref": .string("#/$defs/\(module.type)")]),
            ])
        }
        parts.append(
            object([
                "if": object(["properties": object(["type": object(["enum": .array(known.map { .string($0) })])])]),
                "else": object(["additionalProperties": true]),
            ]))
        return object([
            "type": "object", "required": ["type"], "properties": object(["type": object(["type": "string", "minLength": 1])]),
            "allOf": .array(parts),
        ])
    }

    /// What any plugin may have: keys of CNI, of libcni, and the engine's own.
    private static func common(_ modules: [(type: String, kind: String, schema: JSON)]) -> JSON {
        let delegates: [JSON] = modules.filter { $0.kind == "ipam" }.map { .string($0.type) }
        return object([
            "properties": object([
                "cniVersion": version, "name": name, "type": object(["type": "string"]),
                "capabilities": object(["$ref": "#/$defs/capabilities"]),
                "args": anything, "runtimeConfig": anything, "prevResult": anything, "dns": object(["$ref": "#/$defs/dns"]),
                "catena": object(["type": "object", "properties": object(["timeout": seconds])]),
                "ipam": object([
                    "type": "object", "properties": object(["type": object(["type": "string"])]),
                    "if": object(["properties": object(["type": object(["enum": .array(delegates)])]), "required": ["type"]]),
                    "else": object(["additionalProperties": true]),
                ]),
            ])
        ])
    }

    private static let seconds: JSON = object(["type": "integer", "minimum": 1, "maximum": 86400])

    /// The host's own keys: README.md, "With a runtime".
    private static let host: JSON = object([
        "properties": object([
            "chain": object(["type": "array", "minItems": 1, "items": object(["$ref": "#/$defs/plugin"])]),
            "conflist": object(["type": "string", "pattern": "^/", "examples": ["/etc/catena/net.d/mynet.conflist"]]), "timeout": seconds,
            "log": object([
                "type": "object",
                "properties": object([
                    "to": object(["type": "string", "pattern": "^(journald|syslog|/.*)$", "examples": ["journald"]]),
                    "level": object(["enum": ["debug", "info", "warning", "error"]]),
                ]),
            ]),
        ]),
        "not": object(["required": ["chain", "conflist"], "description": "\"chain\" and \"conflist\" can't both be set"]),
    ])

    private static func object(_ members: KeyValuePairs<String, JSON>) -> JSON { .object(JSONObject(members.map { ($0.key, $0.value) })) }
}
