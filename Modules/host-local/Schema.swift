extension HostLocal {
    /// JSON Schema (2020-12) of the configuration: the delegating plugin's, as far as this module reads it.
    static let schema: StaticString = """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "host-local",
          "type": "object",
          "required": ["ipam"],
          "properties": {
            "ipam": {
              "type": "object",
              "required": ["type"],
              "properties": {
                "type": { "const": "host-local" },
                "subnet": { "$ref": "#/$defs/cidr" },
                "rangeStart": { "$ref": "#/$defs/ip" },
                "rangeEnd": { "$ref": "#/$defs/ip" },
                "gateway": { "$ref": "#/$defs/ip" },
                "ranges": { "type": "array", "items": { "$ref": "#/$defs/rangeSet" } },
                "routes": { "type": "array", "items": { "$ref": "#/$defs/route" } },
                "resolvConf": { "type": "string", "description": "a file like resolv.conf(5)" },
                "dataDir": { "type": "string", "default": "/var/lib/cni/networks" }
              }
            },
            "runtimeConfig": {
              "type": "object",
              "properties": {
                "ipRanges": { "type": "array", "items": { "$ref": "#/$defs/rangeSet" } },
                "ips": { "type": "array", "items": { "type": "string" } }
              }
            },
            "args": {
              "type": "object",
              "properties": {
                "cni": { "type": "object", "properties": { "ips": { "type": "array", "items": { "type": "string" } } } }
              }
            }
          },
          "$defs": {
            "ip": { "type": "string", "examples": ["10.1.0.1", "fd00::1"] },
            "cidr": { "type": "string", "pattern": "^[0-9A-Fa-f:.]+/[0-9]+$", "examples": ["10.1.0.0/16", "fd00::/64"] },
            "range": {
              "type": "object",
              "required": ["subnet"],
              "properties": {
                "subnet": { "$ref": "#/$defs/cidr" },
                "rangeStart": { "$ref": "#/$defs/ip" },
                "rangeEnd": { "$ref": "#/$defs/ip" },
                "gateway": { "$ref": "#/$defs/ip" }
              }
            },
            "rangeSet": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/range" } },
            "route": {
              "type": "object",
              "required": ["dst"],
              "properties": {
                "dst": { "$ref": "#/$defs/cidr" },
                "gw": { "$ref": "#/$defs/ip" },
                "mtu": { "type": "integer", "minimum": 0 },
                "advmss": { "type": "integer", "minimum": 0 },
                "priority": { "type": "integer", "minimum": 0 },
                "table": { "type": "integer", "minimum": 0 },
                "scope": { "type": "integer", "minimum": 0, "maximum": 255 }
              }
            }
          }
        }
        """
}
